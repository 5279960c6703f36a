/** A lease as its holder sees it: what is in it, until when it may be used, and what to ask for next. */
import {
  type Account,
  emptyAccount,
  freeRequests,
  freeUsd,
  grant,
  hold,
  type Report,
  takeRequest,
} from './lease-account.js'
import { sizeOf } from './lease-size.js'
import type { LeaseWish, Lent } from './ledger.js'

/** What is asked of a lease that cannot give it, by all who wait for the same answer. */
export interface Demand {
  /** Micro-USD for all of them together, for the cheapest, and for the dearest. */
  usd: bigint
  need: bigint | undefined
  dearest: bigint
  requests: number
  /** Nobody wants money of the lease: what is free in it goes back, for a reservation to have. */
  givesBack: boolean
}

export const noDemand = (): Demand => ({
  usd: 0n,
  need: undefined,
  dearest: 0n,
  requests: 0,
  givesBack: false,
})

/** What the size of the next wish is reckoned from. */
interface Gauge {
  unit: bigint
  /** What had been used when it was granted. */
  before: bigint
  wanted: number
  ranDry: boolean
  usedAt: number
}

/** Times are milliseconds of the monotonic clock. */
export interface HeldLease {
  readonly id: string
  readonly account: Account
  /** Of the newest report. */
  seq: number
  ttlMs: number
  grantedAt: number
  renewAt: number
  usableUntil: number
  /** Renewed when no more than this is free, before anybody has to wait. */
  lowUsd: bigint
  lowRequests: number
  /** Charges from this cost on are reserved one by one: the ledger did not lend enough for it. */
  tailFrom: bigint | undefined
  /** All that the tightest budget could still give when the ledger last spoke, and what it had. */
  ceiling: bigint | undefined
  readonly money: Gauge
  readonly rate: Gauge
}

/** The most that this delegation could use, as its tokens say. */
export interface Most {
  readonly usd: bigint | undefined
  readonly requests: number | undefined
}

/** Kept back from the time that was lent, for clocks that do not run alike. */
const marginMs = 1000
const marginShare = 0.05
/** Not used for so much of its lifetime, it is idle. */
const idleShare = 0.9

const never = Number.NEGATIVE_INFINITY
const gauge = (): Gauge => ({ unit: 0n, before: 0n, wanted: 0, ranDry: false, usedAt: never })

const least = (one: bigint | undefined, other: bigint | undefined): bigint | undefined => {
  if (one === undefined || other === undefined) return one ?? other
  return one < other ? one : other
}
const greater = (one: bigint, other: bigint): bigint => {
  if (one > other) return one
  return other
}

export const addDemand = (demand: Demand, more: Partial<Demand>): void => {
  demand.usd += more.usd ?? 0n
  demand.need = least(demand.need, more.need)
  demand.dearest = greater(demand.dearest, more.dearest ?? more.usd ?? 0n)
  demand.requests += more.requests ?? 0
  demand.givesBack ||= more.givesBack ?? false
}

export const isUsable = (lease: HeldLease, t: number): boolean => t < lease.usableUntil

/** Nothing is running, and nobody has used it for about its lifetime: somebody else may have it. */
export const isIdle = ({ account, money, rate, ttlMs }: HeldLease, t: number): boolean =>
  account.charges === 0 && t - Math.max(money.usedAt, rate.usedAt) >= ttlMs * idleShare

const wasUsed = ({ account, money, rate, grantedAt }: HeldLease): boolean =>
  account.charges > 0 || Math.max(money.usedAt, rate.usedAt) >= grantedAt

/** Time to renew it, whether or not somebody comes by. What is not used is left to run out. */
export const isDue = (lease: HeldLease, t: number): boolean => t >= lease.renewAt && wasUsed(lease)

/** Takes the cost of a charge, to be settled on the lease's account. */
export const takeUsd = (lease: HeldLease, cost: bigint, t: number): boolean => {
  const { account, money } = lease
  if (!isUsable(lease, t)) return false
  if (!hold(account, cost)) {
    money.ranDry ||= cost <= 2n * money.unit
    return false
  }
  money.usedAt = t
  if (cost > money.unit) money.unit = cost
  return true
}

export const takeOneRequest = (lease: HeldLease, t: number): boolean => {
  if (!isUsable(lease, t)) return false
  if (!takeRequest(lease.account)) {
    lease.rate.ranDry = true
    return false
  }
  lease.rate.usedAt = t
  return true
}

/** Running dry, in money or in requests, or half of its time is over. */
export const isLow = (lease: HeldLease, t: number): boolean => {
  const { account, lowUsd, lowRequests, renewAt } = lease
  return (
    t >= renewAt ||
    account.authority - account.spent - account.inFlight <= lowUsd ||
    account.requestAuthority - account.requests <= lowRequests
  )
}

/** Reserved without the lease, which may be wanted again: its next renewal says. */
export const touchUsd = ({ money }: HeldLease, t: number): void => {
  money.usedAt = t
}

/**
 * One charge that is larger than all that the lease is for would only keep money from the others. When
 * more of them come, the lease grows up to them.
 */
export const isTooLarge = ({ money }: HeldLease, cost: bigint): boolean => {
  if (money.unit === 0n || Number(cost) <= Math.max(money.wanted, Number(money.unit) * 10)) {
    return false
  }
  money.unit *= 2n
  return true
}

/** Micro-USD that a reservation could have, as far as the ledger has told. */
export const outsideUsd = ({ ceiling, account }: HeldLease): bigint | undefined =>
  ceiling === undefined ? undefined : ceiling - account.authority

export const isTailFor = ({ tailFrom }: HeldLease, cost: bigint): boolean =>
  tailFrom !== undefined && cost >= tailFrom

/** As it was when the ledger last spoke, less what was spent here since: others spend too. */
export const remainingUsd = ({ ceiling, account }: HeldLease): bigint | undefined =>
  ceiling === undefined ? undefined : greater(0n, ceiling - account.spent - account.inFlight)

const usedUsd = ({ account }: HeldLease): bigint => account.spent + account.inFlight

const moreThan = (most: bigint | undefined, size: bigint): boolean =>
  most !== undefined && size > most

const sizeUsd = (lease: HeldLease, unit: bigint, t: number, most: Most): bigint => {
  const { money, grantedAt, ttlMs, tailFrom } = lease
  // Near the end of a budget it only looks whether things have changed.
  if (tailFrom !== undefined) return 2n * greater(unit, tailFrom)
  const used = Number(greater(0n, usedUsd(lease) - money.before))
  const { wanted, ranDry } = money
  const elapsedMs = t - grantedAt
  const size = BigInt(sizeOf({ unit: Number(unit), used, elapsedMs, ttlMs, wanted, ranDry }))
  return moreThan(most.usd, size) ? (most.usd ?? size) : size
}

const usdWish = (lease: HeldLease, demand: Demand, t: number, most: Most) => {
  const { account, money, ttlMs } = lease
  const { inFlight } = account
  const isWanted = demand.need !== undefined || t - money.usedAt < ttlMs
  if (demand.need === undefined && (demand.givesBack || !isWanted)) {
    return { usd: inFlight > 0n || freeUsd(account) > 0n ? inFlight : undefined, need: undefined }
  }
  const size = sizeUsd(lease, greater(money.unit, demand.dearest), t, most)
  const need = demand.need ?? lease.tailFrom
  return {
    usd: inFlight + greater(size, demand.usd),
    need: need === undefined ? undefined : inFlight + need,
  }
}

const requestsWish = (lease: HeldLease, { requests }: Demand, t: number, most: Most) => {
  const { account, rate, grantedAt, ttlMs } = lease
  if (requests === 0 && t - rate.usedAt >= ttlMs) return freeRequests(account) > 0 ? 0 : undefined
  const used = account.requests - Number(rate.before)
  const elapsedMs = t - grantedAt
  const { wanted, ranDry } = rate
  const size = sizeOf({ unit: 1, used, elapsedMs, ttlMs, wanted, ranDry })
  return Math.max(requests, Math.min(size, most.requests ?? size))
}

/** What to ask for in the next renewal. What is in flight is not spent yet, so it is wanted too. */
export const wishFor = (lease: HeldLease, demand: Demand, t: number, most: Most): LeaseWish => ({
  ...usdWish(lease, demand, t, most),
  requests: requestsWish(lease, demand, t, most),
})

/** What to ask for when nothing is held yet. */
export const firstWish = ({ usd, need, dearest, requests }: Demand, most: Most): LeaseWish => {
  const start = { used: 0, elapsedMs: 0, ttlMs: 0, wanted: 0, ranDry: false }
  const size = BigInt(sizeOf({ ...start, unit: Number(dearest) }))
  const rate = sizeOf({ ...start, unit: 1 })
  return {
    usd: need === undefined ? undefined : greater(usd, least(size, most.usd) ?? size),
    need,
    requests:
      requests === 0 ? undefined : Math.max(requests, Math.min(rate, most.requests ?? rate)),
  }
}

/** Charges from this cost on are reserved, until a renewal says otherwise. */
export const startTail = (lease: HeldLease, cost: bigint): void => {
  lease.tailFrom = least(lease.tailFrom, cost)
  lease.lowUsd = -1n
}

const half = (amount: bigint): bigint => (amount > 0n ? amount / 2n : -1n)

const setTail = (lease: HeldLease, lent: Lent, wish: LeaseWish, demand: Demand): void => {
  if (wish.usd === undefined || (demand.givesBack && demand.need === undefined)) return
  const needed = demand.need ?? lease.tailFrom ?? 1n
  lease.tailFrom = lent.tail ? least(lease.tailFrom, needed) : undefined
}

const restart = (gauge: Gauge, used: bigint, wanted: number): void => {
  gauge.before = used
  gauge.wanted = wanted
  gauge.ranDry = false
}

export interface Grant {
  lent: Lent
  report: Report
  wish: LeaseWish
  demand: Demand
  /** When the first attempt of the request was sent: no delay of the answer makes it last longer. */
  sentAt: number
}

/** Takes in what the ledger has answered. */
export const granted = (lease: HeldLease, { lent, report, wish, demand, sentAt }: Grant): void => {
  const { account, money, rate } = lease
  grant(account, report, lent)
  lease.ttlMs = lent.ttlSeconds * 1000
  lease.grantedAt = sentAt
  lease.renewAt = sentAt + lease.ttlMs / 2
  lease.usableUntil = sentAt + lease.ttlMs - Math.min(marginMs, lease.ttlMs * marginShare)
  setTail(lease, lent, wish, demand)
  lease.lowUsd = lease.tailFrom === undefined ? half(freeUsd(account)) : -1n
  lease.lowRequests = Number(half(BigInt(freeRequests(account))))
  lease.ceiling = lent.remaining === undefined ? undefined : lent.remaining + account.authority
  // One dear charge long ago says little about the next one.
  money.unit = greater(money.unit / 2n, demand.dearest)
  restart(money, usedUsd(lease), Number((wish.usd ?? 0n) - account.inFlight))
  restart(rate, BigInt(account.requests), wish.requests ?? 0)
}

export const openedLease = (answer: Omit<Grant, 'report'>): HeldLease => {
  const lease: HeldLease = {
    id: answer.lent.id,
    account: emptyAccount(),
    seq: 0,
    ttlMs: 0,
    grantedAt: never,
    renewAt: never,
    usableUntil: never,
    lowUsd: -1n,
    lowRequests: -1,
    tailFrom: undefined,
    ceiling: undefined,
    money: gauge(),
    rate: gauge(),
  }
  granted(lease, { ...answer, report: { spent: 0n, requests: 0 } })
  return lease
}
