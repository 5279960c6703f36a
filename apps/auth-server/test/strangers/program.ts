/** Programs of strangers: started, read while they run, and never left behind. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'

const running = new Set<ChildProcess>()

const { resolve } = createRequire(import.meta.url)

/** A file of a package that is a command and no library. */
export const fileOf = (packageName: string, path: string): string =>
  join(dirname(resolve(`${packageName}/package.json`)), path)

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })

/**
 * For programs that want to be told where they shall listen: below the ports that the system gives away
 * by itself, or one of those would be gone by the time they do.
 */
export const freePort = async (): Promise<number> => {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const port = randomInt(20_000, 30_000)
    if (await isFree(port)) return port
  }
  throw new Error('no port is free')
}

export interface ProgramOptions {
  args: readonly string[]
  cwd: string
  env?: Readonly<Record<string, string>>
  /** What is typed before anybody asks. */
  input?: string
  /** Told of all output so far, whenever there is more. */
  onOutput?: (output: string) => void
  timeLimitMs?: number
}

/** Runs a program on this Node, with nothing of the developer's environment. */
export const startProgram = (options: ProgramOptions) => {
  const { args, cwd, env, input = '', onOutput, timeLimitMs = 60_000 } = options
  const child = spawn(process.execPath, args, {
    cwd,
    env: { PATH: process.env.PATH, HOME: cwd, NO_COLOR: '1', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  running.add(child)
  const timer = setTimeout(() => child.kill('SIGKILL'), timeLimitMs)
  const output = { stdout: '', stderr: '' }
  const keep = (stream: 'stdout' | 'stderr') => (chunk: string) => {
    output[stream] += chunk
    onOutput?.(output[stream])
  }
  child.stdout.setEncoding('utf8').on('data', keep('stdout'))
  child.stderr.setEncoding('utf8').on('data', keep('stderr'))
  child.stdin.on('error', () => {}).write(input)
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    child.once('close', (code) => {
      clearTimeout(timer)
      running.delete(child)
      resolve({ code, ...output })
    })
  })
  return { child, output, ended }
}

/** For `afterAll`: ends what runs, and waits for it. */
export const endPrograms = async (): Promise<void> => {
  await Promise.all(
    [...running].map(async (child) => {
      const gone = new Promise((resolve) => child.once('close', resolve))
      child.kill()
      await gone
    }),
  )
}

/** Does something with each match in what a program says. The pattern is global, with one group. */
export const whenSaid = (pattern: RegExp, act: (match: string) => void) => {
  let known = 0
  return (output: string): void => {
    const matches = [...output.matchAll(pattern)].map(([, match = '']) => match)
    for (const match of matches.slice(known)) act(match)
    known = matches.length
  }
}
