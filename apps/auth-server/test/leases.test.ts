/** Leases: what is lent, how much of it, and what a report changes. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTestServer, type TestServer } from './harness.js'
import { close, failures, inSeconds, leaseConfig, open, renew } from './lease-fixtures.js'
import { budget, checkBooks, lend, reserve } from './ledger-fixtures.js'

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({ config: leaseConfig })
})
afterAll(async () => {
  expect(failures(server)).toEqual([])
  await checkBooks(server)
  await server.close()
})

/** A delegation with so much money, and a lease on it. */
const lendAndOpen = async (usd: string, fields: object, limits: object = {}) => {
  const { delegation_id } = await lend(server, usd, limits)
  const { body, status } = await open(server, { delegation_id, ...fields })
  expect(status).toBe(201)
  return { delegation_id, lease: body }
}

const balance = async (id: string) => {
  const { spent_usd, held_usd, remaining_usd } = await budget(server, id)
  return { spent_usd, held_usd, remaining_usd }
}

describe('opening a lease', () => {
  test('holds money and requests, and says until when', async () => {
    const { token, delegation_id } = await lend(server, '1', { requests_per_hour: 40 })
    const asked = { token, want_usd: '0.2', want_requests: 7, ttl_seconds: 45 }
    const { status, headers, body } = await open(server, asked)
    expect([status, headers.get('cache-control')]).toEqual([201, 'no-store'])
    expect(body).toEqual({
      id: expect.stringMatching(/^lse_[\w-]{22}$/),
      delegation_id,
      state: 'open',
      epoch: 1,
      seq: 0,
      amount_usd: '0.2',
      requests: 7,
      ttl_seconds: 45,
      expires_at: inSeconds(server, 55),
      tail: false,
      recalled: false,
      remaining_usd: '0.8',
      remaining_requests: 33,
    })
    expect(await budget(server, delegation_id)).toMatchObject({
      spent_usd: '0',
      held_usd: '0.2',
      remaining_usd: '0.8',
      requests_per_hour: 40,
      remaining_requests: 33,
      requests_limited_by: delegation_id,
    })
  })

  test('lasts half a minute and the grace of the server unless it says otherwise', async () => {
    const { lease } = await lendAndOpen('1', { want_usd: '0.1' })
    expect(lease).toMatchObject({ ttl_seconds: 30, expires_at: inSeconds(server, 40) })
  })

  test('may be for money alone or for requests alone', async () => {
    const limits = { requests_per_hour: 40 }
    const money = await lendAndOpen('1', { want_usd: '0.1' }, limits)
    expect(money.lease).toMatchObject({ amount_usd: '0.1', requests: 0, remaining_requests: 40 })
    const requests = await lendAndOpen('1', { want_requests: 3 }, limits)
    expect(requests.lease).toMatchObject({ amount_usd: '0', requests: 3, tail: false })
    expect(await balance(requests.delegation_id)).toMatchObject({ held_usd: '0' })
  })

  test('lends half a fair share at most, and less to each that comes later', async () => {
    const { delegation_id } = await lend(server, '1', { requests_per_hour: 80 })
    const want = { delegation_id, want_usd: '5', want_requests: 500 }
    const lent = []
    for (let count = 0; count < 3; count += 1) lent.push((await open(server, want)).body)
    // 1/2, then 0.5/4, then 0.375/6 of what was left, and of requests 80/2, 40/4, 30/6.
    expect(lent.map(({ amount_usd }) => amount_usd)).toEqual(['0.5', '0.125', '0.0625'])
    expect(lent.map(({ requests }) => requests)).toEqual([40, 10, 5])
  })

  test('lends what the tightest budget of the path can spare, and not what a child may spend', async () => {
    const own = (await server.clientCredentials('loner')).body.access_token
    const { body } = await open(server, { token: own, want_usd: '100' })
    expect([body.amount_usd, body.remaining_usd]).toEqual(['25', '25'])
    await close(server, body.id, { seq: 1 })
  })

  test('lends all that is wanted of requests that nobody limits', async () => {
    const { lease } = await lendAndOpen('1', { want_requests: 1_000_000_000 })
    expect(lease.requests).toBe(1_000_000_000)
    expect(lease).not.toHaveProperty('remaining_requests')
    await close(server, lease.id, { seq: 1 })
  })

  test('lends requests that nobody limits to many, up to what can be counted', async () => {
    const { delegation_id } = await lend(server, '1')
    const ids: string[] = []
    for (let count = 0; count < 4; count += 1) {
      const { status, body } = await open(server, { delegation_id, want_requests: 1_000_000_000 })
      expect(status).toBe(201)
      ids.push(body.id)
    }
    for (const id of ids) expect((await close(server, id, { seq: 1 })).status).toBe(200)
  })

  test('says tail when it does not cover the charge at hand, which can still be reserved', async () => {
    const { delegation_id, lease } = await lendAndOpen('0.1', { want_usd: '0.1', need_usd: '0.06' })
    expect(lease).toMatchObject({ amount_usd: '0', tail: true })
    const covered = await lendAndOpen('0.1', { want_usd: '0.1', need_usd: '0.05' })
    expect(covered.lease).toMatchObject({ amount_usd: '0.05', tail: false })
    await close(server, lease.id, { seq: 1 })
    const { status } = await reserve(server, { delegation_id, amount_usd: '0.06' })
    expect(status).toBe(201)
  })

  test('says tail when there is too little to share, so that the last unit is usable', async () => {
    const { delegation_id, lease } = await lendAndOpen('0.000001', { want_usd: '1' })
    expect(lease).toMatchObject({ amount_usd: '0', tail: true, remaining_usd: '0.000001' })
    expect((await reserve(server, { delegation_id, amount_usd: '0.000001' })).status).toBe(201)
  })

  test('is refused with 402 when the need is more than there is, or when there is nothing', async () => {
    const { delegation_id } = await lend(server, '0.1')
    const needy = await open(server, { delegation_id, want_usd: '1', need_usd: '0.2' })
    expect([needy.status, needy.headers.get('content-type')]).toEqual([
      402,
      'application/problem+json',
    ])
    expect(needy.body).toMatchObject({
      error: 'insufficient_budget',
      required: '0.2',
      remaining: '0.1',
      limited_by: delegation_id,
    })
    await reserve(server, { delegation_id, amount_usd: '0.1' })
    const empty = await open(server, { delegation_id, want_usd: '1' })
    expect([empty.status, empty.body.error]).toEqual([402, 'budget_exhausted'])
    expect(empty.body.remaining).toBe('0')
    expect(await budget(server, delegation_id)).toMatchObject({ held_usd: '0.1' })
  })

  test('lends requests without money when only requests are left, and none is needed', async () => {
    const { delegation_id } = await lend(server, '0.1', { requests_per_hour: 10 })
    await reserve(server, { delegation_id, amount_usd: '0.1' })
    const both = { delegation_id, want_usd: '1', want_requests: 2 }
    const { status, body } = await open(server, both)
    expect([status, body.amount_usd, body.requests, body.tail]).toEqual([201, '0', 2, true])
    const needy = await open(server, { ...both, need_usd: '0.01' })
    expect([needy.status, needy.body.error]).toEqual([402, 'budget_exhausted'])
  })

  test('answers a repeat of its key alike, and another body with 409', async () => {
    const { delegation_id } = await lend(server, '1')
    const first = await open(server, { delegation_id, want_usd: '0.1' }, 'open-once')
    const again = await open(server, { delegation_id, want_usd: '0.1' }, 'open-once')
    expect([again.status, again.body]).toEqual([201, first.body])
    expect(await balance(delegation_id)).toMatchObject({ held_usd: '0.1' })
    const elsewhere = await lend(server, '1')
    for (const other of [
      { want_usd: '0.2' },
      { want_usd: '0.1', holder: 'h' },
      { want_usd: '0.1', delegation_id: elsewhere.delegation_id },
    ]) {
      const { status, body } = await open(server, { delegation_id, ...other }, 'open-once')
      expect([status, body.error]).toEqual([409, 'idempotency_conflict'])
    }
  })
})

describe('renewing a lease', () => {
  test('spends what is reported out of the hold, and lasts from now on', async () => {
    const { delegation_id, lease } = await lendAndOpen(
      '1',
      { want_usd: '0.3', want_requests: 10 },
      { requests_per_hour: 40 },
    )
    server.clock.advance(20)
    const report = { seq: 1, spent_usd: '0.1', requests: 4, ttl_seconds: 60 }
    const { status, body } = await renew(server, lease.id, report)
    expect(status).toBe(200)
    expect(body).toEqual({
      ...lease,
      seq: 1,
      amount_usd: '0.2',
      requests: 6,
      ttl_seconds: 60,
      expires_at: inSeconds(server, 70),
      remaining_usd: '0.7',
      remaining_requests: 30,
    })
    expect(await balance(delegation_id)).toEqual({
      spent_usd: '0.1',
      held_usd: '0.2',
      remaining_usd: '0.7',
    })
  })

  test('takes reports as totals, so that the next one makes good one that was lost', async () => {
    const { delegation_id, lease } = await lendAndOpen('1', { want_usd: '0.4', want_requests: 9 })
    await renew(server, lease.id, { seq: 1, spent_usd: '0.1', requests: 2 })
    // The report with seq 2 was lost.
    const { body } = await renew(server, lease.id, { seq: 3, spent_usd: '0.3', requests: 7 })
    expect(body).toMatchObject({ seq: 3, amount_usd: '0.1', requests: 2 })
    expect(await balance(delegation_id)).toMatchObject({ spent_usd: '0.3', held_usd: '0.1' })
  })

  test('takes a total that went back as nothing new', async () => {
    const { delegation_id, lease } = await lendAndOpen('1', { want_usd: '0.4', want_requests: 9 })
    await renew(server, lease.id, { seq: 1, spent_usd: '0.2', requests: 5 })
    const { body } = await renew(server, lease.id, { seq: 2, spent_usd: '0.1', requests: 1 })
    expect(body).toMatchObject({ amount_usd: '0.2', requests: 4 })
    await renew(server, lease.id, { seq: 3 })
    expect(await balance(delegation_id)).toMatchObject({ spent_usd: '0.2', held_usd: '0.2' })
    const after = await renew(server, lease.id, { seq: 4, spent_usd: '0.25', requests: 6 })
    expect(after.body).toMatchObject({ amount_usd: '0.15', requests: 3 })
  })

  test('refuses a report that is not newer, and nothing changes', async () => {
    const { delegation_id, lease } = await lendAndOpen('1', { want_usd: '0.4' })
    await renew(server, lease.id, { seq: 5, spent_usd: '0.1' })
    const before = await balance(delegation_id)
    for (const seq of [5, 4, 1]) {
      const late = await renew(server, lease.id, { seq, spent_usd: '0.4', want_usd: '5' })
      expect([seq, late.status, late.body.error]).toEqual([seq, 409, 'stale_report'])
      const closing = await close(server, lease.id, { seq, spent_usd: '0.4' })
      expect([seq, closing.status, closing.body.error]).toEqual([seq, 409, 'stale_report'])
    }
    expect(await balance(delegation_id)).toEqual(before)
  })

  test('answers a repeat of its key alike, and another body with 409', async () => {
    const { delegation_id, lease } = await lendAndOpen('1', { want_usd: '0.4' })
    const report = { seq: 1, spent_usd: '0.1' }
    const first = await renew(server, lease.id, report, 'renew-once')
    const again = await renew(server, lease.id, report, 'renew-once')
    expect([again.status, again.body]).toEqual([200, first.body])
    const other = await renew(server, lease.id, { seq: 2, spent_usd: '0.2' }, 'renew-once')
    expect([other.status, other.body.error]).toEqual([409, 'idempotency_conflict'])
    const closing = await close(server, lease.id, report, 'renew-once')
    expect([closing.status, closing.body.error]).toEqual([409, 'idempotency_conflict'])
    expect(await balance(delegation_id)).toMatchObject({ spent_usd: '0.1', held_usd: '0.3' })
  })

  test('keeps what is held when nothing is said of it, and enters nothing', async () => {
    const { lease } = await lendAndOpen('1', { want_usd: '0.2', want_requests: 5 })
    const { body } = await renew(server, lease.id, { seq: 1 })
    expect(body).toMatchObject({ amount_usd: '0.2', requests: 5, tail: false })
    const query = 'select kind from ledger_entries where ref = $1'
    expect(await server.database.read(query, [lease.id])).toEqual([{ kind: 'lease' }])
  })

  test('is no question of money when none is wanted', async () => {
    const { delegation_id, lease } = await lendAndOpen('1', { want_usd: '0.5', want_requests: 2 })
    await reserve(server, { delegation_id, amount_usd: '0.5' })
    const { status, body } = await renew(server, lease.id, { seq: 1, spent_usd: '0.5' })
    expect([status, body.amount_usd, body.tail]).toEqual([200, '0', false])
    const more = await renew(server, lease.id, { seq: 2, want_requests: 9 })
    expect([more.status, more.body.requests]).toEqual([200, 9])
    expect((await open(server, { delegation_id, want_requests: 1 })).status).toBe(201)
  })

  test('gives back at once what is not wanted any more', async () => {
    const { delegation_id, lease } = await lendAndOpen(
      '1',
      { want_usd: '0.4', want_requests: 10 },
      { requests_per_hour: 40 },
    )
    const less = { seq: 1, spent_usd: '0.1', requests: 1, want_usd: '0.05', want_requests: 2 }
    const { body } = await renew(server, lease.id, less)
    expect(body).toMatchObject({ amount_usd: '0.05', requests: 2, remaining_requests: 37 })
    expect(await balance(delegation_id)).toEqual({
      spent_usd: '0.1',
      held_usd: '0.05',
      remaining_usd: '0.85',
    })
    const none = await renew(server, lease.id, { seq: 2, want_usd: '0', want_requests: 0 })
    expect(none.body).toMatchObject({ state: 'open', amount_usd: '0', requests: 0 })
  })

  test('lends more, by half a fair share of what is left', async () => {
    const { delegation_id, lease } = await lendAndOpen(
      '1',
      { want_usd: '0.2', want_requests: 10 },
      { requests_per_hour: 50 },
    )
    const other = await open(server, { delegation_id, want_usd: '0.2', want_requests: 10 })
    // 0.6 and 30 are left for two leases.
    const { body } = await renew(server, lease.id, { seq: 1, want_usd: '1', want_requests: 100 })
    expect(body).toMatchObject({ amount_usd: '0.35', requests: 17, tail: false })
    await close(server, other.body.id, { seq: 1 })
    // 0.65 and 33 are left for one.
    const alone = await renew(server, lease.id, { seq: 2, want_usd: '0.5', want_requests: 20 })
    expect(alone.body).toMatchObject({ amount_usd: '0.5', requests: 20 })
  })

  test('says tail while what it holds does not cover the need, and no longer when it does', async () => {
    const { delegation_id, lease } = await lendAndOpen('1', { want_usd: '0.5' })
    const held = await reserve(server, { delegation_id, amount_usd: '0.5' })
    const need = { spent_usd: '0.45', want_usd: '0.4', need_usd: '0.1' }
    const short = await renew(server, lease.id, { seq: 1, ...need })
    expect([short.status, short.body.amount_usd, short.body.tail]).toEqual([200, '0.05', true])
    await server.ledger('docs-server', `/reservations/${held.body.id}/release`, {})
    const enough = await renew(server, lease.id, { seq: 2, ...need })
    expect([enough.body.amount_usd, enough.body.tail]).toEqual(['0.3', false])
  })

  test('is refused with 402 when it holds nothing and nothing is left, but the report counts', async () => {
    const { delegation_id, lease } = await lendAndOpen('1', { want_usd: '0.5' })
    await reserve(server, { delegation_id, amount_usd: '0.5' })
    const report = { seq: 1, spent_usd: '0.5', want_usd: '0.5' }
    const { status, body } = await renew(server, lease.id, report)
    expect([status, body.error, body.limited_by]).toEqual([402, 'budget_exhausted', delegation_id])
    expect(await balance(delegation_id)).toMatchObject({ spent_usd: '0.5', held_usd: '0.5' })
    const stale = await renew(server, lease.id, report)
    expect([stale.status, stale.body.error]).toEqual([409, 'stale_report'])
  })

  test('never charges more than it holds: the rest is told as overrun', async () => {
    const { delegation_id, lease } = await lendAndOpen('1', { want_usd: '0.2', want_requests: 3 })
    const { body } = await renew(server, lease.id, { seq: 1, spent_usd: '0.25', requests: 5 })
    expect(body).toMatchObject({ amount_usd: '0', requests: 0, overrun_usd: '0.05' })
    expect(await balance(delegation_id)).toMatchObject({ spent_usd: '0.2', held_usd: '0' })
    // What was told of once is not taken out of what is lent later.
    const more = { seq: 2, spent_usd: '0.25', requests: 5, want_usd: '0.1', want_requests: 2 }
    const grown = await renew(server, lease.id, more)
    expect(grown.body).toMatchObject({ amount_usd: '0.1', requests: 2, overrun_usd: '0.05' })
    const last = await close(server, lease.id, { seq: 3, spent_usd: '0.4', requests: 6 })
    expect(last.body.overrun_usd).toBe('0.1')
    expect(await balance(delegation_id)).toMatchObject({ spent_usd: '0.3', held_usd: '0' })
  })
})

describe('closing a lease', () => {
  test('charges what was used and gives back the rest, once', async () => {
    const { delegation_id, lease } = await lendAndOpen(
      '1',
      { want_usd: '0.5', want_requests: 20 },
      { requests_per_hour: 40 },
    )
    const report = { seq: 1, spent_usd: '0.123456', requests: 6 }
    const { status, body } = await close(server, lease.id, report, 'close-once')
    expect([status, body]).toEqual([
      200,
      {
        ...lease,
        state: 'closed',
        seq: 1,
        amount_usd: '0',
        requests: 0,
        ttl_seconds: 0,
        remaining_usd: '0.876544',
        remaining_requests: 34,
      },
    ])
    const again = await close(server, lease.id, report, 'close-once')
    expect([again.status, again.body]).toEqual([200, body])
    for (const send of [close, renew]) {
      const ended = await send(server, lease.id, { seq: 2, spent_usd: '0' })
      expect([ended.status, ended.body.error]).toEqual([409, 'lease_ended'])
    }
    expect(await balance(delegation_id)).toEqual({
      spent_usd: '0.123456',
      held_usd: '0',
      remaining_usd: '0.876544',
    })
  })

  test('without a total charges what was reported before', async () => {
    const { delegation_id, lease } = await lendAndOpen('1', { want_usd: '0.5' })
    await renew(server, lease.id, { seq: 1, spent_usd: '0.2' })
    await close(server, lease.id, { seq: 2 })
    expect(await balance(delegation_id)).toMatchObject({ spent_usd: '0.2', held_usd: '0' })
  })

  test('leaves its share to those that stay', async () => {
    const { delegation_id, lease } = await lendAndOpen('1', { want_usd: '0.000001' })
    await close(server, lease.id, { seq: 1 })
    const { body } = await open(server, { delegation_id, want_usd: '1' })
    expect(body.amount_usd).toBe('0.5')
  })
})
