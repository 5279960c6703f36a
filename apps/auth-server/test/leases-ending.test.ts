/** How leases end: by time, by a later one of the same holder, by revocation, by recall. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { docs, openTestServer, resourceServer, type TestServer } from './harness.js'
import {
  close,
  failures,
  inSeconds,
  leaseConfig,
  open,
  renew,
  revokedInFeed,
} from './lease-fixtures.js'
import { budget, checkBooks, lend, reserve, times } from './ledger-fixtures.js'

const config = {
  ...leaseConfig,
  clients: [
    ...leaseConfig.clients,
    { ...resourceServer('ops'), scope: 'admin budgets:charge delegations:read' },
  ],
}

const day = 24 * 3600

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({ config })
})
afterAll(async () => {
  expect(failures(server)).toEqual([])
  await checkBooks(server)
  await server.close()
})

const lendAndOpen = async (usd: string, fields: object, limits: object = {}) => {
  const lent = await lend(server, usd, limits)
  const { delegation_id } = lent
  const { body, status } = await open(server, { delegation_id, ...fields })
  expect(status).toBe(201)
  return { ...lent, lease: body }
}

const balance = async (id: string) => {
  const { spent_usd, held_usd } = await budget(server, id)
  return { spent_usd, held_usd }
}

const remainingRequests = async (id: string): Promise<unknown> =>
  (await budget(server, id)).remaining_requests

describe('a lease that is not heard of again', () => {
  const hourly = { requests_per_hour: 40 }

  test('is charged in full when its time and the grace are over, and not before', async () => {
    const both = { want_usd: '0.4', want_requests: 10 }
    const { delegation_id, lease } = await lendAndOpen('1', both, hourly)
    server.clock.advance(40)
    await server.expireHolds()
    expect(await balance(delegation_id)).toEqual({ spent_usd: '0', held_usd: '0.4' })
    server.clock.advance(1)
    await server.expireHolds()
    expect(await balance(delegation_id)).toEqual({ spent_usd: '0.4', held_usd: '0' })
    expect(await remainingRequests(delegation_id)).toBe(30)
    await server.expireHolds()
    expect(await balance(delegation_id)).toEqual({ spent_usd: '0.4', held_usd: '0' })
    await close(server, lease.id, { seq: 1 })
  })

  test('is renewed in the last moment of its grace', async () => {
    const { lease } = await lendAndOpen('1', { want_usd: '0.4' })
    server.clock.advance(40)
    const { body } = await renew(server, lease.id, { seq: 1 })
    expect([body.state, body.expires_at]).toEqual(['open', inSeconds(server, 40)])
  })

  test('keeps what it reported, and is charged for the rest of what it held', async () => {
    const { delegation_id, lease } = await lendAndOpen('1', { want_usd: '0.4' })
    await renew(server, lease.id, { seq: 1, spent_usd: '0.3', want_usd: '0.05' })
    server.clock.advance(41)
    await server.expireHolds()
    expect(await balance(delegation_id)).toEqual({ spent_usd: '0.35', held_usd: '0' })
  })

  test('gets back what a late report leaves, once', async () => {
    const both = { want_usd: '0.4', want_requests: 10 }
    const { delegation_id, lease } = await lendAndOpen('1', both, hourly)
    await renew(server, lease.id, { seq: 1, spent_usd: '0.1', requests: 2 })
    server.clock.advance(41)
    await server.expireHolds()
    const late = await close(server, lease.id, { seq: 2, spent_usd: '0.15', requests: 3 })
    expect(late.status).toBe(200)
    expect(late.body).toMatchObject({ state: 'closed', amount_usd: '0', requests: 0 })
    expect(late.body.remaining_usd).toBe('0.85')
    expect(await balance(delegation_id)).toEqual({ spent_usd: '0.15', held_usd: '0' })
    expect(await remainingRequests(delegation_id)).toBe(37)
    const twice = await close(server, lease.id, { seq: 3, spent_usd: '0', requests: 0 })
    expect([twice.status, twice.body.error]).toEqual([409, 'lease_ended'])
    expect(await balance(delegation_id)).toEqual({ spent_usd: '0.15', held_usd: '0' })
  })

  test('gets back everything when a late report says that nothing was used', async () => {
    const { delegation_id, lease } = await lendAndOpen('1', { want_usd: '0.4' })
    server.clock.advance(41)
    await server.expireHolds()
    await close(server, lease.id, { seq: 1 })
    expect(await balance(delegation_id)).toEqual({ spent_usd: '0', held_usd: '0' })
  })

  test('is never charged beyond what it held, whatever a late report says', async () => {
    const both = { want_usd: '0.4', want_requests: 10 }
    const { delegation_id, lease } = await lendAndOpen('1', both, hourly)
    server.clock.advance(41)
    await server.expireHolds()
    const late = await close(server, lease.id, { seq: 1, spent_usd: '0.7', requests: 39 })
    expect(late.body.overrun_usd).toBe('0.3')
    expect(await balance(delegation_id)).toEqual({ spent_usd: '0.4', held_usd: '0' })
    expect(await remainingRequests(delegation_id)).toBe(30)
  })

  test('can be reported late for 24 hours and not a second longer', async () => {
    const one = await lendAndOpen('1', { want_usd: '0.4' })
    const other = await lendAndOpen('1', { want_usd: '0.4' })
    server.clock.advance(40 + day)
    const inTime = await close(server, one.lease.id, { seq: 1, spent_usd: '0.1' })
    expect([inTime.status, inTime.body.state]).toEqual([200, 'closed'])
    expect(await balance(one.delegation_id)).toEqual({ spent_usd: '0.1', held_usd: '0' })
    server.clock.advance(1)
    const tooLate = await close(server, other.lease.id, { seq: 1, spent_usd: '0.1' })
    expect([tooLate.status, tooLate.body.error]).toEqual([409, 'lease_ended'])
    expect(await balance(other.delegation_id)).toEqual({ spent_usd: '0.4', held_usd: '0' })
  })

  test('has expired when its time is over, whether or not the timer has come round', async () => {
    const { delegation_id, lease } = await lendAndOpen('1', { want_usd: '0.4' })
    server.clock.advance(41)
    const { status, body } = await renew(server, lease.id, { seq: 1, want_usd: '0.4' })
    expect([status, body.state, body.amount_usd]).toEqual([200, 'expired', '0'])
    expect(await balance(delegation_id)).toEqual({ spent_usd: '0.4', held_usd: '0' })
  })

  test('is not one that was closed in time, and nothing of that ends again', async () => {
    const { delegation_id, lease } = await lendAndOpen('1', { want_usd: '0.4' })
    await close(server, lease.id, { seq: 1, spent_usd: '0.1' })
    server.clock.advance(41)
    await server.expireHolds()
    for (const send of [renew, close]) {
      const { status, body } = await send(server, lease.id, { seq: 2 })
      expect([status, body.error]).toEqual([409, 'lease_ended'])
    }
    expect(await balance(delegation_id)).toEqual({ spent_usd: '0.1', held_usd: '0' })
  })

  test('is told so when it renews, and the last word is for the close', async () => {
    const { delegation_id, lease } = await lendAndOpen('1', { want_usd: '0.4', want_requests: 4 })
    server.clock.advance(41)
    await server.expireHolds()
    const renewal = { seq: 1, spent_usd: '0.1', requests: 1, want_usd: '0.4', want_requests: 4 }
    const { status, body } = await renew(server, lease.id, renewal)
    expect([status, body.state, body.amount_usd, body.requests]).toEqual([200, 'expired', '0', 0])
    // What is in flight there is not known yet: nothing comes back before the holder knows.
    expect(await balance(delegation_id)).toEqual({ spent_usd: '0.4', held_usd: '0' })
    const last = await close(server, lease.id, { seq: 2, spent_usd: '0.2', requests: 2 })
    expect([last.status, last.body.state]).toEqual([200, 'closed'])
    expect(await balance(delegation_id)).toEqual({ spent_usd: '0.2', held_usd: '0' })
  })

  test('leaves its share to those that stay', async () => {
    const { delegation_id } = await lendAndOpen('1', { want_usd: '0.2' })
    server.clock.advance(41)
    await server.expireHolds()
    const { body } = await open(server, { delegation_id, want_usd: '1' })
    expect(body.amount_usd).toBe('0.4')
  })
})

describe('a holder that opens again', () => {
  test('ends its older lease, which counts as used until it is reported', async () => {
    const { delegation_id } = await lend(server, '1')
    const asked = { delegation_id, want_usd: '0.2', holder: 'process-1' }
    const older = await open(server, asked)
    const newer = await open(server, asked)
    expect([older.body.epoch, newer.body.epoch, newer.status]).toEqual([1, 2, 201])
    expect(newer.body.id).not.toBe(older.body.id)
    expect(await balance(delegation_id)).toEqual({ spent_usd: '0.2', held_usd: '0.2' })
    const fenced = await renew(server, older.body.id, { seq: 1, spent_usd: '0.05' })
    expect([fenced.body.state, fenced.body.amount_usd]).toEqual(['expired', '0'])
    await close(server, older.body.id, { seq: 2, spent_usd: '0.05' })
    expect(await balance(delegation_id)).toEqual({ spent_usd: '0.05', held_usd: '0.2' })
    const third = await open(server, asked)
    expect(third.body.epoch).toBe(3)
  })

  test('leaves alone other holders, other delegations and those without a name', async () => {
    const { delegation_id } = await lend(server, '1')
    const elsewhere = await lend(server, '1')
    const want = { delegation_id, want_usd: '0.01' }
    const others = [
      await open(server, { ...want, holder: 'process-2' }),
      await open(server, { ...want, delegation_id: elsewhere.delegation_id, holder: 'process-1' }),
      await open(server, want),
      await open(server, want),
    ]
    await open(server, { ...want, holder: 'process-1' })
    for (const { body } of others) {
      expect(body.epoch).toBe(1)
      expect((await renew(server, body.id, { seq: 1 })).body.state).toBe('open')
    }
  })

  test('keeps its older lease when it is refused', async () => {
    const { delegation_id } = await lend(server, '0.1')
    const asked = { delegation_id, want_usd: '0.04', holder: 'process-1' }
    const older = await open(server, asked)
    const refused = await open(server, { ...asked, need_usd: '5' })
    expect(refused.status).toBe(402)
    const { body } = await renew(server, older.body.id, { seq: 1 })
    expect([body.state, body.amount_usd]).toEqual(['open', '0.04'])
  })
})

describe('when the delegation has ended', () => {
  const end = {
    'by revocation': (token: string) => server.revoke('researcher', token),
    'by its time': () => server.clock.advance(900),
  }
  for (const [name, ending] of Object.entries(end)) {
    test(`${name}, nothing is lent any more, and reports still count`, async () => {
      const long = { want_usd: '0.2', want_requests: 5, ttl_seconds: 300 }
      const { token, delegation_id } = await lend(server, '1')
      // So that it outlives its delegation.
      if (name === 'by its time') server.clock.advance(800)
      const { body: lease } = await open(server, { delegation_id, ...long })
      if (name === 'by its time') server.clock.advance(-800)
      await ending(token)
      const refused = await open(server, { delegation_id, want_usd: '0.1' })
      expect([refused.status, refused.body.error, refused.body.error_detail]).toEqual([
        403,
        'access_denied',
        'delegation_revoked',
      ])
      const more = { seq: 1, spent_usd: '0.1', requests: 2, want_usd: '0.5', want_requests: 50 }
      const { status, body } = await renew(server, lease.id, { ...more, ttl_seconds: 300 })
      expect(status).toBe(200)
      expect(body).toMatchObject({ state: 'open', recalled: true, amount_usd: '0.1', requests: 3 })
      expect(body.expires_at).toBe(lease.expires_at)
      const less = await renew(server, lease.id, { seq: 2, spent_usd: '0.1', want_usd: '0.03' })
      expect(less.body).toMatchObject({ recalled: true, amount_usd: '0.03' })
      await close(server, lease.id, { seq: 3, spent_usd: '0.12' })
      expect(await balance(delegation_id)).toEqual({ spent_usd: '0.12', held_usd: '0' })
    })
  }
})

describe('a cap that is cut', () => {
  const cut = (id: string, cap: string | null) =>
    server.ledger('ops', `/budgets/${id}/cap`, { cap_usd: cap })

  test('asks the open leases back, by the feed and at their next report', async () => {
    const { delegation_id, lease } = await lendAndOpen('1', { want_usd: '0.4', ttl_seconds: 60 })
    const elsewhere = await lendAndOpen('1', { want_usd: '0.4' })
    expect((await cut(delegation_id, '0.2')).status).toBe(200)
    const told = (await revokedInFeed(server)).filter(({ id }) => id.startsWith('lse_'))
    expect(told).toEqual([{ id: lease.id, exp: server.clock.seconds() + 70 }])
    server.clock.advance(5)
    const { body } = await renew(server, lease.id, { seq: 1, spent_usd: '0.1', want_usd: '1' })
    expect(body).toMatchObject({ state: 'open', recalled: true, amount_usd: '0.3' })
    expect(body.expires_at).toBe(lease.expires_at)
    const other = await renew(server, elsewhere.lease.id, { seq: 1 })
    expect(other.body).toMatchObject({ recalled: false, expires_at: inSeconds(server, 40) })
    await close(server, lease.id, { seq: 2, spent_usd: '0.15' })
    const { body: next } = await open(server, { delegation_id, want_usd: '1' })
    expect(next).toMatchObject({ recalled: false, amount_usd: '0.025', remaining_usd: '0.025' })
  })

  test('asks them back where everything is held, and so nothing can be cut yet', async () => {
    const { delegation_id, lease } = await lendAndOpen('1', { want_usd: '0.5' })
    await reserve(server, { delegation_id, amount_usd: '0.5' })
    await cut(delegation_id, '0.2')
    expect((await revokedInFeed(server)).map(({ id }) => id)).toContain(lease.id)
    expect((await renew(server, lease.id, { seq: 1 })).body.recalled).toBe(true)
    // It is asked back also when there is nothing to refuse it with.
    const spent = await renew(server, lease.id, { seq: 2, spent_usd: '0.5', want_usd: '0.1' })
    expect([spent.status, spent.body.recalled, spent.body.amount_usd]).toEqual([200, true, '0'])
  })

  test('by the file asks them back too', async () => {
    const token = (await server.clientCredentials('loner', { resource: docs })).body.access_token
    const { body } = await open(server, { token, want_usd: '0.4' })
    await reserve(server, { token, amount_usd: '2' })
    const clients = config.clients.map((client) =>
      'client_id' in client && client.client_id === 'loner'
        ? { ...client, agent_limits: { cost_budget_usd: 1 } }
        : client,
    )
    await server.applyConfig({ ...config, clients })
    expect((await revokedInFeed(server)).map(({ id }) => id)).toContain(body.id)
    const renewed = await renew(server, body.id, { seq: 1, spent_usd: '0.1', want_usd: '1' })
    expect(renewed.body).toMatchObject({ recalled: true, amount_usd: '0.3' })
    await server.applyConfig(config)
    await close(server, body.id, { seq: 2 })
  })

  test('asks them back on every budget below, and a cap where there was none is a cut', async () => {
    const token = (await server.clientCredentials('loner', { resource: docs })).body.access_token
    await cut('agent:loner', null)
    const { body } = await open(server, { token, want_usd: '0.4' })
    await cut('agent:loner', '30')
    expect((await revokedInFeed(server)).map(({ id }) => id)).toContain(body.id)
  })

  test('does not ask back what was ended before, nor when it is raised or left as it is', async () => {
    const { delegation_id, lease } = await lendAndOpen('1', { want_usd: '0.1' })
    const ended = await open(server, { delegation_id, want_usd: '0.1' })
    await close(server, ended.body.id, { seq: 1 })
    const before = await revokedInFeed(server)
    await cut(delegation_id, '2')
    await cut(delegation_id, '2')
    await cut(delegation_id, null)
    expect(await revokedInFeed(server)).toEqual(before)
    expect((await renew(server, lease.id, { seq: 1 })).body.recalled).toBe(false)
    await cut(delegation_id, '1')
    const now = (await revokedInFeed(server)).map(({ id }) => id)
    expect([now.includes(lease.id), now.includes(ended.body.id)]).toEqual([true, false])
    await cut(delegation_id, '0.5')
    expect(await revokedInFeed(server)).toHaveLength(before.length + 1)
  })
})

test('one client has 32 open leases on a delegation at most, and one more when one has ended', async () => {
  const { delegation_id } = await lend(server, '1')
  const ask = (holder: string) => open(server, { delegation_id, want_usd: '0', holder })
  const opened = await Promise.all(times(33, (index) => ask(`process-${index}`)))
  expect(opened.map(({ status }) => status).sort()).toEqual([...times(32, () => 201), 429])
  const refused = await ask('another')
  expect(refused.headers.get('retry-after')).toBe('10')
  expect(refused.body).toMatchObject({
    error: 'rate_limited',
    error_detail: 'too_many_open_holds',
  })
  const first = opened.find(({ status }) => status === 201)?.body.id ?? ''
  const again = opened.findIndex(({ body }) => body.id === first)
  expect((await ask(`process-${again}`)).body.epoch).toBe(2)
  expect((await ask('another')).status).toBe(429)
  const last = opened.findLast(({ status }) => status === 201)?.body.id ?? ''
  await close(server, last, { seq: 1 })
  expect((await ask('another')).status).toBe(201)
  const elsewhere = await lend(server, '1')
  const other = { delegation_id: elsewhere.delegation_id, want_usd: '0', holder: 'another' }
  expect((await open(server, other)).status).toBe(201)
})
