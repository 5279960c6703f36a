import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDatabase, openTestServer, type TestServer } from './harness.js'
import {
  budget,
  checkBooks,
  configWith,
  lend,
  release,
  reserve,
  settle,
  tally,
  times,
} from './ledger-fixtures.js'

const both = 'http://127.0.0.1:4400/mcp'
const base = configWith({
  clients: { 'globex-agent': { resources: [both] } },
  more: [
    {
      client_id: 'both-server',
      kind: 'resource_server',
      tenant_id: 'globex',
      client_secret: 'both-server-secret-of-32-characters',
    },
  ],
})
const config = {
  ...base,
  resources: [...base.resources, { resource: both, tenant_id: 'globex', client_id: 'both-server' }],
}

let server: TestServer
let second: TestServer
beforeAll(async () => {
  server = await openTestServer({ config })
  const { clock, database } = server
  second = await openTestServer({ config, clock, database })
})
afterAll(async () => {
  await checkBooks(server)
  await server.close()
})

const newKey = (): string => crypto.randomUUID()

describe('the same key and the same request', () => {
  test('repeat the first answer to reserve, settle and release, and move nothing again', async () => {
    const { token, delegation_id } = await lend(server, '0.1')
    const twice = async (send: (key: string) => ReturnType<typeof reserve>) => {
      const key = newKey()
      const first = await send(key)
      const before = await checkBooks(server)
      const again = await send(key)
      expect([again.status, again.body]).toEqual([first.status, first.body])
      expect(again.headers.get('content-type')).toBe(first.headers.get('content-type'))
      expect(await checkBooks(server)).toEqual(before)
      return first
    }
    const one = await twice((key) => reserve(server, { token, amount_usd: '0.04' }, key))
    expect(one.status).toBe(201)
    const settled = await twice((key) => settle(server, one.body.id, '0.03', key))
    expect(settled.body.charged_usd).toBe('0.03')
    const two = await twice((key) => reserve(server, { delegation_id, amount_usd: '0.07' }, key))
    const released = await twice((key) => release(server, two.body.id, key))
    expect([two.status, released.status]).toEqual([201, 200])
    expect(await budget(server, delegation_id)).toMatchObject({ spent_usd: '0.03', held_usd: '0' })
  })

  test('repeat a refusal, though by now there would be room', async () => {
    const { token } = await lend(server, '0.1')
    const key = newKey()
    const all = await reserve(server, { token, amount_usd: '0.1' })
    const refused = await reserve(server, { token, amount_usd: '0.01' }, key)
    expect([refused.status, refused.body.error]).toEqual([402, 'budget_exhausted'])
    await release(server, all.body.id)
    const again = await reserve(server, { token, amount_usd: '0.01' }, key)
    expect([again.status, again.body]).toEqual([402, refused.body])
    expect(again.headers.get('content-type')).toBe('application/problem+json')
    expect((await reserve(server, { token, amount_usd: '0.01' })).status).toBe(201)
  })

  test('repeat that an action may not be, whose key then belongs to that action', async () => {
    const { token } = await lend(server, '0.5', { max_cost_per_action_usd: '0.1' })
    const forbidden = { token, amount_usd: '0.01', action: 'mail.read' }
    const costly = { token, amount_usd: '0.2', action: 'docs.read' }
    for (const [fields, status, error] of [
      [forbidden, 403, 'action_not_allowed'],
      [costly, 402, 'insufficient_budget'],
    ] as const) {
      const key = newKey()
      const refused = await reserve(server, fields, key)
      expect([refused.status, refused.body.error]).toEqual([status, error])
      const again = await reserve(server, fields, key)
      expect([again.status, again.body]).toEqual([status, refused.body])
      const other = await reserve(server, { ...fields, amount_usd: '0.02' }, key)
      expect([other.status, other.body.error]).toEqual([409, 'idempotency_conflict'])
    }
  })

  test('repeat that a reservation has ended', async () => {
    const { token } = await lend(server, '0.1')
    const { body } = await reserve(server, { token, amount_usd: '0.04' })
    await release(server, body.id)
    const key = newKey()
    const refused = await settle(server, body.id, '0.01', key)
    expect([refused.status, refused.body.error]).toEqual([409, 'reservation_ended'])
    expect((await settle(server, body.id, '0.01', key)).body).toEqual(refused.body)
  })

  test('repeat what was held, after the delegation was revoked and after the reservation ended', async () => {
    const { token, delegation_id } = await lend(server, '0.1')
    const key = newKey()
    const first = await reserve(server, { token, amount_usd: '0.04' }, key)
    await server.revoke('researcher', token)
    await settle(server, first.body.id, '0.04')
    const again = await reserve(server, { token, amount_usd: '0.04' }, key)
    expect([again.status, again.body]).toEqual([201, first.body])
    expect((await reserve(server, { token, amount_usd: '0.04' })).status).toBe(403)
    expect(await budget(server, delegation_id)).toMatchObject({ spent_usd: '0.04', held_usd: '0' })
  })

  test('are the same by meaning: a fresh token, spelt-out defaults, a needless zero', async () => {
    const { token, delegation_id } = await lend(server, '0.1')
    const key = newKey()
    const first = await reserve(server, { token, amount_usd: '0.04' }, key)
    const same = { delegation_id, amount_usd: '0.040', ttl_seconds: 60, on_expiry: 'charge' }
    expect((await reserve(server, same, key)).body).toEqual(first.body)
  })

  test('have one effect when they arrive fifty at once, at two servers', async () => {
    const { token, delegation_id } = await lend(server, '0.1')
    const key = newKey()
    const at = (index: number) => (index % 2 === 0 ? server : second)
    const reserved = await Promise.all(
      times(50, (index) => reserve(at(index), { token, amount_usd: '0.01' }, key)),
    )
    expect(tally(reserved)).toEqual({ 201: 50 })
    expect(new Set(reserved.map(({ body }) => body.id)).size).toBe(1)
    for (const { body } of reserved) expect(body).toEqual(reserved[0]?.body)
    expect(await budget(server, delegation_id)).toMatchObject({ held_usd: '0.01' })
    const id = reserved[0]?.body.id
    const settled = await Promise.all(times(50, (index) => settle(at(index), id, '0.004', key + 2)))
    expect(tally(settled)).toEqual({ 200: 50 })
    for (const { body } of settled) expect(body).toEqual(settled[0]?.body)
    expect(await budget(server, delegation_id)).toMatchObject({ spent_usd: '0.004', held_usd: '0' })
  })

  test('have one refusal when they arrive fifty at once', async () => {
    const { token } = await lend(server, '0.1')
    const key = newKey()
    const answers = await Promise.all(
      times(50, () => reserve(server, { token, amount_usd: '0.2' }, key)),
    )
    expect(tally(answers)).toEqual({ 402: 50 })
    for (const { body } of answers) expect(body).toEqual(answers[0]?.body)
  })
})

describe('the same key and another request', () => {
  test('are a conflict, whatever differs', async () => {
    const one = await lend(server, '0.1')
    const other = await lend(server, '0.1')
    const { token } = one
    const key = newKey()
    const { body } = await reserve(server, { token, amount_usd: '0.01' }, key)
    const before = await checkBooks(server)
    const conflicts = [
      reserve(server, { token, amount_usd: '0.011' }, key),
      reserve(server, { token: other.token, amount_usd: '0.01' }, key),
      reserve(server, { token, amount_usd: '0.01', action: 'docs.write' }, key),
      reserve(server, { token, amount_usd: '0.01', ttl_seconds: 61 }, key),
      reserve(server, { token, amount_usd: '0.01', on_expiry: 'release' }, key),
      settle(server, body.id, '0.01', key),
      release(server, body.id, key),
    ]
    for (const answer of await Promise.all(conflicts)) {
      expect([answer.status, answer.body.error]).toEqual([409, 'idempotency_conflict'])
      expect(JSON.stringify(answer.body)).not.toContain(body.id)
    }
    expect(await checkBooks(server)).toEqual(before)
    expect((await reserve(server, { token, amount_usd: '0.01' }, key)).body).toEqual(body)
  })

  test('are a conflict between amounts, between release and zero, and between reservations', async () => {
    const { token } = await lend(server, '0.1')
    const one = (await reserve(server, { token, amount_usd: '0.01' })).body.id
    const other = (await reserve(server, { token, amount_usd: '0.01' })).body.id
    const key = newKey()
    expect((await settle(server, one, '0', key)).status).toBe(200)
    const conflicts = [
      settle(server, one, '0.01', key),
      release(server, one, key),
      settle(server, other, '0', key),
    ]
    for (const answer of await Promise.all(conflicts)) {
      expect([answer.status, answer.body.error]).toEqual([409, 'idempotency_conflict'])
    }
  })

  test('have one winner when they race', async () => {
    const { token, delegation_id } = await lend(server, '1')
    const key = newKey()
    const answers = await Promise.all(
      times(20, (index) => reserve(server, { token, amount_usd: `0.0${index + 10}` }, key)),
    )
    expect(tally(answers)).toEqual({ 201: 1, 409: 19 })
    const winner = answers.find(({ status }) => status === 201)
    expect(await budget(server, delegation_id)).toMatchObject({ held_usd: winner?.body.amount_usd })
  })
})

describe('a key', () => {
  test('belongs to its client: another has its own effect and sees nothing of the first', async () => {
    const { token } = await lend(server, '0.1')
    const key = newKey()
    const mine = await reserve(server, { token, amount_usd: '0.01' }, key)
    const foreign = (await server.clientCredentials('globex-agent', { resource: both })).body
    const asked = { token: foreign.access_token, amount_usd: '0.01', action: 'docs.read' }
    const send = () => server.ledger('both-server', '/reservations', asked, key)
    const theirs = await send()
    expect([mine.status, theirs.status]).toEqual([201, 201])
    expect(theirs.body.id).not.toBe(mine.body.id)
    const again = await reserve(server, { token, amount_usd: '0.01' }, key)
    expect([again.body, (await send()).body]).toEqual([mine.body, theirs.body])
    const stolen = await server.ledger(
      'mail-server',
      '/reservations',
      { token, amount_usd: '0.01', action: 'docs.read' },
      key,
    )
    expect(stolen.status).toBe(403)
    expect(JSON.stringify(stolen.body)).not.toContain(mine.body.id)
  })

  test('is not spent by a request that was malformed, not allowed or about nothing', async () => {
    const { token } = await lend(server, '0.1')
    const key = newKey()
    expect((await reserve(server, { token, amount_usd: '-1' }, key)).status).toBe(400)
    expect((await reserve(server, { token: 'x', amount_usd: '1' }, key)).status).toBe(403)
    expect((await settle(server, 'rsv_unknown', '0', key)).status).toBe(404)
    expect((await reserve(server, { token, amount_usd: '0.01' }, key)).status).toBe(201)
  })

  test('is forgotten after 48 hours and not before', async () => {
    const { token } = await lend(server, '0.1')
    const { body } = await reserve(server, { token, amount_usd: '0.01' })
    const key = newKey()
    const first = await settle(server, body.id, '0.01', key)
    server.clock.advance(48 * 3600)
    await server.forgetHistory()
    expect((await settle(server, body.id, '0.01', key)).body).toEqual(first.body)
    server.clock.advance(1)
    await server.forgetHistory()
    const late = await settle(server, body.id, '0.01', key)
    expect([late.status, late.body.error]).toEqual([409, 'reservation_ended'])
  })
})

test('keys and balances outlive the process', async () => {
  const { mkdtempSync, rmSync } = await import('node:fs')
  const { openDatabase } = await import('../src/store/database.js')
  const created = await createDatabase()
  const folder = mkdtempSync('/tmp/behalf-ledger-')
  const url = created.url === 'memory:' ? `pglite:${folder}` : created.url
  const { clock } = server
  const open = async () => openTestServer({ clock, database: await openDatabase(url) })
  const before = await open()
  const { token, delegation_id } = await lend(before, '0.1')
  const first = await reserve(before, { token, amount_usd: '0.04' }, 'k1')
  await before.close()

  const after = await open()
  const again = await reserve(after, { token, amount_usd: '0.04' }, 'k1')
  expect([again.status, again.body]).toEqual([201, first.body])
  expect(await budget(after, delegation_id)).toMatchObject({ held_usd: '0.04', spent_usd: '0' })
  expect((await settle(after, first.body.id, '0.01')).status).toBe(200)
  await checkBooks(after)
  await after.close()
  await created.drop()
  rmSync(folder, { recursive: true, force: true })
})

describe('a retry that comes late', () => {
  test('is answered as the first time after the token has expired', async () => {
    const { token, delegation_id } = await lend(server, '1')
    const [reserveKey, leaseKey, otherKey] = [newKey(), newKey(), newKey()]
    const lease = { token, want_usd: '0.1' }
    const ask = (key: string) => reserve(server, { token, amount_usd: '0.04' }, key)
    const borrow = (key: string) => server.ledger('docs-server', '/leases', lease, key)
    const first = [await ask(reserveKey), await borrow(leaseKey)]
    const before = await budget(server, delegation_id)
    server.clock.advance(300)
    const again = [await ask(reserveKey), await borrow(leaseKey)]
    expect(again.map(({ status }) => status)).toEqual([201, 201])
    expect(again.map(({ body }) => body)).toEqual(first.map(({ body }) => body))
    expect(await budget(server, delegation_id)).toEqual(before)
    for (const answer of [await ask(otherKey), await borrow(otherKey)]) {
      expect([answer.status, answer.body.error_detail]).toEqual([403, 'token_expired'])
    }
  })

  test('with the key of something else is a conflict, and with another token tells nothing', async () => {
    const { token } = await lend(server, '1')
    const other = await lend(server, '1')
    const key = newKey()
    await reserve(server, { token, amount_usd: '0.04' }, key)
    server.clock.advance(300)
    expect((await reserve(server, { token, amount_usd: '0.05' }, key)).status).toBe(409)
    expect((await reserve(server, { token: other.token, amount_usd: '0.04' }, key)).status).toBe(
      409,
    )
  })
})
