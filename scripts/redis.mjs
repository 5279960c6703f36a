/** A real Redis for tests, on loopback: the `redis-server` or `valkey-server` of this machine. */
import { spawn, spawnSync } from 'node:child_process'
import { createServer } from 'node:net'

const binaries = ['redis-server', 'valkey-server']

const runs = (binary) => spawnSync(binary, ['--version']).status === 0

/** No npm package carries one: those there are download it, or compile what they download. */
export const findRedis = () => binaries.find(runs)

const redisBinary = findRedis()

/** What needs one is left out where there is none. CI installs one where it can. */
export const withoutRedis = redisBinary === undefined

const freePort = () =>
  new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })

const started = (child) =>
  new Promise((resolve, reject) => {
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
      if (output.includes('eady to accept connections')) resolve()
    })
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`${redisBinary} ended with ${code}: ${output}`)))
  })

/**
 * Starts an empty server that keeps nothing on disk.
 *
 * @param {{ flags?: string[] }} [options] such as `['--requirepass', '…']`
 * @returns {Promise<{ port: number, url: string, stop(): Promise<void>, pause(): void, resume(): void, restart(): Promise<void> }>}
 */
export const startRedis = async ({ flags = [] } = {}) => {
  if (!redisBinary) throw new Error(`none of ${binaries.join(', ')} is on the PATH`)
  const port = await freePort()
  const own = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
  let child
  const killHard = () => child.kill('SIGKILL')

  const start = async () => {
    child = spawn(redisBinary, [...own, ...flags], { stdio: ['ignore', 'pipe', 'ignore'] })
    process.once('exit', killHard)
    await started(child)
  }
  const stop = () =>
    new Promise((resolve) => {
      process.off('exit', killHard)
      if (child.exitCode !== null || child.signalCode !== null) return resolve()
      child.once('exit', () => resolve())
      child.kill('SIGKILL')
    })
  await start()
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    /** What a power cut does. */
    stop,
    /** It keeps its connections, and says nothing more. */
    pause: () => child.kill('SIGSTOP'),
    resume: () => child.kill('SIGCONT'),
    restart: start,
  }
}
