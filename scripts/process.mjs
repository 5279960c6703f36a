/** Child processes: quiet steps with one line each, and programs that own the terminal. */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { onWindows, root, toolEnvironment } from './workspace.mjs'

export const secondsSince = (start) => `${((performance.now() - start) / 1000).toFixed(1)} s`

const exitCodeOf = (code, signal) => code ?? 128 + (constants.signals[signal] ?? 0)

const start = (command, args, options) =>
  spawn(command, args, {
    cwd: root,
    // Scripts of npm packages are .cmd files on Windows, which only a shell can start.
    shell: onWindows && command.endsWith('.cmd'),
    ...options,
    env: { ...toolEnvironment(), ...options.env },
  })

const ended = (child) =>
  new Promise((resolve) => {
    child.on('error', (error) => resolve({ code: 127, problem: error.message }))
    child.on('close', (code, signal) => resolve({ code: exitCodeOf(code, signal) }))
  })

/** Runs to the end and keeps what was printed. @returns `{ code, stdout, output }` */
export const capture = async (command, args, options = {}) => {
  const child = start(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  const printed = { stdout: '', output: '' }
  child.stdout.setEncoding('utf8').on('data', (text) => {
    printed.stdout += text
    printed.output += text
    options.onOutput?.(text)
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    printed.output += text
    options.onOutput?.(text)
  })
  const { code, problem = '' } = await ended(child)
  return { code, stdout: printed.stdout, output: printed.output + problem }
}

/** Runs to the end with our terminal. @returns the exit code */
export const runInTerminal = async (command, args, options = {}) => {
  const child = start(command, args, { ...options, stdio: options.stdio ?? 'inherit' })
  const forward = (signal) => {
    // A terminal sends Ctrl-C to the child as well; a second one would mean "at once".
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  for (const signal of signals) process.on(signal, forward)
  const { code, problem } = await ended(child)
  for (const signal of signals) process.off(signal, forward)
  if (problem) process.stderr.write(`${command}: ${problem}\n`)
  return code
}

/** A step has failed and has said so. */
export class StepFailed extends Error {}

/** One line per step: what, and how long it took. The output is shown only when it failed. */
export const runStep = async (title, command, args) => {
  const begun = performance.now()
  process.stderr.write(`${title} … `)
  const { code, output } = await capture(command, args)
  if (code === 0) {
    process.stderr.write(`${secondsSince(begun)}\n`)
    return
  }
  process.stderr.write(`failed after ${secondsSince(begun)}\n\n${output.trimEnd()}\n\n`)
  throw new StepFailed(`${title}: failed`)
}

/** Runs a script's main function. A failed step or a plain refusal needs no stack trace. */
export const runMain = async (main) => {
  try {
    process.exitCode = (await main()) ?? 0
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 1
  }
}
