/** Caps of a day, a week and a month: each begins at midnight UTC, and none is ever reset. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { readPeriodId } from '../src/budgets/periods.js'
import { parseConfig } from '../src/config.js'
import { agent, decode, delegateOnce, docs, openTestServer, type TestServer } from './harness.js'
import { close, failures, open, renew } from './lease-fixtures.js'
import {
  budget,
  checkBooks,
  configWith,
  delegationOf,
  lend,
  reserve,
  settle,
} from './ledger-fixtures.js'

const saver = (budget_periods: object, client_id = 'saver') =>
  agent(client_id, { agent_limits: { cost_budget_usd: 500 }, budget_periods })

const confusing = ['day:2026-11-21:agent:saver', 'tenant:acme', 'week:2026-11-16:tenant:acme']

const configOf = (periods: object, tenantPeriods?: object) =>
  configWith({
    tenants: { acme: { budget_periods: tenantPeriods } },
    more: [
      saver(periods),
      saver({ day: '3' }, 'other-saver'),
      ...confusing.map((client_id) => agent(client_id, { agent_limits: { cost_budget_usd: 500 } })),
      { ...agent('ops'), scope: 'docs:read admin' },
    ],
  })

const daily = configOf({ day: '1' })

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({ config: daily })
})
afterAll(async () => {
  expect(failures(server)).toEqual([])
  await server.close()
})
afterEach(() => checkBooks(server))

const goTo = (time: string): void =>
  server.clock.advance(new Date(time).getTime() / 1000 - server.clock.seconds())

/** Begins anew at this moment, with this file: nothing was ever spent. */
const begin = async (time: string, config: object = daily): Promise<void> => {
  goTo(time)
  for (const statement of [
    'truncate ledger_entries, reservations, leases',
    `delete from budgets where id ~ '^(day|week|month):'`,
    'update budgets set spent = 0, held = 0, leases = 0',
  ]) {
    await server.database.write(statement, [])
  }
  await server.applyConfig(config)
}

const rootOf = async (clientId = 'saver'): Promise<string> =>
  delegationOf((await server.clientCredentials(clientId)).body.access_token)

const spend = async (delegation_id: string, usd: string) => {
  const { status, body } = await reserve(server, { delegation_id, amount_usd: usd })
  if (status === 201) await settle(server, body.id, usd)
  return { status, body }
}

describe('the cap of a period', () => {
  test('refuses what goes beyond it, and says when it starts again', async () => {
    await begin('2026-11-21T12:00:00Z')
    const delegation_id = await rootOf()
    const first = await spend(delegation_id, '0.8')
    expect([first.status, first.body.remaining_usd]).toEqual([201, '0.2'])
    const { status, body } = await spend(delegation_id, '0.3')
    expect(status).toBe(402)
    expect(body).toMatchObject({
      error: 'insufficient_budget',
      required: '0.3',
      remaining: '0.2',
      limited_by: 'day:2026-11-21:agent:saver',
      renews_at: '2026-11-22T00:00:00.000Z',
    })
    await spend(delegation_id, '0.2')
    const lease = await open(server, { delegation_id, want_usd: '1' })
    expect([lease.status, lease.body.error]).toEqual([402, 'budget_exhausted'])
    expect(lease.body).toMatchObject({ renews_at: '2026-11-22T00:00:00.000Z' })
  })

  test('ends at midnight UTC, not a second before and not one after', async () => {
    await begin('2026-11-21T23:59:59Z')
    const delegation_id = await rootOf()
    expect((await spend(delegation_id, '1')).status).toBe(201)
    expect((await spend(delegation_id, '1')).status).toBe(402)
    server.clock.advance(1)
    expect((await spend(delegation_id, '1')).status).toBe(201)
    server.clock.advance(24 * 3600 - 1)
    expect((await spend(delegation_id, '0.000001')).status).toBe(402)
    server.clock.advance(1)
    expect((await spend(delegation_id, '1')).status).toBe(201)
  })

  const edges = [
    // Saturday, and the Monday after it.
    ['week', '2026-11-21T12:00:00Z', '2026-11-23T00:00:00.000Z', 'week:2026-11-16'],
    ['week', '2026-11-22T23:59:59Z', '2026-11-23T00:00:00.000Z', 'week:2026-11-16'],
    ['week', '2026-11-23T00:00:00Z', '2026-11-30T00:00:00.000Z', 'week:2026-11-23'],
    // The first of January 2027 is a Friday.
    ['week', '2027-01-01T00:00:00Z', '2027-01-04T00:00:00.000Z', 'week:2026-12-28'],
    ['month', '2026-11-30T23:59:59Z', '2026-12-01T00:00:00.000Z', 'month:2026-11-01'],
    ['month', '2026-12-31T12:00:00Z', '2027-01-01T00:00:00.000Z', 'month:2026-12-01'],
    ['month', '2027-02-28T12:00:00Z', '2027-03-01T00:00:00.000Z', 'month:2027-02-01'],
    ['month', '2028-02-29T12:00:00Z', '2028-03-01T00:00:00.000Z', 'month:2028-02-01'],
    ['day', '2028-02-28T12:00:00Z', '2028-02-29T00:00:00.000Z', 'day:2028-02-28'],
    ['day', '2028-02-29T12:00:00Z', '2028-03-01T00:00:00.000Z', 'day:2028-02-29'],
    ['day', '2027-02-28T12:00:00Z', '2027-03-01T00:00:00.000Z', 'day:2027-02-28'],
  ] as const
  test('begins and ends where the calendar says so', async () => {
    await begin('2026-11-21T12:00:00Z')
    for (const [period, now, renews_at, id] of edges) {
      goTo(now)
      await server.applyConfig(configOf({ [period]: '0.5' }))
      const delegation_id = await rootOf()
      const { body } = await spend(delegation_id, '5')
      const limited_by = `${id}:agent:saver`
      expect([now, body.limited_by, body.renews_at]).toEqual([now, limited_by, renews_at])
      goTo(renews_at)
      server.clock.advance(-1)
      const last = await spend(delegation_id, '5')
      expect([now, last.body.renews_at]).toEqual([now, renews_at])
      server.clock.advance(1)
      const next = await spend(delegation_id, '5')
      expect([now, next.body.renews_at]).not.toEqual([now, renews_at])
    }
  })

  test('holds for a day, a week and a month together, whichever leaves the least', async () => {
    const config = configOf({ day: '1', week: '1.5', month: '2' })
    await begin('2026-11-21T12:00:00Z', config)
    const delegation_id = await rootOf()
    await spend(delegation_id, '1')
    expect((await spend(delegation_id, '1')).body.limited_by).toMatch(/^day:/)
    server.clock.advance(24 * 3600)
    expect((await spend(delegation_id, '1')).body).toMatchObject({
      limited_by: 'week:2026-11-16:agent:saver',
      remaining: '0.5',
    })
    await spend(delegation_id, '0.5')
    server.clock.advance(24 * 3600)
    expect((await spend(delegation_id, '1')).body).toMatchObject({
      limited_by: 'month:2026-11-01:agent:saver',
      remaining: '0.5',
    })
    expect((await spend(delegation_id, '0.5')).status).toBe(201)
  })

  test('of a tenant is shared by its agents, and of an agent by all that it lends', async () => {
    const config = configOf({ day: '1' }, { day: '2', month: '50' })
    await begin('2026-11-21T12:00:00Z', config)
    const { delegation_id } = await lend(server, '5')
    const own = await rootOf()
    await spend(own, '0.9')
    await spend(delegation_id, '1')
    const { body } = await spend(delegation_id, '0.5')
    expect(body).toMatchObject({
      limited_by: 'day:2026-11-21:tenant:acme',
      remaining: '0.1',
      renews_at: '2026-11-22T00:00:00.000Z',
    })
    expect((await spend(own, '0.2')).body.limited_by).toMatch(/^day:/)
    expect((await spend(await rootOf('other-saver'), '0.2')).status).toBe(402)
  })
})

describe('over midnight', () => {
  test('a charge in flight settles on the day that it was held on', async () => {
    await begin('2026-11-21T23:59:50Z')
    const delegation_id = await rootOf()
    const asked = { delegation_id, amount_usd: '0.8' }
    const { body: one } = await reserve(server, asked)
    server.clock.advance(20)
    expect((await reserve(server, asked)).status).toBe(201)
    expect((await settle(server, one.id, '0.3')).status).toBe(200)
    const books = await checkBooks(server)
    expect(books.get('day:2026-11-21:agent:saver')).toMatchObject({ spent: '300000', held: '0' })
    expect(books.get('day:2026-11-22:agent:saver')).toMatchObject({ spent: '0', held: '800000' })
  })

  test('a lease is asked back, spends what it has of the old day, and the next is of the new', async () => {
    await begin('2026-11-21T23:59:50Z')
    const delegation_id = await rootOf()
    const { body: lease } = await open(server, { delegation_id, want_usd: '0.4', holder: 'h' })
    server.clock.advance(20)
    const renewal = { seq: 1, spent_usd: '0.1', want_usd: '1' }
    const { status, body } = await renew(server, lease.id, renewal)
    expect([status, body.state, body.recalled, body.amount_usd]).toEqual([200, 'open', true, '0.3'])
    expect(body.expires_at).toBe(lease.expires_at)
    await close(server, lease.id, { seq: 2, spent_usd: '0.25' })
    const { body: next } = await open(server, { delegation_id, want_usd: '1', holder: 'h' })
    expect(next).toMatchObject({ recalled: false, amount_usd: '0.5' })
    const books = await checkBooks(server)
    expect(books.get('day:2026-11-21:agent:saver')).toMatchObject({ spent: '250000', held: '0' })
    expect(books.get('day:2026-11-22:agent:saver')).toMatchObject({ spent: '0', held: '500000' })
    expect((await renew(server, next.id, { seq: 1 })).body.recalled).toBe(false)
  })

  test('a holder that opens again on the new day ends its lease of the old one', async () => {
    await begin('2026-11-21T23:59:50Z')
    const delegation_id = await rootOf()
    const asked = { delegation_id, want_usd: '0.4', holder: 'h' }
    await open(server, asked)
    server.clock.advance(20)
    const { status, body } = await open(server, asked)
    expect([status, body.epoch, body.amount_usd]).toEqual([201, 2, '0.4'])
    const books = await checkBooks(server)
    expect(books.get('day:2026-11-21:agent:saver')).toMatchObject({ spent: '400000' })
    expect(books.get('day:2026-11-22:agent:saver')).toMatchObject({ held: '400000' })
  })

  test('a lease without any period is not asked back', async () => {
    await begin('2026-11-21T23:59:50Z')
    const { delegation_id } = await lend(server, '1')
    const { body } = await open(server, { delegation_id, want_usd: '0.4' })
    server.clock.advance(20)
    expect((await renew(server, body.id, { seq: 1 })).body.recalled).toBe(false)
  })

  test('a clock that is set back opens no day again', async () => {
    await begin('2026-11-21T23:30:00Z')
    const delegation_id = await rootOf()
    expect((await spend(delegation_id, '1')).status).toBe(201)
    server.clock.advance(3600)
    expect((await spend(delegation_id, '0.9')).status).toBe(201)
    server.clock.advance(-3600)
    expect((await spend(delegation_id, '0.000001')).status).toBe(402)
    server.clock.advance(3600)
    expect((await spend(delegation_id, '0.2')).status).toBe(402)
    expect((await spend(delegation_id, '0.1')).status).toBe(201)
  })
})

describe('the balance', () => {
  test('shows each period, also one that nobody has drawn on', async () => {
    const config = configOf({ day: '1', month: 20 }, { week: '7.5' })
    await begin('2026-11-21T12:00:00Z', config)
    const delegation_id = await rootOf()
    const untouched = await budget(server, delegation_id)
    expect(untouched.periods).toHaveLength(3)
    await spend(delegation_id, '0.4')
    await reserve(server, { delegation_id, amount_usd: '0.1' })
    const line = { spent_usd: '0.4', held_usd: '0.1' }
    const body = await budget(server, delegation_id)
    expect(body).toMatchObject({
      ...line,
      cap_usd: '500',
      remaining_usd: '0.5',
      limited_by: 'day:2026-11-21:agent:saver',
      renews_at: '2026-11-22T00:00:00.000Z',
    })
    const periods = body.periods as unknown as { period: string }[]
    expect(periods.sort((one, two) => one.period.localeCompare(two.period))).toEqual([
        { period: 'day', of: 'agent:saver', cap_usd: '1', ...line, renews_at: '2026-11-22T00:00:00.000Z' },
        { period: 'month', of: 'agent:saver', cap_usd: '20', ...line, renews_at: '2026-12-01T00:00:00.000Z' },
        { period: 'week', of: 'tenant:acme', cap_usd: '7.5', ...line, renews_at: '2026-11-23T00:00:00.000Z' },
      ]) // biome-ignore format: a table.
  })

  test('of what was set aside is found on the next day, when it was given back', async () => {
    const config = configOf({ day: '1' }, { day: '90' })
    await begin('2026-11-21T23:55:00Z', config)
    const { token } = await delegateOnce(server, {
      scope: 'docs:read',
      agent_limits: JSON.stringify({ cost_budget_usd: 2 }),
      budget_mode: 'escrow',
    })
    const delegation_id = delegationOf(token)
    await spend(delegation_id, '0.5')
    expect((await server.ledger('researcher', `/budgets/${delegation_id}/close`, {})).status).toBe(
      200,
    )
    server.clock.advance(400)
    expect(await budget(server, delegation_id)).toMatchObject({ mode: 'escrow', spent_usd: '0.5' })
  })

  test('has none where there is none', async () => {
    await begin('2026-11-21T12:00:00Z')
    const { delegation_id } = await lend(server, '1')
    const body = await budget(server, delegation_id)
    expect(body).not.toHaveProperty('periods')
    expect(body).not.toHaveProperty('renews_at')
  })
})

describe('at a restart', () => {
  test('a period that the file changes holds at once, for what is left of it', async () => {
    await begin('2026-11-21T12:00:00Z')
    const delegation_id = await rootOf()
    await spend(delegation_id, '0.6')
    await server.applyConfig(configOf({ day: '0.7' }))
    expect((await spend(delegation_id, '0.2')).body.remaining).toBe('0.1')
    await server.applyConfig(configOf({ day: '0.5' }))
    expect((await spend(delegation_id, '0.1')).body).toMatchObject({
      error: 'budget_exhausted',
      remaining: '0',
    })
    await server.applyConfig(configOf({ day: '0.8' }))
    expect((await spend(delegation_id, '0.2')).status).toBe(201)
    await server.applyConfig(configOf({}))
    expect((await spend(delegation_id, '5')).status).toBe(201)
    expect(await budget(server, delegation_id)).not.toHaveProperty('periods')
    await server.applyConfig(configOf({ day: '0.9' }))
    expect((await spend(delegation_id, '0.2')).body.remaining).toBe('0.1')
  })

  test('a period that is cut below what is held lends no more, and takes nothing from a lease', async () => {
    await begin('2026-11-21T12:00:00Z')
    const delegation_id = await rootOf()
    const { body } = await open(server, { delegation_id, want_usd: '0.4' })
    await reserve(server, { delegation_id, amount_usd: '0.4' })
    await server.applyConfig(configOf({ day: '0.5' }))
    const renewed = await renew(server, body.id, { seq: 1, spent_usd: '0.1', want_usd: '1' })
    expect([renewed.status, renewed.body.amount_usd]).toEqual([200, '0.3'])
    expect((await close(server, body.id, { seq: 2, spent_usd: '0.2' })).status).toBe(200)
  })

  test('the same file gives nothing back', async () => {
    await begin('2026-11-21T12:00:00Z')
    const delegation_id = await rootOf()
    await spend(delegation_id, '0.9')
    await server.applyConfig(daily)
    expect((await spend(delegation_id, '0.2')).status).toBe(402)
  })

  test('a period of nothing spends nothing, and a malformed one is a mistake of the file', async () => {
    await begin('2026-11-21T12:00:00Z', configOf({ week: '0' }))
    const refused = await spend(await rootOf(), '0.000001')
    expect([refused.status, refused.body.limited_by]).toEqual([402, 'week:2026-11-16:agent:saver'])
    for (const bad of [{ day: '-1' }, { day: 'NaN' }, { year: '1' }, { week: '1e3' }]) {
      const text = JSON.stringify(configOf(bad))
      expect(() => parseConfig(text, {})).toThrow(/budget_periods/)
    }
  })
})

describe('whatever a client calls itself', () => {
  test('it draws on no period of another', async () => {
    await begin('2026-11-21T12:00:00Z', configOf({ day: '1' }, { week: '90' }))
    for (const clientId of confusing) {
      const token = (await server.clientCredentials(clientId, { resource: docs })).body
      const delegation_id = delegationOf(token.access_token)
      expect(decode(token.access_token).sub).toBe(clientId)
      expect((await spend(delegation_id, '2')).status).toBe(201)
    }
    const books = await checkBooks(server)
    expect(books.get('day:2026-11-21:agent:saver')).toBeUndefined()
    expect(books.get('week:2026-11-16:tenant:acme')).toMatchObject({ spent: '6000000' })
    const own = await spend(await rootOf(), '1')
    expect(own.status).toBe(201)
  })

  test('the id of its budget is no id of a period, and admins cannot take one for the other', async () => {
    await begin('2026-11-21T12:00:00Z')
    for (const clientId of confusing) {
      expect(readPeriodId(`agent:${clientId}`)).toBeUndefined()
      const path = `/budgets/${encodeURIComponent(`agent:${clientId}`)}`
      const { status, body } = await server.ledger('ops', path)
      expect([clientId, status, body.budget_id]).toEqual([clientId, 200, `agent:${clientId}`])
      expect(body).not.toHaveProperty('periods')
    }
    await spend(await rootOf(), '0.1')
    for (const id of ['day:2026-11-21:agent:saver', 'day:2026-11-21:agent:nobody']) {
      expect((await server.ledger('ops', `/budgets/${id}`)).status).toBe(404)
      const cap = await server.ledger('ops', `/budgets/${id}/cap`, { cap_usd: '9' })
      expect(cap.status).toBe(404)
    }
  })
})
