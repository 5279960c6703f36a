/** What a renewal asks for, when it is sent, and what follows from its answer. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Caller, Verifier } from '../src/index.js'
import { bearer, refusal } from './issuer.js'
import { createGate, createWorld, turn, until, usd, type World } from './lease-world.js'

const own = 'dlg_3'
const read = { action: 'docs.read', cost: '0.01' }
const away = { code: 'temporarily_unavailable', status: 503 }

let world: World
let verifier: Verifier
let caller: Caller

const setUp = async (agent_limits: object = {}) => {
  verifier = world.verifier()
  caller = await world.caller(verifier, { agent_limits })
}
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  world = await createWorld()
  world.ledger.budgetOf(own).cap = usd('10')
  await setUp()
})
afterEach(() => {
  expect(world.ledger.state.violations).toEqual([])
  vi.useRealTimers()
})

const charge = (cost = '0.01') => verifier.charge(caller, { ...read, cost }, () => 'done')
const times = async (count: number, cost?: string) => {
  for (let index = 0; index < count; index += 1) await charge(cost)
  await turn()
}
const atOnce = (count: number, cost?: string) =>
  Promise.all(Array.from({ length: count }, () => charge(cost)))
const renewals = () => world.ledger.state.calls.filter(({ path }) => path.endsWith('renew'))
const lastWish = () => renewals().at(-1)?.body ?? {}
const wanted = () => usd(String(lastWish().want_usd))
const reserved = () => world.ledger.count(/^\/reservations$/)
const held = () => world.ledger.openLeases()[0]?.held ?? 0n

describe('a renewal', () => {
  it('tells at once what is spent when there is little more to be had', async () => {
    world.ledger.budgetOf(own).cap = usd('0.08')
    await setUp()
    const paid = await Promise.allSettled(Array.from({ length: 5 }, () => charge('0.04')))
    expect(paid.filter(({ status }) => status === 'fulfilled')).toHaveLength(2)
    world.clock.ms += 250
    await vi.advanceTimersByTimeAsync(250)
    await turn()
    const { spent, held: lent } = world.ledger.budgetOf(own)
    expect([spent, lent]).toEqual([usd('0.08'), 0n])
    const told = renewals().length
    world.clock.ms += 1000
    await vi.advanceTimersByTimeAsync(1000)
    expect(renewals()).toHaveLength(told)
  })

  it('wants and needs what is in flight as well', async () => {
    const gate = createGate()
    const run = () => verifier.charge(caller, read, () => gate.opened)
    const first = run()
    await turn()
    world.ledger.state.isDown = true
    const running = [first, ...Array.from({ length: 9 }, run)]
    await turn()
    world.ledger.state.isDown = false
    world.clock.ms += 1000
    await charge()
    const waited = renewals().find(({ body }) => body.need_usd !== undefined)
    expect(waited?.body).toMatchObject({ spent_usd: '0', need_usd: '0.11' })
    expect(usd(String(waited?.body.want_usd))).toBeGreaterThanOrEqual(usd('0.2'))
    gate.open()
    await Promise.all(running)
  })

  it('wants enough for all who wait, and comes once', async () => {
    await charge()
    await atOnce(200)
    expect(world.ledger.paths().length).toBeLessThan(6)
    await verifier.close()
    expect(world.ledger.taken(own)).toBe(usd('2.01'))
  })

  it('is not for those who were served by the request that they waited for', async () => {
    const gate = createGate()
    world.ledger.state.delay = () => gate.opened
    const all = [charge()]
    await turn()
    all.push(...Array.from({ length: 4 }, () => charge()))
    await turn()
    gate.open()
    await Promise.all(all)
    await turn()
    expect(renewals()).toHaveLength(1)
    expect(lastWish().need_usd).toBeUndefined()
  })

  it('never wants more than the token could spend', async () => {
    await setUp({ cost_budget_usd: 0.3 })
    await times(25)
    for (const { body } of renewals())
      expect(usd(String(body.want_usd))).toBeLessThanOrEqual(usd('0.31'))
  })

  it('is not sent for a lease that nobody has used since the last one', async () => {
    await charge()
    await world.pass(14)
    await charge()
    await world.pass(2)
    expect(renewals()).toHaveLength(1)
    await world.pass(18)
    expect(renewals()).toHaveLength(1)
  })

  it('asks for no money where only requests are made, and gives back what there was', async () => {
    world.ledger.budgetOf(own).requestsPerHour = 1000
    await setUp({ requests_per_hour: 1000 })
    const request = bearer(caller.token)
    await charge()
    for (let second = 0; second < 60; second += 1) {
      await verifier.verify(request)
      await world.pass(1)
    }
    expect(held()).toBe(0n)
    expect(lastWish().want_usd).toBeUndefined()
    await verifier.close()
    expect(world.ledger.taken(own)).toBe(usd('0.01'))
  })

  it('asks for more requests before they run out, enough for all who wait', async () => {
    world.ledger.budgetOf(own).requestsPerHour = 1000
    await setUp({ requests_per_hour: 1000 })
    const request = bearer(caller.token)
    for (let index = 0; index < 5; index += 1) await verifier.verify(request)
    await turn()
    expect(renewals()).toHaveLength(1)
    const before = world.ledger.paths().length
    await Promise.all(Array.from({ length: 200 }, () => verifier.verify(request)))
    expect(world.ledger.paths().length - before).toBeLessThan(4)
  })
})

describe('the size of a lease', () => {
  it('follows one dear charge no longer than it has to', async () => {
    await times(3)
    await charge('0.09')
    for (let second = 0; second < 120; second += 1) {
      await charge('0.001')
      await world.pass(1)
    }
    expect(held()).toBeLessThan(usd('0.05'))
  })

  it('does not follow a charge that is larger than all of it, which is reserved', async () => {
    await times(3)
    await charge('2')
    expect(reserved()).toBe(1)
    expect(renewals()).toEqual([])
  })

  it('follows when all of them have become dearer', async () => {
    await times(3, '0.001')
    for (let index = 0; index < 20; index += 1) await charge('0.1')
    expect(reserved()).toBe(4)
    expect(world.ledger.paths().at(-1)).toBe('/leases/lse_1/renew')
  })
})

describe('a lease whose time is over', () => {
  it('is not spent, however late the background is', async () => {
    world.ledger.budgetOf(own).requestsPerHour = 1000
    await setUp({ requests_per_hour: 1000 })
    await verifier.verify(bearer(caller.token))
    await charge()
    world.ledger.state.isDown = true
    world.clock.ms += 28_500
    await charge()
    await verifier.verify(bearer(caller.token))
    world.clock.ms += 500
    expect(await refusal(charge())).toMatchObject(away)
    expect(await refusal(verifier.verify(bearer(caller.token)))).toMatchObject(away)
  })

  it('is reported and not renewed, and another one is opened', async () => {
    await charge()
    world.clock.ms += 30_000
    await charge()
    expect(world.ledger.openLeases().map(({ id }) => id)).toEqual(['lse_2'])
    expect(renewals()).toEqual([])
  })
})

describe('near the end of a budget', () => {
  const kinds = () => world.ledger.paths().map((path) => path.split('/').at(-1))
  beforeEach(async () => {
    world.ledger.budgetOf(own).cap = usd('0.05')
    await charge('0.03')
    expect(await refusal(charge('0.03'))).toMatchObject({ status: 402 })
    world.ledger.budgetOf(own).cap = usd('0.2')
    await world.pass(1)
    world.ledger.state.calls.length = 0
  })

  it('a charge is one reservation, and nothing else is asked for', async () => {
    await times(2, '0.03')
    expect(kinds()).toEqual(['reservations', 'settle', 'reservations', 'settle'])
  })

  it('it is looked now and then whether there is more, and little of it', async () => {
    await charge('0.03')
    await world.pass(12)
    world.ledger.state.calls.length = 0
    await world.pass(4)
    expect(kinds()).toEqual(['renew'])
    expect(lastWish()).toMatchObject({ need_usd: '0.03', want_usd: '0.06' })
    await charge('0.03')
    expect(reserved()).toBe(0)
  })
})

describe('less than is held', () => {
  it('is not spent from the moment that it is asked for, whether the answer comes or not', async () => {
    await times(60)
    expect(held()).toBeGreaterThan(usd('0.3'))
    await world.pass(16)
    await charge('0.001')
    // The ledger takes back what is not wanted any more, and nobody hears of it.
    world.ledger.state.loses = 2
    for (let step = 0; step < 100 && world.ledger.state.loses > 0; step += 1) await world.pass(0.25)
    world.ledger.state.isDown = true
    expect(wanted()).toBeLessThan(usd('0.3'))
    const { held: left = 0n, spent = 0n } = world.ledger.leases.get('lse_1') ?? {}
    const all = await Promise.allSettled(Array.from({ length: 200 }, () => charge()))
    const sold = all.filter(({ status }) => status === 'fulfilled').length
    expect(usd('0.601') + usd('0.01') * BigInt(sold)).toBeLessThanOrEqual(left + spent)
  })
})

describe('a refusal of money', () => {
  it('by a lease that still holds some is not the last word', async () => {
    world.ledger.budgetOf(own).cap = usd('0.2')
    await times(1, '0.01')
    const answer = world.auth.state.leaseAnswer
    // It looks only at what others have left.
    world.auth.state.leaseAnswer = (call) =>
      call.body.need_usd === undefined
        ? answer(call)
        : Response.json({ error: 'insufficient_budget' }, { status: 402 })
    expect(await charge('0.1')).toBe('done')
    expect(reserved()).toBe(1)
  })
})

describe('a charge that needs more than others have left it', () => {
  it('gets what is free in the lease too, before it is reserved', async () => {
    world.ledger.budgetOf(own).cap = usd('1')
    await times(5, '0.03')
    await charge('0.8')
    expect(world.ledger.state.calls.map(({ status }) => status)).not.toContain(402)
    expect(reserved()).toBe(1)
  })
})

describe('a lease of which the ledger knows more than we do', () => {
  it('is given up, and another one opened', async () => {
    await times(3)
    const [lease] = world.ledger.openLeases()
    if (lease) lease.seq = 99
    await times(10)
    expect(world.ledger.openLeases().map(({ id }) => id)).toContain('lse_2')
    await verifier.close()
    world.ledger.state.violations.length = 0
  })
})

describe('a lease that is over when it is opened', () => {
  it('is not spent, whatever it is said to hold', async () => {
    const answer = world.auth.state.leaseAnswer
    world.auth.state.leaseAnswer = async (call) => {
      const body = await (await answer(call)).json()
      return Response.json({ ...body, state: 'expired' }, { status: 201 })
    }
    const { receipt } = await verifier.chargeWithReceipt(caller, read, () => 'done')
    expect(receipt).toMatchObject({ leaseId: undefined, reservationId: expect.any(String) })
  })
})

describe('a lease that is opened while the list revokes', () => {
  it.each(['lse_1', 'dlg_1'])('%s is given back before anybody spends it', async (id) => {
    verifier = world.verifier({ revocation: 'feed', pollSeconds: 1 })
    caller = await world.caller(verifier)
    const gate = createGate()
    world.ledger.state.delayAnswer = () => gate.opened
    const work = charge().catch(() => undefined)
    await turn()
    world.auth.revoke(id)
    await world.pass(1)
    await until(() => verifier.revocation().size === 1)
    world.ledger.state.revoked.add(own)
    gate.open()
    await work
    await turn()
    expect(world.ledger.leases.get('lse_1')).toMatchObject({ state: 'closed', spent: 0n })
  })
})

describe('a lease that is recalled while it is renewed', () => {
  it('is closed, and what its renewal is told does not matter', async () => {
    verifier = world.verifier({ revocation: 'feed', pollSeconds: 1 })
    caller = await world.caller(verifier)
    await times(4)
    const gate = createGate()
    world.ledger.state.delay = ({ path }) => (path.endsWith('renew') ? gate.opened : undefined)
    await charge()
    world.auth.revoke('lse_1')
    await world.pass(1)
    await until(() => world.ledger.count(/close$/) === 1)
    gate.open()
    await turn()
    expect(world.ledger.state.calls.at(-1)).toMatchObject({ status: 409 })
    expect(await charge()).toBe('done')
    expect(world.ledger.openLeases()[0]?.id).toBe('lse_2')
    expect(world.log.error).not.toHaveBeenCalled()
  })
})
