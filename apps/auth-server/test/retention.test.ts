/** History is kept for as long as the file says, and then forgotten without anything that lives. */
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { parseConfig } from '../src/config.js'
import { decode, openTestServer, type TestServer } from './harness.js'
import { failures, open, renew } from './lease-fixtures.js'
import { budget, delegationOf, lend, reserve, settle } from './ledger-fixtures.js'
import {
  balanceOf,
  countOf,
  day,
  expectBooksToAgree,
  isActive,
  retention,
  retentionConfig,
  tokenOf,
} from './retention-fixtures.js'

const opened: TestServer[] = []
const openOne = async (config: object = retentionConfig): Promise<TestServer> => {
  const server = await openTestServer({ config })
  opened.push(server)
  return server
}

let server: TestServer
beforeEach(async () => {
  server ??= await openOne()
})
afterAll(async () => {
  for (const one of opened) {
    expect(failures(one)).toEqual([])
    await one.close()
  }
})

const wait = async (days: number, at: TestServer = server) => {
  at.clock.advance(days * day)
  await at.expireHolds()
  return at.forgetHistory()
}

/** A delegation with a charge and a token, all of it over. */
const spendOnce = async (at: TestServer = server) => {
  const lent = await lend(at, '1')
  const { body } = await reserve(at, { token: lent.token, amount_usd: '0.4' })
  await settle(at, body.id, '0.3')
  return { ...lent, reservationId: body.id }
}

const isThere = (table: string, column: string, id: string | undefined): Promise<number> =>
  countOf(server, table, `${column} = '${id}'`)

test('each kind goes when its days are over, and not before', async () => {
  const { delegation_id, reservationId } = await spendOnce()
  const there = () =>
    Promise.all([
      isThere('issuances', 'delegation_id', delegation_id),
      isThere('reservations', 'id', reservationId),
      isThere('ledger_entries', 'ref', reservationId),
      isThere('delegations', 'id', delegation_id),
      isThere('budgets', 'id', delegation_id),
    ])
  await wait(9.9)
  expect(await there()).toEqual([2, 1, 2, 1, 1])
  await wait(0.2)
  expect(await there()).toEqual([0, 0, 0, 1, 1])
  expect(await budget(server, delegation_id)).toMatchObject({ spent_usd: '0.3', held_usd: '0' })
  await expectBooksToAgree(server)
  await wait(9.8)
  expect(await there()).toEqual([0, 0, 0, 1, 1])
  await wait(0.2)
  expect(await there()).toEqual([0, 0, 0, 0, 0])
  expect(await isThere('ledger_openings', 'budget_id', delegation_id)).toBe(0)
  await expectBooksToAgree(server)
})

test('without a word in the file it is two years', async () => {
  const { retention: _, ...config } = retentionConfig
  const other = await openOne(config)
  await spendOnce(other)
  const rows = () =>
    Promise.all(
      ['issuances', 'reservations', 'ledger_entries'].map((table) => countOf(other, table)),
    )
  const before = await rows()
  await wait(729, other)
  expect(await rows()).toEqual(before)
  await wait(2, other)
  expect(await rows()).toEqual([0, 0, 0])
  await expectBooksToAgree(other)
})

test('null is for ever', async () => {
  const forever = Object.fromEntries(Object.keys(retention).map((name) => [name, null]))
  const other = await openOne({ ...retentionConfig, retention: forever })
  await spendOnce(other)
  const before = await countOf(other, 'issuances')
  const gone = await wait(36_000, other)
  expect([...gone.keys()].sort()).toEqual(['idempotency_keys', 'refresh_tokens'])
  expect(await countOf(other, 'issuances')).toBe(before)
  expect(await countOf(other, 'delegations', 'expires_at is not null')).toBe(1)
})

test('less than a week is refused: a late report or a retry may still refer to it', () => {
  const parse = (days: unknown) =>
    parseConfig(JSON.stringify({ retention: { tokens_days: days } }), {})
  for (const days of [6, 0, -1, 7.5, '730', 36_501]) {
    expect(() => parse(days)).toThrow('retention.tokens_days')
  }
  expect(parse(7).retention?.tokens_days).toBe(7)
})

describe('what an agent has spent', () => {
  test('stays spent when all of it is forgotten, the root too', async () => {
    const token = await tokenOf(server, 'loner')
    const root = delegationOf(token)
    const { body } = await reserve(server, { token, amount_usd: '49' })
    await settle(server, body.id, '49')
    await server.api('root', `/delegations/${root}/revoke`, {})
    // A second revocation, since the newest entry of the feed stays.
    await server.api(
      'root',
      `/delegations/${delegationOf(await tokenOf(server, 'switching'))}/revoke`,
      {},
    )
    for (const days of [12, 12, 12]) await wait(days)
    expect(await isThere('delegations', 'id', root)).toBe(0)
    expect(await countOf(server, 'ledger_entries')).toBe(0)
    expect(await isThere('ledger_openings', 'budget_id', 'agent:loner')).toBe(1)
    const again = await tokenOf(server, 'loner')
    expect(delegationOf(again)).not.toBe(root)
    expect((await reserve(server, { token: again, amount_usd: '2' })).status).toBe(402)
    expect(await balanceOf(server, 'agent:loner')).toMatchObject({
      spent_usd: '49',
      remaining_usd: '1',
    })
    await expectBooksToAgree(server)
  })

  test('is held on while a hold is open, however old its entry is', async () => {
    const token = await tokenOf(server, 'cc-only')
    await reserve(server, { token, amount_usd: '5', ttl_seconds: 60 })
    await server.database.write(
      `update reservations set expires_at = expires_at + interval '30 days' where state = 'reserved'`,
      [],
    )
    await wait(11)
    expect(await countOf(server, 'ledger_entries')).toBe(0)
    expect(await balanceOf(server, 'agent:cc-only')).toMatchObject({ held_usd: '5' })
    await expectBooksToAgree(server)
    await wait(20)
    expect(await balanceOf(server, 'agent:cc-only')).toMatchObject({
      spent_usd: '5',
      held_usd: '0',
    })
    await expectBooksToAgree(server)
  })
})

test('the verification finds an opening that was tampered with', async () => {
  const token = await tokenOf(server, 'switching')
  const { body } = await reserve(server, { token, amount_usd: '2' })
  await settle(server, body.id, '2')
  await wait(11)
  const change = (by: number) =>
    server.database.write(
      `update ledger_openings set spent = spent + ${by} where budget_id = 'agent:switching'`,
      [],
    )
  await change(1)
  const { body: found } = await server.ledger('root', '/verification')
  expect(found).toMatchObject({
    ok: false,
    differences: [{ budget_id: 'agent:switching', spent_usd: '2', entered_spent_usd: '2.000001' }],
  })
  await change(-1)
  await expectBooksToAgree(server)
})

describe('days, weeks and months', () => {
  const days = () =>
    countOf(
      server,
      'budgets',
      `id like 'day:%' and id not in (select unnest(drawn_from) from budgets)`,
    )

  test('go when they are over for long enough', async () => {
    await wait(60)
    expect(await days()).toBe(0)
    await spendOnce()
    expect(await days()).toBe(1)
    await wait(39)
    expect(await days()).toBe(1)
    await wait(3)
    expect(await days()).toBe(0)
    await expectBooksToAgree(server)
  })
})

describe('the feed', () => {
  const feed = async (after?: string) =>
    decode(await (await server.request(`/revocations${after ? `?after=${after}` : ''}`)).text())

  test('forgets entries, and its cursor never goes back', async () => {
    const revokeOne = async () => {
      const { token } = await lend(server, '1')
      await server.revoke('researcher', token)
    }
    await revokeOne()
    const early = (await feed()).cursor
    await revokeOne()
    await revokeOne()
    const { cursor } = await feed()
    await wait(9)
    expect(await countOf(server, 'revocations')).toBe(1)
    expect(await feed()).toMatchObject({ cursor, revoked: [] })
    expect(await feed(String(early))).toMatchObject({ cursor, revoked: [], full: false })
  })
})

describe('a lease', () => {
  test('that has ended goes, and one that is open stays', async () => {
    const token = await tokenOf(server, 'orchestrator')
    const { body: over } = await open(server, { token, want_usd: '0.4' })
    await wait(1)
    await wait(10.1)
    expect(await isThere('leases', 'id', over.id)).toBe(0)
    const { body } = await open(server, {
      token: await tokenOf(server, 'orchestrator'),
      want_usd: '1',
    })
    await server.forgetHistory()
    expect((await renew(server, body.id, { seq: 1, spent_usd: '0.1' })).status).toBe(200)
    await wait(11)
    await expectBooksToAgree(server)
  })
})

test('a backlog is worked off in small batches, and a turn has an end', async () => {
  for (let count = 0; count < 7; count += 1) await tokenOf(server, 'orchestrator')
  server.clock.advance(11 * day)
  const first = await server.forgetHistory({ rows: 2, batches: 2 })
  expect(first.get('tokens')).toBe(4)
  expect((await server.forgetHistory({ rows: 2, batches: 50 })).get('tokens')).toBeGreaterThan(2)
  expect(await countOf(server, 'issuances')).toBe(0)
})

test('what is alive is never touched', async () => {
  const { token } = await lend(server, '1')
  await server.forgetHistory()
  expect(await isActive(server, token)).toBe(true)
})
