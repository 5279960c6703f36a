/** The conformance tool of the MCP project, against clients that use what this package gives them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import * as fs from 'node:fs'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const fileOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

const manifest = createRequire(import.meta.url).resolve(
  '@modelcontextprotocol/conformance/package.json',
)
const tool = join(dirname(manifest), 'dist/index.js')

/** Node 20 lacks a name that the tool imports. */
const loader =
  'globSync' in fs
    ? []
    : ['--import', fileOf('../../../../apps/auth-server/test/strangers/loader/register.mjs')]

const folder = mkdtempSync(join(tmpdir(), 'behalf-conformance-client-'))

let judged: ChildProcess
let port: string
beforeAll(async () => {
  judged = spawn(process.execPath, [fileOf('judged.mjs')], { stdio: ['ignore', 'pipe', 'ignore'] })
  const [said] = await once(judged.stdout ?? judged, 'data')
  port = String(said).trim()
}, 120_000)
afterAll(() => {
  judged.kill()
  rmSync(folder, { recursive: true, force: true })
})

interface Check {
  id: string
  status: string
  errorMessage?: string
}

interface Run {
  code: number | null
  /** By scenario, what it has written down. */
  checks: ReadonlyMap<string, readonly Check[]>
}

const readChecks = (results: string): Map<string, Check[]> => {
  const files = readdirSync(results, { recursive: true, encoding: 'utf8' })
  const written = files.filter((path) => path.endsWith('checks.json'))
  return new Map(
    written.map((path) => [
      dirname(path).replace(/-\d{4}-\d\d-\d\dT.*$/, ''),
      JSON.parse(readFileSync(join(results, path), 'utf8')) as Check[],
    ]),
  )
}

const run = async (name: string, ...args: readonly string[]): Promise<Run> => {
  const results = join(folder, name)
  const command = `${process.execPath} ${fileOf('relay.mjs')}`
  // A scenario has 30 s unless told otherwise, and a busy machine starts many programs at once.
  const bounds = ['--timeout', '120000', '--output-dir', results]
  const child = spawn(
    process.execPath,
    [...loader, tool, 'client', '--command', command, ...args, ...bounds],
    {
      cwd: folder,
      stdio: 'ignore',
      env: { PATH: process.env.PATH, NO_COLOR: '1', BEHALF_JUDGED_PORT: port },
    },
  )
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, checks: readChecks(results) }
}

const failures = (checks: readonly Check[] = []) =>
  checks.filter(({ status }) => status === 'FAILURE' || status === 'WARNING')

test('agents pass client credentials, with a secret and with a key', async () => {
  for (const scenario of ['auth/client-credentials-basic', 'auth/client-credentials-jwt']) {
    const { code, checks } = await run(scenario, '--scenario', scenario)
    const [[, written] = []] = checks
    expect(failures(written)).toEqual([])
    expect(written?.length).toBeGreaterThan(5)
    expect(code).toBe(0)
  }
}, 240_000)

test('everything that the revision 2026-07-28 requires of a client', async () => {
  const { code, checks } = await run('required', '--requirements', '2026-07-28')
  expect(code, JSON.stringify([...checks].map(([name, all]) => [name, failures(all)]))).toBe(0)
  expect(checks.size).toBeGreaterThanOrEqual(32)
}, 480_000)

test('the suite of authorization, as of 2025-11-25', async () => {
  const { code, checks } = await run('auth', '--suite', 'auth')
  expect([...checks.values()].flatMap(failures)).toEqual([])
  expect(checks.size).toBeGreaterThanOrEqual(14)
  expect(code).toBe(0)
}, 480_000)
