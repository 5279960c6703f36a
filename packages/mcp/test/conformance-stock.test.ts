/** What the helpers of the SDKs leave to do, and that the documents say no more and no less. */
import { readFile } from 'node:fs/promises'
import { beforeAll, expect, test } from 'vitest'
import { checks, type Report, type Result, runConformance } from '../src/conformance.js'
import { openOwn, ownServers, type Place } from './conformance-servers.js'
import { openStock } from './conformance-stock.js'

const tool = { name: 'publish', scope: 'docs:write' }
const page = new URL('../../../docs/mcp-conformance.md', import.meta.url)

/** What no configuration of either helper changes. */
const always = [
  'two-authorization-headers',
  'challenge-without-error',
  'prm-root',
  'one-spelling-401',
  'other-jwt-type-401',
  'act-chain-too-deep',
  'malformed-act-401',
  'unknown-limit-denied',
  'limits-exceeded-denial',
  'revoked-401',
]

/** v1 has nothing for the scope of one tool. */
const toolScopes = ['per-tool-403', 'scope-whole-words']

/** Refused, but by a 500: no client fetches a new token then. */
const by500 = [
  'malformed-401',
  'header-too-large',
  'challenge-invalid-token',
  'alg-none-401',
  'hs256-with-public-key-401',
  'changed-payload-401',
  'bad-signature-401',
  'embedded-key-401',
  'unknown-kid-one-refetch',
  'expired-401',
  'missing-exp-401',
  'not-before-401',
  'wrong-iss-401',
  'unknown-crit-401',
  'error-500-never-for-bad-token',
]

const unasked = ['origin-403', 'host-checked', 'wrong-aud-401', ...toolScopes]

const own = (name: string) => async (): Promise<Place> => {
  const server = ownServers.find((one) => one.name === name)
  if (!server) throw new Error(`no ${name}`)
  return openOwn(server)
}

const columns: readonly {
  title: string
  start: () => Promise<Place>
  failing: readonly string[]
}[] = [
  {
    title: 'v1, usual',
    start: () => openStock('v1', 'usual'),
    failing: [...always, ...unasked, ...by500],
  },
  {
    title: 'v1, careful',
    start: () => openStock('v1', 'careful'),
    failing: [...always, ...toolScopes],
  },
  {
    title: 'v2, usual',
    start: () => openStock('v2', 'usual'),
    failing: [...always, ...unasked, ...by500],
  },
  { title: 'v2, careful', start: () => openStock('v2', 'careful'), failing: always },
  { title: 'Behalf, v1', start: own('Express, v1'), failing: [] },
  { title: 'Behalf, v2', start: own('fetch, v2'), failing: [] },
]

const reports = new Map<string, Report>()

const report = (title: string): Report => {
  const found = reports.get(title)
  if (!found) throw new Error(`no report of ${title}`)
  return found
}

beforeAll(async () => {
  // At once: most of the time each of them waits for a server that never hears of a revocation.
  await Promise.all(
    columns.map(async ({ title, start }) => {
      const { url, issuer, close } = await start()
      reports.set(title, await runConformance({ url, tokens: issuer, tool, revocationSeconds: 3 }))
      await close()
    }),
  )
}, 120_000)

test.each(columns)('$title fails what it fails, and nothing else', ({ title, failing }) => {
  const failed = report(title).results.filter(({ status }) => status === 'failed')
  expect(failed.map(({ id }) => id).sort()).toEqual([...failing].sort())
})

const cellOf = ({ status, seen }: Result): string => {
  if (status !== 'failed') return status === 'passed' ? 'yes' : '–'
  return /\b500\b/.test(seen) && !/\b200\b|\bran\b/.test(seen) ? 'no: 500' : '**no**'
}

const rowOf = (id: string): string[] =>
  columns.map(({ title }) => {
    const result = report(title).results.find((one) => one.id === id)
    return result ? cellOf(result) : ''
  })

/** Without the padding that a formatter adds. */
const squeeze = (line: string): string => line.replace(/ +/g, ' ').replace(/-+/g, '-')

test('the table in the documents is what was seen here', async () => {
  const rows = checks.map(({ id, level }) => `| \`${id}\` | ${level} | ${rowOf(id).join(' | ')} |`)
  const sums = columns.map(({ title }) => {
    const { passed, failed, skipped } = report(title)
    return `${passed} / ${failed} / ${skipped}`
  })
  const wanted = [...rows, `| passed / failed / skipped | | ${sums.join(' | ')} |`]
  const lines = (await readFile(page, 'utf8')).split('\n').map(squeeze)
  const missing = wanted.filter((row) => !lines.includes(squeeze(row)))
  expect(missing.join('\n')).toBe('')
})

test('the documents list every check', async () => {
  const lines = (await readFile(page, 'utf8')).split('\n').map(squeeze)
  const wanted = checks.map(({ id, level, title }) => `| \`${id}\` | ${level} | ${title} |`)
  expect(wanted.filter((row) => !lines.includes(squeeze(row)))).toEqual([])
  expect(lines.join('\n')).toContain(`runs ${checks.length} checks`)
})
