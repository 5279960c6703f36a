/** What can happen, as data: numbers that are picks from what there is when the step is taken. */
import fc from 'fast-check'
import type { Plan } from './tree.js'
import type { Telling } from './verifiers.js'

/** Whether the answer arrives, is lost, or the request itself is on its way for long. */
export type Fate = 'heard' | 'lost' | 'late'

export interface Wanting {
  want: number | undefined
  need: number | undefined
  wantRequests: number | undefined
  ttl: number
}

/** What a holder does just before it reports. */
export interface Using {
  which: number
  money: number
  requests: number
}

export type CapTo = { percentOfUsed: number } | { percentOfCap: number } | 'none'

export type AskStep =
  | {
      do: 'reserve'
      at: number
      amount: number
      ttl: number
      onExpiry: 'charge' | 'release'
      fate: Fate
    }
  | { do: 'end'; which: number; actual: number | undefined; fate: Fate }
  | ({ do: 'open'; at: number; holder: number | undefined; fate: Fate } & Wanting)
  | ({ do: 'renew'; tell: Telling; over: number; fate: Fate } & Using & Wanting)
  | ({ do: 'close'; over: number; fate: Fate } & Using)
  | { do: 'cap'; which: number; to: CapTo; fate: Fate }
  | { do: 'top up'; which: number; by: number; fate: Fate }
  | { do: 'give back'; which: number; fate: Fate }
  | { do: 'revoke'; at: number; fate: 'heard' }
  | { do: 'stale'; which: number; seq: number; close: boolean; money: number; fate: Fate }

export type Step =
  | AskStep
  | ({ do: 'spend' } & Using)
  | { do: 'crash'; which: number }
  | { do: 'again'; which: number }
  | { do: 'same key'; which: number }
  | { do: 'twice'; ask: AskStep; copies: number }
  | { do: 'at once'; asks: AskStep[] }
  | { do: 'burst'; at: number; amount: number }
  | { do: 'set aside'; at: number; amount: number; share: number; lasts: boolean }
  | { do: 'wait'; seconds: number }
  | { do: 'midnight'; beyond: number }
  | { do: 'sweep' }
  | { do: 'look'; at: number }

type Weighted<T> = { arbitrary: fc.Arbitrary<T>; weight: number }
const weighted = <T>(...all: [number, fc.Arbitrary<T>][]): fc.Arbitrary<T> =>
  fc.oneof(...all.map(([weight, arbitrary]): Weighted<T> => ({ weight, arbitrary })))

const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 2 })

/** With a prototype, so that a counterexample reads well. */
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record<T>(model, { noNullPrototype: true })

/** From the newest on. */
const which = fc.nat({ max: 9 })
/** The root and those right below it, any of them, and those that were made last. */
const at = weighted(
  [2, fc.nat({ max: 2 })],
  [2, fc.nat({ max: 5 })],
  [2, fc.integer({ min: 6, max: 8 })],
)
const amount = weighted([6, fc.integer({ min: 1, max: 20 })], [1, fc.integer({ min: 20, max: 90 })])
const seconds = weighted([3, fc.integer({ min: 1, max: 60 })], [2, fc.constantFrom(200, 300)])
const fate = weighted<Fate>(
  [12, fc.constant('heard')],
  [2, fc.constant('lost')],
  [1, fc.constant('late')],
)
const few = weighted([4, fc.nat({ max: 6 })], [1, fc.nat({ max: 30 })])
const rarely = (max: number): fc.Arbitrary<number> =>
  weighted([9, fc.constant(0)], [1, fc.integer({ min: 1, max })])

const using = { which, money: few, requests: few }
const wanting = {
  want: maybe(fc.nat({ max: 60 })),
  need: maybe(amount),
  wantRequests: maybe(fc.nat({ max: 25 })),
  ttl: seconds,
}

const kind = <K extends string>(name: K): fc.Arbitrary<K> => fc.constant(name)

const asks = {
  reserve: record({
    do: kind('reserve'),
    ...{ at, amount, ttl: seconds, fate },
    onExpiry: fc.constantFrom('charge' as const, 'release' as const),
  }),
  end: record({ do: kind('end'), which, actual: maybe(fc.nat({ max: 25 })), fate }),
  open: record({
    do: kind('open'),
    ...{ at, holder: maybe(fc.nat({ max: 1 })), fate },
    ...wanting,
  }),
  renew: record({
    do: kind('renew'),
    ...using,
    ...wanting,
    tell: weighted<Telling>(
      [5, fc.constant('all')],
      [2, fc.constant('some')],
      [1, fc.constant('nothing')],
    ),
    ...{ over: rarely(12), fate },
  }),
  close: record({ do: kind('close'), ...using, over: rarely(12), fate }),
  cap: record({
    ...{ do: kind('cap'), which: at, fate },
    to: weighted<CapTo>(
      [5, record({ percentOfUsed: fc.constantFrom(0, 50, 80, 100, 130, 200) })],
      [4, record({ percentOfCap: fc.constantFrom(50, 100, 150, 300) })],
      [1, fc.constant('none')],
    ),
  }),
  topUp: record({ do: kind('top up'), which: at, by: amount, fate }),
  giveBack: record({ do: kind('give back'), which: at, fate }),
  revoke: record({ do: kind('revoke'), at, fate: kind('heard') }),
  stale: record({
    ...{ do: kind('stale'), which, seq: fc.nat({ max: 5 }), close: fc.boolean() },
    ...{ money: few, fate },
  }),
}

const ask: fc.Arbitrary<AskStep> = weighted<AskStep>(
  [16, asks.reserve],
  [14, asks.end],
  [20, asks.open],
  [26, asks.renew],
  [9, asks.close],
  [6, asks.cap],
  [3, asks.topUp],
  [2, asks.giveBack],
  [1, asks.revoke],
  [3, asks.stale],
)

const waits = weighted(
  [30, fc.integer({ min: 1, max: 15 })],
  [6, fc.integer({ min: 30, max: 120 })],
  [2, fc.constantFrom(290, 310, 600, 1800)],
  [3, fc.constantFrom(3300, 3420, 3540, 3600, 3660)],
  [1, fc.constantFrom(23 * 3600, 24 * 3600, 25 * 3600)],
)

const step: fc.Arbitrary<Step> = weighted<Step>(
  [100, ask],
  [14, record({ do: kind('spend'), ...using })],
  [3, record({ do: kind('crash'), which })],
  [14, record({ do: kind('again'), which: fc.nat({ max: 60 }) })],
  [2, record({ do: kind('same key'), which })],
  [6, record({ do: kind('twice'), ask, copies: fc.integer({ min: 2, max: 3 }) })],
  [10, record({ do: kind('at once'), asks: fc.array(ask, { minLength: 2, maxLength: 4 }) })],
  [2, record({ do: kind('burst'), at, amount })],
  [
    6,
    record({
      ...{ do: kind('set aside'), at, amount: fc.integer({ min: 1, max: 60 }) },
      ...{ share: fc.nat({ max: 30 }), lasts: fc.boolean() },
    }),
  ],
  [14, record({ do: kind('wait'), seconds: waits })],
  [2, record({ do: kind('midnight'), beyond: fc.integer({ min: -3, max: 3 }) })],
  [8, record({ do: kind('sweep') })],
  [3, record({ do: kind('look'), at })],
)

/** Some are soon at an end, some hardly ever. */
const cap = weighted(
  [2, fc.integer({ min: 20, max: 200 })],
  [3, fc.integer({ min: 200, max: 3000 })],
)
const perHour = weighted(
  [2, fc.integer({ min: 3, max: 15 })],
  [1, fc.integer({ min: 15, max: 80 })],
)

export interface History {
  plan: Plan
  /** Seconds before midnight. */
  start: number
  steps: Step[]
}

export const history: fc.Arbitrary<History> = record({
  steps: fc.array(step, { minLength: 1, maxLength: 240, size: 'max' }),
  plan: record({
    tenantCap: cap,
    agentCap: maybe(cap),
    dayCap: cap,
    dayOf: fc.constantFrom('tenant' as const, 'agent' as const),
    agentPerHour: maybe(perHour),
    caps: fc.tuple(cap, cap, cap, cap),
    perHour: fc.tuple(maybe(perHour), maybe(perHour)),
  }),
  start: fc.constantFrom(60, 1800, 5400, 43_200),
})
