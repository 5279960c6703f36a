/** The built server in a process of its own, to be killed at any moment and started again. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { serverSecret } from '../harness.js'

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url))

export interface ServerProcess {
  readonly isUp: boolean
  /** That it has ended by itself, which it never should. */
  readonly problem: string | undefined
  /** Another one after each start. */
  readonly url: string
  /** What it wrote to its log, from the level of errors on, over all of its lives. */
  readonly log: readonly string[]
  /** Of the process that runs. */
  readonly pid: number
  start(): Promise<void>
  /** SIGTERM: it ends what it has begun, and then itself. */
  stop(): Promise<void>
  /** SIGKILL: it has no chance to finish anything. */
  kill(): Promise<void>
}

const exited = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once('exit', () => resolve())
  })

const listening = (child: ChildProcess, log: readonly string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    child.stdout?.on('data', (chunk) => {
      const url = /^listening on (\S+)\n/.exec(String(chunk))?.[1]
      if (url) resolve(url)
    })
    child.once('exit', (code) =>
      reject(new Error(`a server ended with ${code}: ${log.slice(-5).join('\n')}`)),
    )
  })

export interface Machine {
  databaseUrl: string
  issuer: string
  config: object
}

/** A folder with the configuration, and servers that are all told the same. */
export const createMachine = ({ databaseUrl, issuer, config }: Machine) => {
  const folder = mkdtempSync(join(tmpdir(), 'behalf-crash-'))
  const configPath = join(folder, 'behalf.config.json')
  writeFileSync(configPath, JSON.stringify(config))
  const env = {
    PATH: process.env.PATH,
    // Whatever is free: a port that was given back may have been taken by a connection meanwhile.
    PORT: '0',
    DATABASE_URL: databaseUrl,
    BEHALF_CONFIG: configPath,
    BEHALF_ISSUER: issuer,
    BEHALF_SECRET: serverSecret,
    LOG_LEVEL: 'error',
  }
  const servers: ServerProcess[] = []

  const createServer = (): ServerProcess => {
    const log: string[] = []
    let child: ChildProcess | undefined
    let url: string | undefined
    let problem: string | undefined
    const end = async (signal: NodeJS.Signals): Promise<void> => {
      url = undefined
      const victim = child
      child = undefined
      victim?.kill(signal)
      if (victim) await exited(victim)
    }
    const kill = (): Promise<void> => end('SIGKILL')
    const start = async (): Promise<void> => {
      const started = spawn(process.execPath, [main], {
        cwd: folder,
        stdio: ['ignore', 'pipe', 'pipe'],
        env,
      })
      child = started
      started.stderr.on('data', (chunk) => log.push(...String(chunk).split('\n').filter(Boolean)))
      started.once('exit', (code, signal) => {
        if (child !== started) return
        url = undefined
        problem = `a server ended by itself (${code ?? signal}): ${log.slice(-20).join('\n')}`
      })
      const found = await listening(started, log)
      if (child === started) url = found
    }
    const server: ServerProcess = {
      log,
      start,
      kill,
      stop: () => end('SIGTERM'),
      get pid() {
        if (child?.pid === undefined) throw new Error('this server is down')
        return child.pid
      },
      get isUp() {
        return url !== undefined
      },
      get problem() {
        return problem
      },
      get url() {
        if (url === undefined) throw new Error(problem ?? 'this server is down')
        return url
      },
    }
    servers.push(server)
    return server
  }

  const close = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.kill()))
    rmSync(folder, { recursive: true, force: true })
  }
  return { createServer, close }
}

/** Lines of the log about something that nobody had thought of. */
export const surprises = (servers: readonly ServerProcess[]): string[] =>
  servers.flatMap(({ log }) => log.filter((line) => !line.includes('"temporarily_unavailable"')))
