/** How much one client may have open at once: a loop that reserves and never settles must end. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createOpenHolds, maxOpenHolds } from '../src/budgets/open-holds.js'
import { docs, mail, openTestServer, type TestServer } from './harness.js'
import { failures } from './lease-fixtures.js'
import { delegationOf, times } from './ledger-fixtures.js'

let server: TestServer
let delegation_id: string
beforeAll(async () => {
  server = await openTestServer()
  const own = await server.clientCredentials('researcher', { resource: [docs, mail] })
  delegation_id = delegationOf(own.body.access_token)
})
afterAll(async () => {
  expect(failures(server)).toEqual([])
  await server.close()
})

const reserveAs = (client: string, key?: string) => {
  const asked = { delegation_id, amount_usd: '0.000001', action: 'docs.read' }
  return server.ledger(client, '/reservations', asked, key)
}

const leaseAs = (client: string) =>
  server.ledger(client, '/leases', { delegation_id, want_usd: '0.000001' })

/** As if so many had been reserved. */
const fill = (count: number): Promise<unknown> =>
  server.database.write(
    `insert into reservations (id, delegation_id, budget_ids, client_id, action, amount, state,
       on_expiry, created_at, expires_at)
     select 'rsv_' || n, $1, '{}', 'docs-server', 'docs.read', 1, 'reserved', 'release',
       now(), $2::text::timestamptz
     from generate_series(1, $3::int) n`,
    [delegation_id, '2027-01-01T00:00:00Z', count],
  )

test('a client has so many reservations and leases open at most, and others are not held up', async () => {
  const first = await reserveAs('docs-server', 'the-first')
  expect(first.status).toBe(201)
  await fill(maxOpenHolds - 4)
  server.clock.advance(1)
  // One was there: three more fit, a lease among them.
  expect((await leaseAs('docs-server')).status).toBe(201)
  expect((await reserveAs('docs-server')).status).toBe(201)
  const last = await reserveAs('docs-server')
  expect(last.status).toBe(201)
  const refusals = [await reserveAs('docs-server'), await leaseAs('docs-server')]
  server.clock.advance(1)
  refusals.push(await reserveAs('docs-server'), await leaseAs('docs-server'))
  for (const { status, headers, body } of refusals) {
    expect([status, body.error, body.error_detail]).toEqual([
      429,
      'rate_limited',
      'too_many_open_holds',
    ])
    expect(headers.get('retry-after')).toBe('10')
  }
  // A retry opens nothing.
  expect((await reserveAs('docs-server', 'the-first')).body).toEqual(first.body)
  expect((await reserveAs('mail-server')).status).toBe(201)
  expect((await leaseAs('mail-server')).status).toBe(201)
  const released = await server.ledger('docs-server', `/reservations/${last.body.id}/release`, {})
  expect(released.status).toBe(200)
  server.clock.advance(1)
  expect((await reserveAs('docs-server')).status).toBe(201)
})

test('many that ask at the same moment are counted too', async () => {
  await server.database.write(`delete from reservations where id = 'rsv_1' or id = 'rsv_2'`, [])
  server.clock.advance(1)
  const answers = await Promise.all(times(6, () => reserveAs('docs-server')))
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(2)
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(4)
})

test('a count that failed is asked for again by whoever comes next', async () => {
  const counts = [() => Promise.reject(new Error('away')), () => Promise.resolve(0)]
  const budgets = { openHolds: () => (counts.shift() ?? (() => Promise.resolve(1)))() }
  const holds = createOpenHolds(budgets, server.clock.now, 2)
  await expect(holds.refusal('docs-server')).rejects.toThrow('away')
  expect(await holds.refusal('docs-server')).toBeUndefined()
  expect(await holds.refusal('docs-server')).toBeUndefined()
  expect((await holds.refusal('docs-server'))?.reason).toBe('too_many_open_holds')
})
