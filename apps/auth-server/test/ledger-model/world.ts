/**
 * What is known of a run: budgets, and every hold that there ever was. No balance is kept anywhere:
 * whatever is asked is summed up again from the holds.
 */
export type Onward = 'charge' | 'release'

export interface BudgetFact {
  /** What new holds are judged by. Money is in micro-USD. */
  cap: number | undefined
  perHour: number | undefined
  /** The cap of each day, at a tenant or an agent. */
  dayCap: number | undefined
  /** What it was set aside from. */
  drawnFrom: string[] | undefined
  /** How much is set aside; `undefined` when it was given back, or never was. */
  carved: number | undefined
}

export interface NodeFact {
  /** From the tenant down. */
  budgetIds: string[]
  lineage: string[]
  /** Seconds since 1970. */
  endsAt: number
  revoked: boolean
}

export interface HoldFact {
  path: string[]
  amount: number
  held: number
  spent: number
  overrun: number
  state: 'reserved' | 'settled' | 'released' | 'expired_charged' | 'expired_released'
  onExpiry: Onward
  expiresAt: number
  node: string
}

export interface LeaseFact {
  node: string
  path: string[]
  holder: string
  epoch: number
  seq: number
  state: 'open' | 'closed' | 'expired'
  held: number
  spent: number
  overrun: number
  /** Charged because nobody told. */
  expired: number
  requestsHeld: number
  requestsUsed: number
  requestsExpired: number
  /** When requests were counted, and how many. */
  counted: { minute: number; count: number }[]
  recalled: boolean
  expiresAt: number
}

export interface World {
  /** Seconds since 1970. */
  now: number
  budgets: Record<string, BudgetFact>
  nodes: Record<string, NodeFact>
  holds: Record<string, HoldFact>
  leases: Record<string, LeaseFact>
  /** When leases on a budget were asked back for somebody who found too little. */
  askedBack: Record<string, number>
}

export const graceSeconds = 10
export const daySeconds = 24 * 3600

export const known = <T>(all: Record<string, T>, id: string): T => {
  const one = all[id]
  if (one === undefined) throw new Error(`the model does not know ${id}`)
  return one
}

const dayOf = (seconds: number): string => new Date(seconds * 1000).toISOString().slice(0, 10)
export const nextMidnight = (seconds: number): number =>
  (Math.floor(seconds / daySeconds) + 1) * daySeconds
export const minuteOf = (seconds: number): number => Math.floor(seconds / 60)

/** The budgets that a charge draws on now, each followed by its day. */
export const drawing = (world: World, { budgetIds }: NodeFact): string[] =>
  budgetIds.flatMap((id) => {
    const { dayCap } = known(world.budgets, id)
    if (dayCap === undefined) return [id]
    const day = `day:${dayOf(world.now)}:${id}`
    const fresh = { perHour: undefined, dayCap: undefined, drawnFrom: undefined, carved: undefined }
    world.budgets[day] ??= { cap: dayCap, ...fresh }
    return [id, day]
  })

/** Where the money of a path counts: not above what is set aside, until that was given back. */
export const reach = (world: World, path: readonly string[]): string[] => {
  const at = path.findLastIndex((id) => known(world.budgets, id).drawnFrom !== undefined)
  if (at < 0) return [...path]
  const { drawnFrom = [], carved } = known(world.budgets, path[at] ?? '')
  const above = carved === undefined ? reach(world, drawnFrom) : []
  return [...above, ...path.slice(at)]
}

export interface Balance {
  spent: number
  held: number
}

/** Every balance, from nothing. */
export const balances = (world: World): Map<string, Balance> => {
  const all = new Map<string, Balance>()
  const add = (path: readonly string[], spent: number, held: number): void => {
    for (const id of reach(world, path)) {
      const one = all.get(id) ?? { spent: 0, held: 0 }
      all.set(id, { spent: one.spent + spent, held: one.held + held })
    }
  }
  for (const { path, spent, held } of Object.values(world.holds)) add(path, spent, held)
  for (const { path, spent, expired, held } of Object.values(world.leases)) {
    add(path, spent + expired, held)
  }
  // The deepest first: what is set aside for a child is held by an escrow above it.
  const escrows = Object.entries(world.budgets)
    .filter(([, { carved }]) => carved !== undefined)
    .sort(([, one], [, other]) => (other.drawnFrom?.length ?? 0) - (one.drawnFrom?.length ?? 0))
  for (const [id, budget] of escrows) {
    budget.carved = Math.min(budget.carved ?? 0, Math.max(budget.cap ?? 0, usedOf(all, id)))
    add(budget.drawnFrom ?? [], 0, budget.carved)
  }
  return all
}

export const usedOf = (all: Map<string, Balance>, id: string): number => {
  const { spent, held } = all.get(id) ?? { spent: 0, held: 0 }
  return spent + held
}

/** Micro-USD that are left; below nothing where a cap was cut, infinite without one. */
export const roomOf = (world: World, all: Map<string, Balance>, id: string): number =>
  (known(world.budgets, id).cap ?? Number.POSITIVE_INFINITY) - usedOf(all, id)

/** The first of those that leave the least; `undefined` when none has a cap. */
export const tightest = (world: World, path: readonly string[]) => {
  const all = balances(world)
  return reach(world, path)
    .map((id) => ({ id, left: roomOf(world, all, id) }))
    .filter(({ left }) => left !== Number.POSITIVE_INFINITY)
    .reduce<{ id: string; left: number } | undefined>(
      (least, one) => (least && least.left <= one.left ? least : one),
      undefined,
    )
}

export const openLeasesOn = (world: World, id: string): LeaseFact[] =>
  Object.values(world.leases).filter(({ state, path }) => state === 'open' && path.includes(id))

/** Of one lease, what counts in the last 61 minutes. */
export const countedOf = (world: World, { counted }: LeaseFact): number =>
  counted
    .filter(({ minute }) => minute > minuteOf(world.now) - 61)
    .reduce((sum, { count }) => sum + count, 0)

export const countedOn = (world: World, id: string): number =>
  Object.values(world.leases)
    .filter(({ path }) => path.includes(id))
    .reduce((sum, lease) => sum + countedOf(world, lease), 0)

export const requestsHeldOn = (world: World, id: string): number =>
  openLeasesOn(world, id).reduce((sum, { requestsHeld }) => sum + requestsHeld, 0)

/** The first of those that leave the fewest requests; `undefined` when nobody limits them. */
export const fewest = (world: World, path: readonly string[]) =>
  path
    .flatMap((id) => {
      const { perHour } = known(world.budgets, id)
      if (perHour === undefined) return []
      const left = perHour - requestsHeldOn(world, id) - countedOn(world, id)
      return [{ id, left: Math.max(0, left) }]
    })
    .reduce<{ id: string; left: number } | undefined>(
      (least, one) => (least && least.left <= one.left ? least : one),
      undefined,
    )

export const isAlive = (world: World, { lineage }: NodeFact): boolean =>
  lineage.every((id) => {
    const { revoked, endsAt } = known(world.nodes, id)
    return !revoked && world.now < endsAt
  })
