import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTestServer, otherTenantDocs, type TestServer } from './harness.js'
import {
  budget,
  checkBooks,
  configWith,
  delegationOf,
  lend,
  release,
  reserve,
  settle,
} from './ledger-fixtures.js'

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({
    config: configWith({
      clients: { loner: { agent_limits: { cost_budget_usd: '0.03' } } },
      tenants: { globex: { limits: { cost_budget_usd: '0.02' } } },
    }),
  })
})
afterAll(async () => {
  await checkBooks(server)
  await server.close()
})

const inSeconds = (seconds: number): string =>
  new Date(server.clock.now().getTime() + seconds * 1000).toISOString()

const ownToken = async (clientId: string, resource?: string): Promise<string> =>
  (await server.clientCredentials(clientId, resource ? { resource } : {})).body.access_token

describe('a reservation', () => {
  test('holds the amount and says what is left', async () => {
    const { token, delegation_id } = await lend(server, '0.1')
    const answer = await reserve(server, { token, amount_usd: '0.04', ttl_seconds: 90 })
    expect(answer.status).toBe(201)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(answer.body).toEqual({
      id: expect.stringMatching(/^rsv_[\w-]{22}$/),
      delegation_id,
      state: 'reserved',
      amount_usd: '0.04',
      expires_at: inSeconds(90),
      remaining_usd: '0.06',
    })
    expect(await budget(server, delegation_id)).toEqual({
      delegation_id,
      mode: 'shared',
      requests_per_hour: 100,
      remaining_requests: 100,
      requests_limited_by: 'agent:orchestrator',
      cap_usd: '0.1',
      spent_usd: '0',
      held_usd: '0.04',
      remaining_usd: '0.06',
      limited_by: delegation_id,
    })
  })

  test('lives for a minute and is charged at its end unless it says otherwise', async () => {
    const { token, delegation_id } = await lend(server, '0.1')
    const { body } = await reserve(server, { token, amount_usd: '0.04' })
    expect(body.expires_at).toBe(inSeconds(60))
    server.clock.advance(61)
    await server.expireHolds()
    expect(await budget(server, delegation_id)).toMatchObject({ spent_usd: '0.04', held_usd: '0' })
  })

  test('is settled at what was used, and the rest is free again', async () => {
    const { token, delegation_id } = await lend(server, '0.1')
    const { body: reservation } = await reserve(server, { token, amount_usd: '0.04' })
    const answer = await settle(server, reservation.id, '0.0127')
    expect(answer.status).toBe(200)
    expect(answer.body).toEqual({
      ...reservation,
      state: 'settled',
      charged_usd: '0.0127',
      remaining_usd: '0.0873',
    })
    expect(await budget(server, delegation_id)).toMatchObject({
      spent_usd: '0.0127',
      held_usd: '0',
      remaining_usd: '0.0873',
    })
  })

  test('is released without a charge', async () => {
    const { token, delegation_id } = await lend(server, '0.1')
    const { body: reservation } = await reserve(server, { token, amount_usd: '0.1' })
    const answer = await release(server, reservation.id)
    expect(answer.status).toBe(200)
    expect(answer.body).toMatchObject({
      state: 'released',
      charged_usd: '0',
      remaining_usd: '0.1',
    })
    expect(await budget(server, delegation_id)).toMatchObject({ spent_usd: '0', held_usd: '0' })
  })

  test('that turns out dearer is charged in full, and the overrun is recorded and not charged', async () => {
    const { token, delegation_id } = await lend(server, '0.1')
    const { body: reservation } = await reserve(server, { token, amount_usd: '0.04' })
    const { body } = await settle(server, reservation.id, '0.041')
    expect(body).toMatchObject({ charged_usd: '0.04', overrun_usd: '0.001', remaining_usd: '0.06' })
    expect(await budget(server, delegation_id)).toMatchObject({ spent_usd: '0.04' })
    const [row] = await server.database.read(
      'select charged::text, overrun::text from reservations where id = $1',
      [reservation.id],
    )
    expect(row).toEqual({ charged: '40000', overrun: '1000' })
  })

  test('ends once, however it ended', async () => {
    const { token } = await lend(server, '0.1')
    type End = (id: string | undefined) => ReturnType<typeof settle>
    const ends: End[] = [(id) => settle(server, id, '0.005'), (id) => release(server, id)]
    for (const first of ends) {
      const { body: reservation } = await reserve(server, { token, amount_usd: '0.01' })
      expect((await first(reservation.id)).status).toBe(200)
      const before = await checkBooks(server)
      for (const second of ends) {
        const again = await second(reservation.id)
        expect(again.status).toBe(409)
        expect(again.body.error).toBe('reservation_ended')
      }
      expect(await checkBooks(server)).toEqual(before)
    }
  })

  test('of somebody else looks like one that does not exist', async () => {
    const { token } = await lend(server, '0.1')
    const { body: reservation } = await reserve(server, { token, amount_usd: '0.01' })
    const before = await checkBooks(server)
    const end = async (clientId: string, id: string | undefined) => [
      await server.ledger(clientId, `/reservations/${id}/settle`, { amount_usd: '0' }),
      await server.ledger(clientId, `/reservations/${id}/release`, {}),
    ]
    const unknown = await end('docs-server', 'rsv_0000000000000000000000')
    for (const clientId of ['mail-server', 'globex-docs-server', 'orchestrator', 'researcher']) {
      const foreign = await end(clientId, reservation.id)
      expect(foreign.map(({ status }) => status)).toEqual([404, 404])
      expect(foreign.map(({ body }) => body)).toEqual(unknown.map(({ body }) => body))
    }
    const malformed = await end('docs-server', '%00')
    expect(malformed.map(({ body }) => body)).toEqual(unknown.map(({ body }) => body))
    expect(await checkBooks(server)).toEqual(before)
    expect((await release(server, reservation.id)).status).toBe(200)
  })

  test('can still be ended when its delegation was revoked', async () => {
    const { token, delegation_id } = await lend(server, '0.1')
    const { body: reservation } = await reserve(server, { token, amount_usd: '0.04' })
    await server.revoke('researcher', token)
    expect((await settle(server, reservation.id, '0.01')).status).toBe(200)
    expect(await budget(server, delegation_id)).toMatchObject({ spent_usd: '0.01', held_usd: '0' })
  })
})

describe('a reservation that nobody ends', () => {
  const overdue = async (onExpiry: 'charge' | 'release') => {
    const { token, delegation_id } = await lend(server, '0.1')
    const { body } = await reserve(server, {
      token,
      amount_usd: '0.04',
      ttl_seconds: 10,
      on_expiry: onExpiry,
    })
    server.clock.advance(10)
    await server.expireHolds()
    expect(await budget(server, delegation_id)).toMatchObject({ held_usd: '0.04' })
    server.clock.advance(1)
    return { id: body.id, delegation_id }
  }

  test('is charged in full when that was asked, and not before its time', async () => {
    const { delegation_id } = await overdue('charge')
    await server.expireHolds()
    expect(await budget(server, delegation_id)).toMatchObject({ spent_usd: '0.04', held_usd: '0' })
  })

  test('is released when that was asked, and can then not be settled', async () => {
    const { id, delegation_id } = await overdue('release')
    await server.expireHolds()
    const free = { spent_usd: '0', held_usd: '0' }
    expect(await budget(server, delegation_id)).toMatchObject(free)
    expect((await settle(server, id, '0.01')).status).toBe(409)
    expect((await release(server, id)).status).toBe(409)
    expect(await budget(server, delegation_id)).toMatchObject(free)
  })

  test('can be settled up to its last instant', async () => {
    const { token } = await lend(server, '0.1')
    const asked = { token, amount_usd: '0.04', ttl_seconds: 10, on_expiry: 'release' }
    const { body } = await reserve(server, asked)
    server.clock.advance(10)
    expect((await settle(server, body.id, '0.01')).status).toBe(200)
  })

  test('gives the difference back when it is settled late', async () => {
    const { id, delegation_id } = await overdue('charge')
    await server.expireHolds()
    const answer = await settle(server, id, '0.015')
    expect(answer.status).toBe(200)
    expect(answer.body).toMatchObject({ state: 'settled', charged_usd: '0.015' })
    expect(await budget(server, delegation_id)).toMatchObject({ spent_usd: '0.015', held_usd: '0' })
    expect((await settle(server, id, '0')).status).toBe(409)
    expect((await release(server, id)).status).toBe(409)
  })

  test('gives all of it back when it is released late', async () => {
    const { id, delegation_id } = await overdue('charge')
    await server.expireHolds()
    expect((await release(server, id)).body).toMatchObject({ state: 'released', charged_usd: '0' })
    expect(await budget(server, delegation_id)).toMatchObject({ spent_usd: '0', held_usd: '0' })
  })

  test('charges no more than was reserved when the late report is dearer', async () => {
    const { id, delegation_id } = await overdue('charge')
    await server.expireHolds()
    expect((await settle(server, id, '99')).body).toMatchObject({
      charged_usd: '0.04',
      overrun_usd: '98.96',
    })
    expect(await budget(server, delegation_id)).toMatchObject({ spent_usd: '0.04' })
  })

  test('can be settled late for 24 hours and not a second longer', async () => {
    const inTime = await overdue('charge')
    const tooLate = await overdue('charge')
    server.clock.advance(-12)
    await server.expireHolds()
    server.clock.advance(24 * 3600)
    expect((await settle(server, inTime.id, '0')).status).toBe(200)
    server.clock.advance(12)
    expect((await settle(server, tooLate.id, '0')).status).toBe(409)
    expect((await release(server, tooLate.id)).status).toBe(409)
    expect(await budget(server, tooLate.delegation_id)).toMatchObject({ spent_usd: '0.04' })
  })

  test('has expired when its time is over, whether or not the timer has come round', async () => {
    const released = await overdue('release')
    expect((await settle(server, released.id, '0.04')).status).toBe(409)
    expect(await budget(server, released.delegation_id)).toMatchObject({
      spent_usd: '0',
      held_usd: '0',
    })
    const charged = await overdue('charge')
    expect((await settle(server, charged.id, '0.01')).status).toBe(200)
    const forgotten = await overdue('charge')
    server.clock.advance(24 * 3600)
    expect((await settle(server, forgotten.id, '0')).status).toBe(409)
    expect(await budget(server, forgotten.delegation_id)).toMatchObject({ spent_usd: '0.04' })
    const kinds = await server.database.read(
      `select kind from ledger_entries where ref = $1 and $2 = any(budget_ids) order by id`,
      [charged.id, charged.delegation_id],
    )
    expect(kinds.map(({ kind }) => kind)).toEqual(['reserve', 'expire_charge', 'refund'])
  })
})

describe('a refusal', () => {
  test('says what was needed, what is left and whose cap it is', async () => {
    const { token, delegation_id } = await lend(server, '0.1')
    const before = await checkBooks(server)
    const answer = await reserve(server, { token, amount_usd: '0.100001' })
    expect(answer.status).toBe(402)
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
    expect(answer.body).toMatchObject({
      error: 'insufficient_budget',
      required: '0.100001',
      remaining: '0.1',
      limited_by: delegation_id,
    })
    expect(await checkBooks(server)).toEqual(before)
  })

  test('says that the budget is spent when nothing is left', async () => {
    const { token, delegation_id } = await lend(server, '0.1')
    expect((await reserve(server, { token, amount_usd: '0.1' })).status).toBe(201)
    const answer = await reserve(server, { token, amount_usd: '0.000001' })
    expect(answer.status).toBe(402)
    expect(answer.body).toMatchObject({
      error: 'budget_exhausted',
      required: '0.000001',
      remaining: '0',
      limited_by: delegation_id,
    })
  })

  test('names the agent when its own cap is the tightest', async () => {
    const answer = await reserve(server, { token: await ownToken('loner'), amount_usd: '0.04' })
    expect(answer.body).toMatchObject({
      error: 'insufficient_budget',
      remaining: '0.03',
      limited_by: 'agent:loner',
    })
  })

  test('names the tenant when all of it has less left than the agent', async () => {
    const token = await ownToken('globex-agent', otherTenantDocs)
    const ask = (amount_usd: string) =>
      server.ledger('globex-docs-server', '/reservations', {
        token,
        amount_usd,
        action: 'docs.read',
      })
    expect((await ask('0.021')).body).toMatchObject({
      error: 'insufficient_budget',
      remaining: '0.02',
      limited_by: 'tenant:globex',
    })
    expect((await ask('0.02')).status).toBe(201)
    expect((await ask('0.000001')).body.error).toBe('budget_exhausted')
    const { body } = await server.ledger('globex-agent', `/budgets/${delegationOf(token)}`)
    expect(body).toMatchObject({ cap_usd: '50', remaining_usd: '0', limited_by: 'tenant:globex' })
  })

  test('comes for an action that is not allowed, and for one that may not cost that much', async () => {
    const { token } = await lend(server, '0.1', {
      allowed_actions: ['docs.read'],
      max_cost_per_action_usd: '0.02',
    })
    const before = await checkBooks(server)
    const action = await reserve(server, { token, amount_usd: '0.01', action: 'docs.readme' })
    expect([action.status, action.body.error]).toEqual([403, 'action_not_allowed'])
    const dear = await reserve(server, { token, amount_usd: '0.020001' })
    expect(dear.status).toBe(402)
    expect(dear.headers.get('content-type')).toBe('application/problem+json')
    expect(dear.body).toMatchObject({
      error: 'insufficient_budget',
      required: '0.020001',
      remaining: '0.02',
      limited_by: 'max_cost_per_action_usd',
    })
    expect(await checkBooks(server)).toEqual(before)
    expect((await reserve(server, { token, amount_usd: '0.02' })).status).toBe(201)
  })
})

test('introspection and the ledger tell the same balance', async () => {
  const { token, delegation_id } = await lend(server, '0.1')
  await reserve(server, { token, amount_usd: '0.03' })
  const { body } = await server.introspect('docs-server', token)
  expect(body.agent_budget).toEqual(await budget(server, delegation_id))
})
