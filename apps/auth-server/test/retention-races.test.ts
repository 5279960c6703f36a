/** Forgetting while the server is at work, from several servers at once. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestServer } from './harness.js'
import { failures } from './lease-fixtures.js'
import { lend, reserve, settle, tally, times } from './ledger-fixtures.js'
import {
  balanceOf,
  countOf,
  day,
  expectBooksToAgree,
  retentionConfig,
  tokenOf,
} from './retention-fixtures.js'
import { openTwoServers, type TwoServers } from './two-servers.js'

let servers: TwoServers
let server: TestServer
beforeAll(async () => {
  servers = await openTwoServers(retentionConfig)
  server = servers.one
})
afterAll(async () => {
  for (const one of [servers.one, servers.two]) expect(failures(one)).toEqual([])
  await servers.close()
})

/** Six turns on two servers, in small batches. @returns rows of this kind that are gone */
const forgetTogether = async (kind: 'tokens' | 'ledger_entries' | 'delegations') => {
  const turns = times(6, (index) =>
    (index % 2 === 0 ? servers.one : servers.two).forgetHistory({ rows: 7, batches: 100 }),
  )
  const all = await Promise.all(turns)
  return all.reduce((sum, gone) => sum + (gone.get(kind) ?? 0), 0)
}

const charge = async (token: string, at: TestServer = server) => {
  const { body, status } = await reserve(at, { token, amount_usd: '0.02' })
  if (status === 201) await settle(at, body.id, '0.01')
  return { status }
}

test('six turns on two servers delete each row once, and fold each entry once', async () => {
  const token = await tokenOf(server, 'orchestrator')
  await Promise.all(times(40, () => charge(token)))
  await Promise.all(times(20, () => lend(server, '0.1')))
  server.clock.advance(11 * day)
  const rows = {
    tokens: await countOf(server, 'issuances'),
    ledger_entries: await countOf(server, 'ledger_entries'),
  }
  const tokens = await forgetTogether('tokens')
  const left = await countOf(server, 'ledger_entries')
  expect([tokens, await countOf(server, 'issuances')]).toEqual([rows.tokens, 0])
  expect(left).toBe(0)
  const [opening] = await server.database.read(
    `select entries::int as n from ledger_openings where budget_id = 'agent:orchestrator'`,
    [],
  )
  expect(opening?.n).toBe(rows.ledger_entries)
  expect(await balanceOf(server, 'agent:orchestrator')).toMatchObject({ spent_usd: '0.4' })
  await expectBooksToAgree(server)
  server.clock.advance(11 * day)
  expect(await forgetTogether('delegations')).toBe(20)
})

test('charges and exchanges go on while it forgets, and none is lost', async () => {
  const before = await balanceOf(server, 'agent:orchestrator')
  const old = await tokenOf(server, 'orchestrator')
  await Promise.all(times(30, () => charge(old)))
  await Promise.all(times(10, () => lend(server, '0.1')))
  server.clock.advance(11 * day)
  const token = await tokenOf(server, 'orchestrator')
  const work = [
    ...times(30, (index) => charge(token, index % 2 === 0 ? servers.one : servers.two)),
    ...times(10, async () => ({ status: (await lend(server, '0.1')).token ? 201 : 500 })),
  ]
  const [answers] = await Promise.all([Promise.all(work), forgetTogether('tokens')])
  expect(tally(answers)).toEqual({ 201: 40 })
  const after = await balanceOf(server, 'agent:orchestrator')
  expect(Number(after.spent_usd) - Number(before.spent_usd)).toBeCloseTo(0.6, 6)
  await expectBooksToAgree(server)
})

test('whoever comes with a delegation while it is forgotten is told that it is gone', async () => {
  const lent = await Promise.all(times(20, () => lend(server, '0.1')))
  server.clock.advance(11 * day)
  await forgetTogether('tokens')
  server.clock.advance(11 * day)
  const late = lent.flatMap(({ token, delegation_id }) => [
    reserve(servers.two, { delegation_id, amount_usd: '0.01' }),
    reserve(server, { token, amount_usd: '0.01' }),
  ])
  const [gone, answers] = await Promise.all([forgetTogether('delegations'), Promise.all(late)])
  expect(gone + (await forgetTogether('delegations'))).toBe(30)
  for (const { status } of answers) expect([403, 404]).toContain(status)
  await expectBooksToAgree(server)
})
