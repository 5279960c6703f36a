/** What one server has borrowed and does not use must not stay the reason why another is refused. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTestServer, type TestServer } from './harness.js'
import { failures, leaseConfig, open, renew, revokedInFeed } from './lease-fixtures.js'
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

/** A budget of 1, half of which stands on a lease, and 0.5 left for others. */
const lendHalf = async () => {
  const { delegation_id } = await lend(server, '1')
  const { body } = await open(server, { delegation_id, want_usd: '0.5', holder: 'first' })
  expect(body).toMatchObject({ amount_usd: '0.5', remaining_usd: '0.5' })
  return { delegation_id, lease: body.id }
}

const isRecalled = async (lease: string, seq = 1): Promise<boolean> =>
  (await renew(server, lease, { seq, want_usd: '0.5' })).body.recalled

const isTold = async (lease: string): Promise<boolean> =>
  (await revokedInFeed(server)).some(({ id }) => id === lease)

describe('a lease that holds what somebody else lacks', () => {
  test('is asked back when a reservation is refused, by the feed and at its report', async () => {
    const { delegation_id, lease } = await lendHalf()
    const refused = await reserve(server, { delegation_id, amount_usd: '0.6' })
    expect(refused.body).toMatchObject({ error: 'insufficient_budget', remaining: '0.5' })
    expect(await isTold(lease)).toBe(true)
    const { body } = await renew(server, lease, { seq: 1, want_usd: '0' })
    expect(body).toMatchObject({ recalled: true, amount_usd: '0' })
    expect((await reserve(server, { delegation_id, amount_usd: '0.6' })).status).toBe(201)
  })

  test('is asked back when another lease is refused', async () => {
    const { delegation_id, lease } = await lendHalf()
    const more = { delegation_id, want_usd: '0.6', need_usd: '0.6', holder: 'second' }
    expect((await open(server, more)).status).toBe(402)
    expect(await isRecalled(lease)).toBe(true)
  })

  test('stays when all of it would not be enough', async () => {
    const { delegation_id, lease } = await lendHalf()
    const refused = await reserve(server, { delegation_id, amount_usd: '1.01' })
    expect(refused.status).toBe(402)
    expect([await isTold(lease), await isRecalled(lease)]).toEqual([false, false])
  })

  test('stays when it holds no money, and when it is of another budget', async () => {
    const { delegation_id, lease } = await lendHalf()
    const other = await lendHalf()
    const idle = await open(server, { delegation_id, want_requests: 5, holder: 'idle' })
    await reserve(server, { delegation_id, amount_usd: '0.6' })
    expect(await isRecalled(lease)).toBe(true)
    expect(await isRecalled(other.lease)).toBe(false)
    expect((await renew(server, idle.body.id, { seq: 1 })).body.recalled).toBe(false)
  })

  test('is asked back once a second, however many are refused', async () => {
    const { delegation_id, lease } = await lendHalf()
    const ask = () => reserve(server, { delegation_id, amount_usd: '0.6' })
    await Promise.all(Array.from({ length: 50 }, ask))
    expect((await revokedInFeed(server)).filter(({ id }) => id === lease)).toHaveLength(1)
    await renew(server, lease, { seq: 1, want_usd: '0' })
    const again = await open(server, { delegation_id, want_usd: '0.5', holder: 'first' })
    await ask()
    expect(await isRecalled(again.body.id)).toBe(false)
    server.clock.advance(1)
    await ask()
    expect(await isRecalled(again.body.id, 2)).toBe(true)
  })

  test('is not asked back again by a repeat of the refused request', async () => {
    const { delegation_id, lease } = await lendHalf()
    const ask = () => reserve(server, { delegation_id, amount_usd: '0.6' }, `same-${delegation_id}`)
    await ask()
    await renew(server, lease, { seq: 1, want_usd: '0' })
    const again = await open(server, { delegation_id, want_usd: '0.5', holder: 'first' })
    server.clock.advance(2)
    expect((await ask()).status).toBe(402)
    expect(await isRecalled(again.body.id)).toBe(false)
  })
})

describe('what would not cover the charge at hand', () => {
  test('is not lent at all, so that a reservation can have it', async () => {
    const { delegation_id } = await lend(server, '1')
    const want = { delegation_id, want_usd: '0.8', need_usd: '0.8' }
    const { status, body } = await open(server, want)
    expect([status, body.amount_usd, body.tail]).toEqual([201, '0', true])
    expect(await budget(server, delegation_id)).toMatchObject({ held_usd: '0' })
    expect((await reserve(server, { delegation_id, amount_usd: '0.8' })).status).toBe(201)
  })

  test('is not added to what a lease holds', async () => {
    const { lease } = await lendHalf()
    const { body } = await renew(server, lease, { seq: 1, want_usd: '1', need_usd: '0.9' })
    expect(body).toMatchObject({ amount_usd: '0.5', tail: true, remaining_usd: '0.5' })
  })
})
