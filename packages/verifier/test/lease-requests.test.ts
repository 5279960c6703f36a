/** `requests_per_hour` by the ledger: the limit of all servers together, and nobody is asked per request. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Verifier, VerifierOptions } from '../src/index.js'
import { bearer, refusal } from './issuer.js'
import { createGate, createWorld, turn, usd, type World } from './lease-world.js'

const own = 'dlg_3'
const away = { code: 'temporarily_unavailable', status: 503 }

let world: World
let verifier: Verifier
let request: Request

const setUp = async (limit: number, options: Partial<VerifierOptions> = {}) => {
  world.ledger.budgetOf(own).requestsPerHour = limit
  verifier = world.verifier(options)
  const agent_limits = { requests_per_hour: limit, cost_budget_usd: 10 }
  request = bearer(await world.auth.token({ exp: world.auth.clock.seconds + 90_000, agent_limits }))
}
const allow = (by = verifier) => by.verify(request)
const count = async (times: number, by = verifier): Promise<number> => {
  let allowed = 0
  for (let index = 0; index < times; index += 1) {
    allowed += await allow(by).then(
      () => 1,
      () => 0,
    )
  }
  return allowed
}
const used = () => [...world.ledger.budgetOf(own).used.values()].reduce((sum, one) => sum + one, 0)

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  world = await createWorld()
  world.ledger.budgetOf(own).cap = usd('10')
})
afterEach(() => {
  expect(world.ledger.state.violations).toEqual([])
  vi.useRealTimers()
})

describe('a counted request', () => {
  it('takes one of the lease, and asks nobody', async () => {
    await setUp(1000)
    await count(4)
    expect(world.ledger.paths()).toEqual(['/leases'])
    expect(world.ledger.state.calls[0]?.body).toEqual({
      delegation_id: own,
      want_requests: 10,
      ttl_seconds: 30,
    })
    await verifier.close()
    expect(used()).toBe(4)
  })

  it('and a charge share one lease', async () => {
    await setUp(1000)
    const caller = await allow()
    await verifier.charge(caller, { action: 'docs.read', cost: '0.01' }, () => 1)
    expect(world.ledger.paths()).toEqual(['/leases', '/leases/lse_1/renew'])
    await verifier.close()
    expect(world.ledger.leases.get('lse_1')).toMatchObject({ spent: usd('0.01'), requestsUsed: 1 })
  })

  it('is not counted twice, nor where it is not to be counted', async () => {
    await setUp(1000)
    await verifier.verify(request, { countRequest: false })
    await verifier.verify(await world.auth.token())
    expect(world.ledger.paths()).toEqual([])
  })

  it('is counted only when it gets in', async () => {
    await setUp(1000)
    await refusal(verifier.verify(request, { requireScope: 'docs:admin' }))
    expect(world.ledger.paths()).toEqual([])
  })

  it('is none for a token without a limit', async () => {
    await setUp(1000)
    await verifier.verify(bearer(await world.auth.token()))
    expect(world.ledger.paths()).toEqual([])
  })

  it('is one of five hundred that come at once, in few requests to the ledger', async () => {
    await setUp(1000)
    await Promise.all(Array.from({ length: 500 }, () => allow()))
    expect(world.ledger.count(/^\/leases$/)).toBe(1)
    expect(world.ledger.paths().length).toBeLessThan(12)
    await verifier.close()
    expect(used()).toBe(500)
  })
})

describe('the limit of the hour', () => {
  it.each([0, 1, 2, 7, 100])('of %d is exact', async (limit) => {
    await setUp(limit)
    expect(await count(limit + 20)).toBe(limit)
    await verifier.close()
    expect(used()).toBe(limit)
  })

  it('is exact for many that come at once', async () => {
    await setUp(100)
    const all = await Promise.allSettled(Array.from({ length: 300 }, () => allow()))
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(100)
  })

  it('is one for two servers together', async () => {
    await setUp(100)
    const other = world.verifier()
    let allowed = 0
    for (let index = 0; index < 60; index += 1)
      allowed += (await count(1)) + (await count(1, other))
    // What one of them still holds, the other one may not have.
    expect(allowed).toBeLessThanOrEqual(100)
    await world.pass(40)
    allowed += await count(50)
    await world.pass(40)
    allowed += await count(50, other)
    expect(allowed).toBe(100)
    await Promise.all([verifier.close(), other.close()])
    expect(used()).toBe(100)
  })

  it('is passed on as the ledger says it, headers and all', async () => {
    await setUp(3)
    await count(3)
    const error = await refusal(allow())
    expect(error).toMatchObject({
      code: 'rate_limited',
      status: 429,
      reason: 'requests_per_hour',
      headers: {
        'Retry-After': '600',
        'RateLimit-Policy': '"requests_per_hour";q=3;w=3600',
        RateLimit: '"requests_per_hour";r=0;t=600',
      },
      details: { limited_by: own, limit: 3, remaining: '0', retry_after: 600 },
    })
    const response = verifier.toResponse(error)
    expect(response.headers.get('retry-after')).toBe('600')
    expect(await response.json()).toMatchObject({ limited_by: own, limit: 3, retry_after: 600 })
  })

  it('has the status that was asked for', async () => {
    await setUp(0, { requestsStatus: 402 })
    expect(await refusal(allow())).toMatchObject({ code: 'rate_limited', status: 402 })
  })

  it('is not asked for again by a flood, and counts down', async () => {
    await setUp(2)
    await count(2)
    await refusal(allow())
    const before = world.ledger.paths().length
    expect(await count(100)).toBe(0)
    await world.pass(4)
    expect(await refusal(allow())).toMatchObject({
      headers: { 'Retry-After': '596', RateLimit: '"requests_per_hour";r=0;t=596' },
      details: { retry_after: 596 },
    })
    expect(world.ledger.paths()).toHaveLength(before)
    await world.pass(1.25)
    await refusal(allow())
    expect(world.ledger.paths().length).toBeGreaterThan(before)
  })

  it('starts to have room again by itself', async () => {
    await setUp(2)
    expect(await count(5)).toBe(2)
    await world.pass(60)
    world.clock.server += 3_660_000
    expect(await count(5)).toBe(2)
  })

  it('does not keep money from being lent', async () => {
    await setUp(2)
    const caller = await allow()
    await count(5)
    const paid = () => verifier.charge(caller, { action: 'docs.read', cost: '0.01' }, () => 'paid')
    for (let index = 0; index < 30; index += 1) expect(await paid()).toBe('paid')
    expect(world.ledger.count(/^\/reservations/)).toBe(0)
    await world.pass(16)
    expect(await paid()).toBe('paid')
    expect(await refusal(allow())).toMatchObject({ status: 429 })
  })

  it('does not wait for money: an exhausted budget refuses no request', async () => {
    await setUp(100)
    world.ledger.budgetOf(own).cap = 0n
    const caller = await allow()
    const work = verifier.charge(caller, { action: 'docs.read', cost: '0.01' }, () => 'paid')
    expect(await refusal(work)).toMatchObject({ code: 'budget_exhausted', status: 402 })
    expect(await count(50)).toBe(50)
  })
})

describe('a ledger that is away', () => {
  it('stops nobody while the lease is good, then refuses, and then it is back', async () => {
    await setUp(1000, { revocation: 'off' })
    await count(1)
    world.ledger.state.isDown = true
    expect(await count(9)).toBe(9)
    expect(await refusal(allow())).toMatchObject(away)
    const before = world.ledger.paths().length
    expect(await count(100)).toBe(0)
    expect(world.ledger.paths()).toHaveLength(before)
    world.ledger.state.isDown = false
    await world.pass(1.25)
    expect(await count(10)).toBe(10)
    await verifier.close()
    expect(used()).toBe(20)
  })

  it('lets nobody in on a lease that is too old', async () => {
    await setUp(1000)
    await count(1)
    world.ledger.state.isDown = true
    await world.pass(29.25)
    expect(await refusal(allow())).toMatchObject(away)
  })
})

describe('where the ledger lends nothing', () => {
  it('because it knows no leases, the requests of this process are counted', async () => {
    await setUp(3)
    world.auth.state.leaseAnswer = () => Response.json({ error: 'not_found' }, { status: 404 })
    expect(await count(5)).toBe(3)
    expect(await refusal(allow())).toMatchObject({ status: 429, details: { limited_by: own } })
  })

  it('because there are too many leases, nobody is let in uncounted', async () => {
    await setUp(3)
    world.ledger.state.tooManyHolds = true
    expect(await refusal(allow())).toMatchObject({ ...away, reason: 'too_many_open_holds' })
    const before = world.ledger.paths().length
    expect(await count(20)).toBe(0)
    expect(world.ledger.paths()).toHaveLength(before)
  })

  it('because it is closing, each request is borrowed on its own', async () => {
    await setUp(3)
    await verifier.close()
    expect(await count(5)).toBe(3)
    await turn()
    expect(world.ledger.openLeases()).toEqual([])
    expect(used()).toBe(3)
  })

  it('because it is closed while one waits, that one is still counted', async () => {
    await setUp(3)
    const gate = createGate()
    world.ledger.state.delay = () => gate.opened
    const work = allow()
    await turn()
    const end = verifier.close()
    gate.open()
    await work
    await end
    await turn()
    expect(used()).toBe(1)
  })
})
