/** The test kit of `@behalf/mcp`, run as everybody runs it: by its command, at a server that is up. */
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('../../../packages/mcp/dist/main.js', import.meta.url))

export interface TestKitOptions {
  /** The server, as callers know it. */
  name: string
  url: string
  issuer: string
  /** More words of the command line: where tokens come from, and what the server has. */
  args: readonly string[]
  /** What those words name. */
  env?: Readonly<Record<string, string>>
  /** Tokens that only the issuer can make, as `--tokens` has them. */
  tokens?: Readonly<Record<string, string>>
}

interface Result {
  id: string
  status: 'passed' | 'failed' | 'skipped'
  seen: string
}

const run = async (args: readonly string[], env: Readonly<Record<string, string>>) => {
  const child = spawn(process.execPath, [program, 'conformance', ...args, '--json'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const report: { results: Result[] } = JSON.parse(await text(child.stdout))
  return report.results
}

/** With tokens of a live server in hand, most of what cannot run is for want of its keys. */
const shorten = (reason: string): string => reason.replace(/, or such a token \(.*\)$/, '')

/** Each reason once, with how many checks it kept from running. */
const reasonsOf = (results: readonly Result[]): string[] => {
  const skipped = results.filter(({ status }) => status === 'skipped')
  const silent = skipped.find(({ seen }) => seen.trim() === '')
  if (silent) throw new Error(`${silent.id} was skipped and does not say why.`)
  const reasons = new Map<string, number>()
  for (const reason of skipped.map(({ seen }) => shorten(seen))) {
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
  }
  return [...reasons].map(([reason, count]) => `  ${count} skipped: ${reason}`)
}

/** Everything that can be forged from a good token, and all that a challenge should say. */
export const checkByTestKit = async (options: TestKitOptions): Promise<void> => {
  const { name, url, issuer, args, env = {}, tokens = {} } = options
  const folder = await mkdtemp(join(tmpdir(), 'behalf-test-kit-'))
  try {
    const file = join(folder, 'tokens.json')
    await writeFile(file, JSON.stringify(tokens), { mode: 0o600 })
    const results = await run([url, '--issuer', issuer, '--tokens', file, ...args], env)
    const failed = results.filter(({ status }) => status === 'failed')
    const passed = results.filter(({ status }) => status === 'passed')
    if (failed.length > 0 || passed.length === 0) {
      throw new Error(failed.map(({ id, seen }) => `${name}: ${id}: ${seen}`).join('\n'))
    }
    console.log(
      `✔ ${name}: ${passed.length} checks of the test kit have passed, and none has failed`,
    )
    for (const reason of reasonsOf(results)) console.log(reason)
  } finally {
    await rm(folder, { recursive: true })
  }
}
