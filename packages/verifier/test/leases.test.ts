import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Caller, Verifier } from '../src/index.js'
import { refusal } from './issuer.js'
import { createGate, createWorld, turn, until, usd, type World } from './lease-world.js'

const own = 'dlg_3'
const read = { action: 'docs.read', cost: '0.01' }
const away = { code: 'temporarily_unavailable', status: 503 }

let world: World
let verifier: Verifier
let caller: Caller

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  world = await createWorld()
  world.ledger.budgetOf(own).cap = usd('10')
  verifier = world.verifier()
  caller = await world.caller(verifier)
})
afterEach(() => {
  expect(world.ledger.state.violations).toEqual([])
  vi.useRealTimers()
})

const charge = (cost = '0.01') => verifier.charge(caller, { ...read, cost }, () => 'done')
const times = async (count: number, cost?: string) => {
  for (let index = 0; index < count; index += 1) await charge(cost)
}
const opened = () => world.ledger.count(/^\/leases$/)
const renewed = () => world.ledger.count(/renew$/)
const closed = () => world.ledger.count(/close$/)
const reserved = () => world.ledger.count(/^\/reservations$/)

describe('a lease', () => {
  it('is opened by the first charge, and then nobody is asked', async () => {
    await times(4)
    expect(world.ledger.paths()).toEqual(['/leases'])
    expect(world.ledger.state.calls[0]?.body).toEqual({
      delegation_id: own,
      want_usd: '0.1',
      need_usd: '0.01',
      ttl_seconds: 30,
    })
  })

  it('gives a receipt with what is left as far as it is known here', async () => {
    const work = verifier.chargeWithReceipt(caller, read, ({ settle }) => settle('0.004'))
    expect((await work).receipt).toEqual({
      action: 'docs.read',
      cost: 4000n,
      remaining: 9_996_000n,
      reservationId: undefined,
      leaseId: 'lse_1',
      advisory: false,
      headers: { 'Agent-Budget': 'cost=4000; remaining=9996000; unit="USD"; decimals=6' },
    })
  })

  it('is one for a thousand charges that come at once', async () => {
    await Promise.all(Array.from({ length: 1000 }, () => charge('0.001')))
    expect(opened()).toBe(1)
    expect(world.ledger.paths().length).toBeLessThan(4)
    await verifier.close()
    expect(world.ledger.budgetOf(own)).toMatchObject({ spent: usd('1'), held: 0n })
  })

  it('gives back what fails, and charges what a failure has said', async () => {
    const fail = (settle?: string) =>
      verifier.charge(caller, read, (charge) => {
        if (settle) charge.settle(settle)
        throw new Error('of the action')
      })
    await expect(fail()).rejects.toThrow('of the action')
    await expect(fail('0.003')).rejects.toThrow('of the action')
    await verifier.close()
    expect(world.ledger.taken(own)).toBe(usd('0.003'))
  })

  it('is renewed in the background before it runs dry, and nobody waits', async () => {
    await times(4)
    const gate = createGate()
    world.ledger.state.delay = () => gate.opened
    await times(4)
    expect(world.ledger.paths()).toEqual(['/leases'])
    gate.open()
    await turn()
    await times(30)
    expect(opened()).toBe(1)
    expect(reserved()).toBe(0)
    const [first] = world.ledger.state.calls.filter(({ path }) => path.endsWith('renew'))
    expect(first?.body).toMatchObject({ seq: 1, spent_usd: '0.04' })
  })

  it('grows with the rate, and shrinks when less is used', async () => {
    for (let second = 0; second < 20; second += 1) {
      await times(50, '0.001')
      await world.pass(1)
    }
    const busy = world.ledger.openLeases()[0]?.held ?? 0n
    // 50 a second for 30 seconds is 1.5 USD.
    expect(busy).toBeGreaterThan(usd('0.7'))
    expect(busy).toBeLessThan(usd('6'))
    for (let second = 0; second < 40; second += 1) {
      await times(1, '0.001')
      await world.pass(1)
    }
    expect(world.ledger.openLeases()[0]?.held).toBeLessThan(usd('0.05'))
    // 40 seconds of one charge a second, and nobody was asked for any of them.
    expect(reserved()).toBe(0)
    expect(world.ledger.paths().length).toBeLessThan(20)
  })

  it('never wants more than the token could spend', async () => {
    const limits = { agent_limits: { cost_budget_usd: 0.05 } }
    caller = await world.caller(verifier, limits)
    await charge()
    expect(world.ledger.state.calls[0]?.body).toMatchObject({ want_usd: '0.05' })
  })

  it('is asked for with an amount that can be written, however much a charge may cost', async () => {
    world.ledger.budgetOf(own).cap = undefined
    expect(await charge('9007199254')).toBe('done')
    expect(opened()).toBe(1)
  })

  it('is no use for a charge that is larger than what can be lent, which is reserved', async () => {
    await charge()
    await charge('6')
    expect(reserved()).toBe(1)
    await times(20)
    expect(reserved()).toBe(1)
    await verifier.close()
    expect(world.ledger.taken(own)).toBe(usd('6.21'))
  })

  it('belongs to the delegation: another one has another', async () => {
    const other = await world.caller(verifier, { agent_lineage: ['dlg_1', 'dlg_9'], jti: 'at_9' })
    await charge()
    await verifier.charge(other, read, () => 1)
    expect(world.ledger.openLeases().map(({ delegation }) => delegation)).toEqual([own, 'dlg_9'])
  })

  it('is not there for a token without a lineage, which is reserved for', async () => {
    const claims = { agent_lineage: undefined, act: undefined, agent_limits: undefined }
    caller = await world.caller(verifier, claims)
    world.auth.state.ledgerAnswer = () => Response.json({ error: 'access_denied' }, { status: 403 })
    expect(await refusal(charge())).toMatchObject({ code: 'access_denied' })
    expect(opened()).toBe(0)
  })

  it('pays for no more than was held for a charge, whatever its meter says', async () => {
    const over = { action: 'docs.read', cost: '0.01' }
    for (let index = 0; index < 2; index += 1) {
      const work = verifier.chargeWithReceipt(caller, over, ({ settle }) => settle('7'))
      expect((await work).receipt).toMatchObject({ cost: usd('0.01'), leaseId: 'lse_1' })
    }
    await times(5)
    await verifier.close()
    expect(world.ledger.budgetOf(own)).toMatchObject({ spent: usd('0.07'), held: 0n })
    // Once for the lease, with all of it.
    const told = { lease: 'lse_1', overrun_usd: '13.98' }
    expect(world.log.warn.mock.calls).toEqual([[expect.any(String), told]])
  })
})

describe('an idle lease', () => {
  it('is reported and closed after about its lifetime, so that its money is free again', async () => {
    await charge()
    await world.pass(16)
    expect(renewed()).toBe(1)
    expect(closed()).toBe(0)
    await world.pass(14)
    expect(closed()).toBe(1)
    expect(world.ledger.budgetOf(own)).toMatchObject({ spent: usd('0.01'), held: 0n })
    await world.pass(60)
    expect(world.ledger.paths()).toHaveLength(3)
    await charge()
    expect(opened()).toBe(2)
  })

  it('is kept as long as something runs on it, with no more than that', async () => {
    const gate = createGate()
    const work = verifier.charge(caller, read, () => gate.opened)
    await world.pass(600)
    expect(world.ledger.openLeases()[0]).toMatchObject({ id: 'lse_1', held: usd('0.01') })
    gate.open()
    await work
    await world.pass(60)
    expect(world.ledger.openLeases()).toEqual([])
    expect(world.ledger.budgetOf(own)).toMatchObject({ spent: usd('0.01'), held: 0n })
  })
})

describe('the end of a budget', () => {
  const spendAll = async (cost: string): Promise<number> => {
    for (let count = 0; ; count += 1) {
      const done = await charge(cost).catch((error) => error)
      if (done !== 'done') {
        expect(done).toMatchObject({ status: 402, details: { required: cost, limited_by: own } })
        return count
      }
    }
  }

  it.each([
    ['1', '0.07', 14],
    ['0.1', '0.04', 2],
    ['0.000003', '0.000001', 3],
    ['5', '2.5', 2],
    ['0.05', '0.06', 0],
  ])('of %s can be spent to the last charge of %s', async (cap, cost, most) => {
    world.ledger.budgetOf(own).cap = usd(cap)
    expect(await spendAll(cost)).toBe(most)
    await verifier.close()
    expect(world.ledger.taken(own)).toBe(usd(cost) * BigInt(most))
  })

  it('still has room for something smaller, and is asked', async () => {
    world.ledger.budgetOf(own).cap = usd('0.1')
    expect(await spendAll('0.04')).toBe(2)
    expect(await spendAll('0.015')).toBe(1)
    expect(await spendAll('0.005')).toBe(1)
    expect(world.ledger.taken(own)).toBe(usd('0.1'))
  })

  it('is remembered for a moment, for what costs as much', async () => {
    world.ledger.budgetOf(own).cap = usd('0.02')
    await spendAll('0.02')
    const before = world.ledger.paths().length
    for (let index = 0; index < 100; index += 1) {
      expect(await refusal(charge('0.03'))).toMatchObject({
        code: 'budget_exhausted',
        details: { required: '0.03', remaining: '0', renews_at: '2027-02-01T00:00:00.000Z' },
      })
    }
    expect(world.ledger.paths()).toHaveLength(before)
    await refusal(charge('0.01'))
    expect(world.ledger.paths().length).toBeGreaterThan(before)
  })

  it('is over when somebody tops it up', async () => {
    world.ledger.budgetOf(own).cap = usd('0.02')
    await spendAll('0.02')
    world.ledger.budgetOf(own).cap = usd('5')
    await world.pass(1.25)
    await times(3)
    await world.pass(16)
    const before = reserved()
    await times(50)
    expect(reserved()).toBe(before)
  })

  it('is shared by two servers, and never overrun', async () => {
    world.ledger.budgetOf('tenant:acme').cap = usd('1')
    const other = world.verifier()
    let sold = 0
    for (let index = 0; index < 200; index += 1) {
      const by = index % 3 === 0 ? other : verifier
      sold += await by.charge(caller, read, () => 1).catch(() => 0)
    }
    await Promise.all([verifier.close(), other.close()])
    expect(world.ledger.taken('tenant:acme')).toBe(BigInt(sold) * usd('0.01'))
    expect(sold).toBeGreaterThan(80)
    expect(sold).toBeLessThanOrEqual(100)
  })
})

describe('a ledger that is away', () => {
  it('stops nobody while the lease is good, then refuses, and then it is back', async () => {
    await charge()
    world.ledger.state.isDown = true
    await world.pass(20)
    await charge()
    await world.pass(8.75)
    await charge()
    await world.pass(0.5)
    expect(await refusal(charge())).toMatchObject(away)
    world.ledger.state.isDown = false
    await world.pass(1.25)
    await charge()
    await verifier.close()
    expect(world.ledger.budgetOf(own)).toMatchObject({ spent: usd('0.04'), held: 0n })
    expect(world.log.error).toHaveBeenCalledTimes(1)
  })

  it('is not asked by every charge that it cannot serve', async () => {
    world.ledger.state.isDown = true
    for (let index = 0; index < 50; index += 1) {
      expect(await refusal(charge())).toMatchObject(away)
    }
    expect(world.ledger.paths()).toHaveLength(2)
    await world.pass(1)
    await refusal(charge())
    expect(world.ledger.paths().length).toBeLessThan(7)
    expect(world.log.error).toHaveBeenCalledTimes(1)
  })

  it('runs nothing that the lease does not cover', async () => {
    await charge()
    world.ledger.state.isDown = true
    await times(9)
    const ran = vi.fn()
    expect(await refusal(verifier.charge(caller, read, ran))).toMatchObject(away)
    expect(ran).not.toHaveBeenCalled()
  })

  it('is told late what was spent, and refunds the rest', async () => {
    await times(3)
    world.ledger.state.isDown = true
    await world.pass(60)
    world.ledger.expireAll()
    expect(world.ledger.taken(own)).toBe(usd('0.1'))
    world.ledger.state.isDown = false
    await world.pass(70)
    expect(world.ledger.budgetOf(own)).toMatchObject({ spent: usd('0.03'), held: 0n })
  })

  it('is told of what was in flight when that has ended, and not before', async () => {
    const gate = createGate()
    await charge()
    const work = verifier.charge(caller, read, () => gate.opened)
    world.ledger.state.isDown = true
    await world.pass(45)
    world.ledger.state.isDown = false
    await world.pass(120)
    expect(world.ledger.taken(own)).toBe(usd('0.1'))
    gate.open()
    await work
    await world.pass(1)
    expect(world.ledger.budgetOf(own)).toMatchObject({ spent: usd('0.02'), held: 0n })
  })

  it('is no longer told after a day', async () => {
    await charge()
    world.ledger.state.isDown = true
    await world.pass(60)
    const before = world.ledger.paths().length
    world.clock.ms += 86_400_000
    await world.pass(70)
    const after = world.ledger.paths().length
    expect(after).toBeGreaterThan(before)
    await world.pass(120)
    expect(world.ledger.paths()).toHaveLength(after)
  })
})

describe('an answer', () => {
  it('that is lost is asked for again with the same key', async () => {
    world.ledger.state.loses = 1
    await charge()
    const [first, second] = world.ledger.state.calls
    expect(second).toEqual(first)
    expect(world.ledger.leases.size).toBe(1)
  })

  it('that was lost for good is found when the ledger is back, and charged for nothing', async () => {
    world.ledger.state.loses = 2
    expect(await refusal(charge())).toMatchObject(away)
    expect(world.ledger.openLeases()).toHaveLength(1)
    await world.pass(1)
    await charge()
    expect(world.ledger.leases.size).toBe(1)
    await verifier.close()
    expect(world.ledger.taken(own)).toBe(usd('0.01'))
  })

  it('that is found too late is given back, and nothing is spent of it', async () => {
    world.ledger.state.loses = 2
    expect(await refusal(charge())).toMatchObject(away)
    world.ledger.state.isDown = true
    await world.pass(45)
    world.ledger.state.isDown = false
    await world.pass(40)
    expect(world.ledger.taken(own)).toBe(0n)
    await charge()
    expect(world.ledger.leases.size).toBe(2)
    expect(world.ledger.openLeases()[0]?.id).toBe('lse_2')
  })

  it('that comes late makes the lease last no longer than if it had come at once', async () => {
    const gate = createGate()
    world.ledger.state.delayAnswer = () => gate.opened
    const work = charge()
    await world.pass(4)
    gate.open()
    world.ledger.state.delayAnswer = undefined
    await work
    world.ledger.state.isDown = true
    await world.pass(24.75)
    await charge()
    await world.pass(0.5)
    expect(await refusal(charge())).toMatchObject(away)
  })

  it('to a retry counts from the first attempt', async () => {
    let pause = 10
    const sleep = async () => {
      await world.pass(pause)
      pause = 0
    }
    verifier = world.verifier({ sleep })
    world.ledger.state.loses = 1
    await charge()
    world.ledger.state.isDown = true
    await world.pass(18.75)
    await charge()
    await world.pass(0.5)
    expect(await refusal(charge())).toMatchObject(away)
  })

  it('that is lost changes nothing of what may be spent: less than was wanted is not', async () => {
    await times(3)
    await world.pass(14)
    // The next renewal wants less than it holds. The ledger gives that back, and its answer is lost.
    world.ledger.state.loses = 2
    await charge()
    await world.pass(1.25)
    const { held = 0n, spent = 0n } = world.ledger.leases.get('lse_1') ?? {}
    const gate = createGate()
    world.ledger.state.delay = () => gate.opened
    const all = Promise.allSettled(Array.from({ length: 40 }, () => charge()))
    await turn()
    world.ledger.state.isDown = true
    gate.open()
    const sold = (await all).filter(({ status }) => status === 'fulfilled')
    expect(usd('0.04') + usd('0.01') * BigInt(sold.length)).toBeLessThanOrEqual(held + spent)
  })

  it('without any money in it is none that anybody waits for twice', async () => {
    world.auth.state.leaseAnswer = () => Response.json({ id: 'lse_1' }, { status: 201 })
    expect(await refusal(charge())).toMatchObject({ reason: 'ledger_malformed_answer' })
  })
})

describe('a lease that the ledger ends', () => {
  it('because it recalls it is closed, and another one opened', async () => {
    await times(4)
    const [lease] = world.ledger.openLeases()
    if (lease) lease.recalled = true
    await charge()
    await turn()
    expect(world.ledger.leases.get('lse_1')?.state).toBe('closed')
    await charge()
    expect(world.ledger.openLeases()[0]?.id).toBe('lse_2')
    await verifier.close()
    expect(world.ledger.taken(own)).toBe(usd('0.06'))
  })

  it('because it was closed there is forgotten', async () => {
    await times(4)
    const [lease] = world.ledger.openLeases()
    if (lease) lease.state = 'closed'
    await charge()
    await turn()
    await charge()
    expect(world.ledger.openLeases()[0]?.id).toBe('lse_2')
  })

  it('because its delegation was revoked is not opened again', async () => {
    await times(4)
    world.ledger.state.revoked.add(own)
    await charge()
    await turn()
    const revoked = { code: 'access_denied', status: 403, reason: 'delegation_revoked' }
    expect(await refusal(charge())).toMatchObject(revoked)
    const before = world.ledger.paths().length
    for (let index = 0; index < 20; index += 1)
      expect(await refusal(charge())).toMatchObject(revoked)
    expect(world.ledger.paths()).toHaveLength(before)
    // What ran when it was revoked is not told any more.
    expect(world.ledger.taken(own)).toBe(usd('0.04'))
    expect(world.log.error).not.toHaveBeenCalled()
  })
})

describe('the revocation list', () => {
  const feedVerifier = () => world.verifier({ revocation: 'feed', pollSeconds: 1 })
  beforeEach(async () => {
    verifier = feedVerifier()
    caller = await world.caller(verifier)
    await times(3)
  })

  it('names a lease that is recalled: it is closed at once, and another one opened', async () => {
    world.auth.revoke('lse_1')
    await world.pass(1)
    await until(() => closed() === 1)
    expect(world.ledger.leases.get('lse_1')?.state).toBe('closed')
    expect(world.ledger.taken(own)).toBe(usd('0.03'))
    await charge()
    expect(world.ledger.openLeases()[0]?.id).toBe('lse_2')
  })

  it('names a delegation above it: its money is free again at once', async () => {
    world.auth.revoke('dlg_1')
    await world.pass(1)
    await until(() => closed() === 1)
    expect(world.ledger.openLeases()).toEqual([])
    expect(world.ledger.taken(own)).toBe(usd('0.03'))
  })

  it('takes from a recalled lease what is free, and leaves what is running', async () => {
    const gate = createGate()
    const work = verifier.charge(caller, read, () => gate.opened)
    world.auth.revoke('lse_1')
    await world.pass(1)
    await until(() => renewed() === 1)
    expect(world.ledger.budgetOf(own)).toMatchObject({ spent: usd('0.03'), held: usd('0.01') })
    gate.open()
    await work
    await world.pass(0.5)
    expect(world.ledger.budgetOf(own)).toMatchObject({ spent: usd('0.04'), held: 0n })
  })

  it('spares the leases of others', async () => {
    world.auth.revoke('dlg_77')
    await world.pass(1)
    await until(() => verifier.revocation().size === 1)
    expect(closed()).toBe(0)
  })
})

describe('closing', () => {
  it('reports everything, gives back the rest, and can be called twice', async () => {
    await times(3)
    await Promise.all([verifier.close(), verifier.close()])
    expect(closed()).toBe(1)
    expect(world.ledger.budgetOf(own)).toMatchObject({ spent: usd('0.03'), held: 0n })
  })

  it('waits for a renewal that is under way', async () => {
    const gate = createGate()
    await times(4)
    world.ledger.state.delay = ({ path }) => (path.endsWith('renew') ? gate.opened : undefined)
    await charge()
    await turn()
    const end = verifier.close()
    await turn()
    expect(closed()).toBe(0)
    gate.open()
    await end
    expect(world.ledger.taken(own)).toBe(usd('0.05'))
  })

  it('charges what is still running as if it cost all that it held', async () => {
    const gate = createGate()
    await charge()
    const work = verifier.charge(caller, read, () => gate.opened)
    await verifier.close()
    gate.open()
    expect(await work).toBeUndefined()
    expect(world.ledger.budgetOf(own)).toMatchObject({ spent: usd('0.02'), held: 0n })
  })

  it('ends when the ledger is away, and says what was lost', async () => {
    await charge()
    world.ledger.state.isDown = true
    await verifier.close()
    expect(world.log.error).toHaveBeenCalledTimes(1)
  })

  it('leaves a verifier that still charges, one reservation at a time', async () => {
    await verifier.close()
    await charge()
    expect(world.ledger.paths()).toEqual(['/reservations', '/reservations/rsv_1/settle'])
  })

  it('is no problem for a verifier that never charged', async () => {
    await verifier.close()
    expect(world.ledger.paths()).toEqual([])
  })
})

describe('flushing', () => {
  it('reports and gives back what is not in use, and the next charge borrows anew', async () => {
    await times(4)
    await verifier.flush()
    expect(world.ledger.budgetOf(own)).toMatchObject({ spent: usd('0.04'), held: 0n })
    await charge()
    expect(world.ledger.openLeases()[0]?.id).toBe('lse_2')
  })

  it('leaves alone what something runs on', async () => {
    const gate = createGate()
    const work = verifier.charge(caller, read, () => gate.opened)
    await turn()
    await verifier.flush()
    expect(closed()).toBe(0)
    gate.open()
    await work
    await verifier.flush()
    expect(world.ledger.budgetOf(own)).toMatchObject({ spent: usd('0.01'), held: 0n })
  })

  it('is nothing where nothing was borrowed', async () => {
    await verifier.flush()
    await world.verifier({ budget: 'advisory' }).flush()
    expect(world.ledger.paths()).toEqual([])
  })
})

describe('a ledger that lends nothing', () => {
  it('because there are too many leases already reserves', async () => {
    world.ledger.state.tooManyHolds = true
    await times(2)
    await world.pass(4)
    await times(1)
    expect(opened()).toBe(1)
    world.ledger.state.tooManyHolds = false
    await world.pass(6)
    await times(3)
    expect(reserved()).toBe(3)
  })
})
