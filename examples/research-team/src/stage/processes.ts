/** Child processes: started, waited for, logged to a file, and always ended. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Running {
  readonly url: string
  /** Ends it and waits until it is gone. */
  kill(signal: NodeJS.Signals): Promise<void>
}

export interface StartOptions {
  /** The program, and what follows it on the command line. */
  command: readonly string[]
  env?: Readonly<Record<string, string>>
}

export interface Processes {
  /** Resolves once the program says `listening on URL`. */
  start(name: string, options: StartOptions): Promise<Running>
  /** The last lines that each of them wrote to standard error. */
  logs(): string
  stop(): Promise<void>
  /** For the last moment of this process, when nothing can be waited for. */
  killNow(): void
}

const startMs = 45_000
const stopMs = 3_000
const maxLogLines = 20

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean =>
  exitCode !== null || signalCode !== null

const kill = async (child: ChildProcess, signal: NodeJS.Signals): Promise<void> => {
  if (hasEnded(child)) return
  const exit = once(child, 'exit')
  const timer = setTimeout(() => child.kill('SIGKILL'), stopMs)
  child.kill(signal)
  await exit
  clearTimeout(timer)
}

const listening = (child: ChildProcess, name: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const fail = (what: string) => reject(new Error(`${name} ${what}`))
    const timer = setTimeout(() => fail(`did not listen within ${startMs / 1000} s`), startMs)
    let printed = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      printed += text
      const url = /listening on (\S+)\s/.exec(printed)?.[1]
      if (url !== undefined) resolve(url)
    })
    child.once('error', ({ message }) => fail(`could not be started: ${message}`))
    child.once('exit', (code, signal) => fail(`ended before it listened (${signal ?? code})`))
    child.once('exit', () => clearTimeout(timer))
    child.stdout?.once('data', () => clearTimeout(timer))
  })

const tail = (path: string): string => readFileSync(path, 'utf8').trimEnd()

/** @param baseEnv what every child inherits */
export const createProcesses = (
  folder: string,
  baseEnv: Readonly<Record<string, string | undefined>>,
): Processes => {
  const children = new Set<ChildProcess>()
  const logFiles = new Map<string, string>()
  return {
    start: async (name, { command, env }) => {
      const logFile = join(folder, `${name}.log`)
      logFiles.set(name, logFile)
      const log = openSync(logFile, 'a')
      const options = { env: { ...baseEnv, ...env }, cwd: folder }
      const child = spawn(process.execPath, command, { ...options, stdio: ['ignore', 'pipe', log] })
      closeSync(log)
      children.add(child)
      const url = await listening(child, name)
      return { url, kill: (signal) => kill(child, signal) }
    },
    logs: () =>
      [...logFiles]
        .map(([name, path]) => [name, tail(path)] as const)
        .filter(([, text]) => text !== '')
        .map(([name, text]) => `── ${name}\n${text.split('\n').slice(-maxLogLines).join('\n')}`)
        .join('\n'),
    stop: async () => {
      await Promise.all([...children].map((child) => kill(child, 'SIGTERM')))
    },
    killNow: () => {
      for (const child of children) if (!hasEnded(child)) child.kill('SIGKILL')
    },
  }
}
