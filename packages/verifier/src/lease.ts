/** A lease as its holder sees it: what is in it, and until when it may be used. */
import {
  type Account,
  emptyAccount,
  freeRequests,
  freeUsd,
  grant,
  greater,
  hold,
  least,
  type Report,
  takeRequest,
  usedUsd,
} from './lease-account.js'
import type { Demand } from './lease-wish.js'
import type { LeaseWish, Lent } from './ledger.js'

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
  /** Micro-USD that the ledger knows as spent here. */
  told: bigint
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

/** Kept back from the time that was lent, for clocks that do not run alike. */
const marginMs = 1000
const marginShare = 0.05
/** Not used for so much of its lifetime, it is idle. */
const idleShare = 0.9

const never = Number.NEGATIVE_INFINITY
const gauge = (): Gauge => ({ unit: 0n, before: 0n, wanted: 0, ranDry: false, usedAt: never })

export const isUsable = (lease: HeldLease, t: number): boolean => t < lease.usableUntil

/** Nothing is running, and nobody has used it for about its lifetime: somebody else may have it. */
export const isIdle = ({ account, money, rate, ttlMs }: HeldLease, t: number): boolean =>
  account.charges === 0 && t - Math.max(money.usedAt, rate.usedAt) >= ttlMs * idleShare

const wasUsed = ({ account, money, rate, grantedAt }: HeldLease): boolean =>
  account.charges > 0 || Math.max(money.usedAt, rate.usedAt) >= grantedAt

/** Time to renew it, whether or not somebody comes by. What is not used is left to run out. */
export const isDue = (lease: HeldLease, t: number): boolean => t >= lease.renewAt && wasUsed(lease)

/**
 * All of it is spent, and there is little more to be had. The ledger is told now and not when half of
 * its time is over: until then it shows what is spent as held.
 */
export const isSpent = ({ account, told, tailFrom }: HeldLease): boolean =>
  tailFrom !== undefined && account.charges === 0 && freeUsd(account) === 0n && account.spent > told

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
  lease.told = report.spent
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
  restart(money, usedUsd(account), Number((wish.usd ?? 0n) - account.inFlight))
  restart(rate, BigInt(account.requests), wish.requests ?? 0)
}

export const openedLease = (answer: Omit<Grant, 'report'>): HeldLease => {
  const lease: HeldLease = {
    id: answer.lent.id,
    account: emptyAccount(),
    seq: 0,
    told: 0n,
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
