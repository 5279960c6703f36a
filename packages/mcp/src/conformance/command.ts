/** `conformance`, as a command. */
import { type ChildProcess, spawn } from 'node:child_process'
import { type Arguments, readArguments, UsageError, usage } from './arguments.js'
import { type Environment, readTokenSource } from './command-tokens.js'
import { createSocketSend } from './http.js'
import { type Report, runConformance } from './run.js'
import { formatReport } from './table.js'
import { startTestIssuer } from './test-issuer.js'

export interface CommandOptions {
  env: Environment
  /** For the report, a line at a time. */
  write: (line: string) => void
  /** For everything else. */
  tell: (line: string) => void
}

const startSeconds = 60
const lookMs = 200

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Whatever it says, as long as it says something. */
const untilAnswering = async (url: string, child: ChildProcess | undefined): Promise<void> => {
  const send = createSocketSend(1000)
  for (let waitedMs = 0; waitedMs < startSeconds * 1000; waitedMs += lookMs) {
    const { status } = await send({ url, method: 'POST', headers: {}, headersOnly: true })
    if (status !== 0) return
    if (child && child.exitCode !== null) break
    await wait(lookMs)
  }
  throw new UsageError(`Nothing answers at ${url}.`)
}

const startServer = (command: string, env: Environment): ChildProcess =>
  spawn(command, {
    shell: true,
    env: { ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
    detached: true,
  })

/** The shell and what it started: they are one group of processes. */
const end = (child: ChildProcess | undefined): void => {
  if (child?.pid === undefined || child.exitCode !== null) return
  try {
    process.kill(-child.pid)
  } catch {
    child.kill()
  }
}

const runWithIssuer = async (args: Arguments, { env, tell }: CommandOptions): Promise<Report> => {
  const { url } = args.options
  const { start } = args.values
  const issuer = await startTestIssuer({ port: args.port })
  const named = { CONFORMANCE_ISSUER: issuer.issuer, CONFORMANCE_RESOURCE: url }
  const child = start === undefined ? undefined : startServer(start, { ...env, ...named })
  try {
    if (!child) tell(`${issuer.issuer} is up. Waiting for ${url}, which must trust it.`)
    await untilAnswering(url, child)
    return await runConformance({ ...args.options, issuer: issuer.issuer, tokens: issuer })
  } finally {
    end(child)
    await issuer.close()
  }
}

const run = async (args: Arguments, options: CommandOptions): Promise<Report> =>
  args.values['test-issuer']
    ? runWithIssuer(args, options)
    : runConformance({ ...args.options, tokens: await readTokenSource(args, options.env) })

/** @returns the exit code: 0, 1 when a check failed, 2 when it could not be run */
export const runCommand = async (
  argv: readonly string[],
  options: CommandOptions,
): Promise<number> => {
  try {
    const args = readArguments(argv)
    if (!args) {
      options.write(usage)
      return 0
    }
    const report = await run(args, options)
    options.write(args.values.json ? JSON.stringify(report, null, 2) : formatReport(report))
    return report.failed === 0 ? 0 : 1
  } catch (error) {
    options.tell(error instanceof Error ? error.message : 'It could not be run.')
    if (error instanceof UsageError) options.tell('See: npx @behalf/mcp --help')
    return 2
  }
}
