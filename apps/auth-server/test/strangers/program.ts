/** Programs of strangers: started, read while they run, and never left behind. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const running = new Set<ChildProcess>()

const { resolve } = createRequire(import.meta.url)

/** A file of a package that is a command and no library. */
export const fileOf = (packageName: string, path: string): string =>
  join(dirname(resolve(`${packageName}/package.json`)), path)

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

/** Does something once, with the first match in what a program says. */
export const whenSaid = (pattern: RegExp, act: (match: string) => void) => {
  let isDone = false
  return (output: string): void => {
    const [, match] = pattern.exec(output) ?? []
    if (isDone || match === undefined) return
    isDone = true
    act(match)
  }
}
