/** Whatever happens, in whatever order: nobody spends what the ledger does not count as taken. */
import fc from 'fast-check'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Caller, Verifier } from '../src/index.js'
import {
  emptyAccount,
  freeRequests,
  freeUsd,
  grant,
  hold,
  lowerTo,
  reportOf,
  settle,
  takeRequest,
} from '../src/lease-account.js'
import { sizeOf } from '../src/lease-size.js'
import { createIssuer, type Issuer } from './issuer.js'
import { createWorld, turn, type World } from './lease-world.js'

const tenant = 'tenant:acme'

let issuer: Issuer
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  issuer ??= await createIssuer()
})
afterEach(() => {
  vi.useRealTimers()
})

interface Running {
  cost: bigint
  end: (how: { actual: bigint } | 'fails') => void
}

/** What really happens at the resource, beside what the ledger knows of it. */
const createReality = (world: World, servers: { verifier: Verifier; caller: Caller }[]) => {
  const running = new Set<Running>()
  let spent = 0n
  let visits = 0
  const start = (server: number, cost: bigint): void => {
    const { verifier, caller } = servers[server % servers.length] ?? {}
    if (!verifier || !caller) return
    const work = verifier.charge(
      caller,
      { action: 'docs.read', cost, ttlSeconds: 3600 },
      (charge) => {
        return new Promise<void>((resolve, reject) => {
          const one: Running = {
            cost,
            end: (how) => {
              running.delete(one)
              if (how === 'fails') return reject(new Error('of the action'))
              // What a meter says beyond what was held is not charged.
              spent += how.actual < cost ? how.actual : cost
              charge.settle(how.actual)
              resolve()
            },
          }
          running.add(one)
        })
      },
    )
    work.catch(() => undefined)
  }
  const visit = (server: number): void => {
    const { verifier, caller } = servers[server % servers.length] ?? {}
    const visiting = verifier?.verify(caller?.token ?? '', { countRequest: true })
    visiting?.then(
      () => {
        visits += 1
      },
      () => undefined,
    )
  }
  const inFlight = () => [...running].reduce((sum, { cost }) => sum + cost, 0n)
  return {
    start,
    visit,
    visits: () => visits,
    endOne: (index: number, share: number) => {
      const one = [...running][index % Math.max(1, running.size)]
      one?.end(share === 0 ? 'fails' : { actual: (one.cost * BigInt(share)) / 4n })
    },
    endAll: () => {
      for (const one of running) one.end({ actual: one.cost })
    },
    check: () => {
      world.ledger.expireAll()
      expect(spent + inFlight()).toBeLessThanOrEqual(world.ledger.taken(tenant))
      expect(visits).toBeLessThanOrEqual(world.ledger.requestsTaken(tenant))
      expect(world.ledger.state.violations).toEqual([])
    },
    spent: () => spent,
  }
}

type Reality = ReturnType<typeof createReality>

const command = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('charge'), n: fc.nat(1), x: fc.nat(200) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('visit'), n: fc.nat(1), x: fc.nat(20) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('end'), n: fc.nat(40), x: fc.nat(5) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('pass'), n: fc.nat(16), x: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('sleep'), n: fc.nat(50), x: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('down'), n: fc.nat(1), x: fc.nat(1) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('lose'), n: fc.nat(3), x: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('late'), n: fc.nat(1), x: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('recall'), n: fc.nat(9), x: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cap'), n: fc.nat(9), x: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('drift'), n: fc.nat(500), x: fc.nat(1) }) },
)

/** Keeps answers back until it is told to let them go. */
const createLateness = (world: World) => {
  let go = (): void => undefined
  let gate: Promise<void> | undefined
  world.ledger.state.delayAnswer = () => gate
  return {
    toggle: () => {
      go()
      if (gate) gate = undefined
      else {
        gate = new Promise((resolve) => {
          go = resolve
        })
      }
    },
    end: () => {
      gate = undefined
      go()
    },
  }
}

const act = async (
  world: World,
  reality: Reality,
  lateness: ReturnType<typeof createLateness>,
  { do: what, n, x }: { do: string; n: number; x: number },
): Promise<void> => {
  const { state } = world.ledger
  const budget = world.ledger.budgetOf(tenant)
  if (what === 'charge') for (let i = 0; i <= x % 5; i += 1) reality.start(n, BigInt(x * 100 + 1))
  if (what === 'visit') for (let i = 0; i <= x; i += 1) reality.visit(n)
  if (what === 'end') reality.endOne(n, x)
  if (what === 'pass') await world.pass(n + x / 4)
  if (what === 'sleep') await world.pass(n)
  if (what === 'down') state.isDown = !state.isDown
  if (what === 'lose') state.loses = n
  if (what === 'late') lateness.toggle()
  if (what === 'recall')
    for (const lease of world.ledger.openLeases().slice(n)) lease.recalled = true
  // Cut to what is taken, or topped up.
  if (what === 'cap') budget.cap = budget.spent + budget.held + BigInt(n * 20_000)
  if (what === 'drift') world.clock.server += n
  await turn(3)
}

it('spends no more than is taken, and in the end exactly what is charged', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 60 }), async (commands) => {
      const world = await createWorld(issuer)
      world.ledger.budgetOf(tenant).cap = 300_000n
      world.ledger.budgetOf(tenant).requestsPerHour = 150
      const agent_limits = { requests_per_hour: 150 }
      const make = async () => {
        const verifier = world.verifier()
        return { verifier, caller: await world.caller(verifier, { agent_limits }) }
      }
      const servers = [await make(), await make()]
      const reality = createReality(world, servers)
      const lateness = createLateness(world)
      for (const one of commands) {
        await act(world, reality, lateness, one)
        reality.check()
      }
      world.ledger.state.isDown = false
      world.ledger.state.loses = 0
      lateness.end()
      await world.pass(12)
      reality.endAll()
      await world.pass(80)
      reality.endAll()
      await turn()
      await Promise.all(servers.map(({ verifier }) => verifier.close()))
      reality.check()
      expect(world.ledger.requestsTaken(tenant)).toBe(reality.visits())
      // What could not be settled stays reserved until it expires, and is charged in full.
      if (world.ledger.openReservations() > 0) return
      expect(world.ledger.budgetOf(tenant)).toMatchObject({ spent: reality.spent(), held: 0n })
    }),
    { numRuns: 40 },
  )
}, 120_000)

const amount = fc.bigInt(0n, 1000n)

it('never has less than nothing free, and never more than it was lent', () => {
  const step = fc.record({ what: fc.nat(5), usd: amount, more: amount, requests: fc.nat(20) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
      const account = emptyAccount()
      const held: bigint[] = []
      for (const { what, usd, more, requests } of steps) {
        const report = reportOf(account)
        if (what === 0 && hold(account, usd)) held.push(usd)
        if (what === 1 && held.length > 0) settle(account, held.pop() ?? 0n, more)
        if (what === 2) grant(account, report, { amount: more, requests })
        if (what === 3) lowerTo(account, report, { usd: account.inFlight + more, requests })
        if (what === 4) takeRequest(account)
        expect(freeUsd(account)).toBeGreaterThanOrEqual(0n)
        expect(freeRequests(account)).toBeGreaterThanOrEqual(0)
        expect(account.charges).toBe(held.length)
        expect(account.inFlight).toBe(held.reduce((sum, one) => sum + one, 0n))
        if (what === 3) expect(freeUsd(account)).toBeLessThanOrEqual(more)
      }
    }),
    { numRuns: 500 },
  )
})

it('asks for enough and for nothing absurd', () => {
  const usage = fc.record({
    unit: fc.integer({ min: 1, max: 1_000_000 }),
    used: fc.nat(1_000_000_000),
    elapsedMs: fc.nat(60_000),
    ttlMs: fc.constant(30_000),
    wanted: fc.nat(1_000_000_000),
    ranDry: fc.boolean(),
  })
  fc.assert(
    fc.property(usage, (one) => {
      const size = sizeOf(one)
      const atThisRate = (one.used * one.ttlMs) / Math.max(1000, one.elapsedMs)
      expect(Number.isSafeInteger(size)).toBe(true)
      expect(size).toBeGreaterThanOrEqual(10 * one.unit)
      expect(size).toBeGreaterThanOrEqual(Math.floor(atThisRate))
      expect(size).toBeLessThanOrEqual(4 * Math.ceil(Math.max(10 * one.unit, atThisRate)) + 4)
      const dry = sizeOf({ ...one, ranDry: true })
      expect(dry).toBeGreaterThanOrEqual(Math.min(2 * one.wanted, size))
    }),
  )
})
