/** What to ask the ledger for: what is in flight, what is waited for, and enough for the next while. */
import type { HeldLease } from './lease.js'
import { freeRequests, freeUsd, greater, least, usedUsd } from './lease-account.js'
import { sizeOf } from './lease-size.js'
import type { LeaseWish } from './ledger.js'

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

/** The most that this delegation could use, as its tokens say. */
export interface Most {
  readonly usd: bigint | undefined
  readonly requests: number | undefined
}

export const addDemand = (demand: Demand, more: Partial<Demand>): void => {
  demand.usd += more.usd ?? 0n
  demand.need = least(demand.need, more.need)
  demand.dearest = greater(demand.dearest, more.dearest ?? more.usd ?? 0n)
  demand.requests += more.requests ?? 0
  demand.givesBack ||= more.givesBack ?? false
}

const moreThan = (most: bigint | undefined, size: bigint): boolean =>
  most !== undefined && size > most

const sizeUsd = (lease: HeldLease, unit: bigint, t: number, most: Most): bigint => {
  const { money, grantedAt, ttlMs, tailFrom } = lease
  // Near the end of a budget it only looks whether things have changed.
  if (tailFrom !== undefined) return 2n * greater(unit, tailFrom)
  const used = Number(greater(0n, usedUsd(lease.account) - money.before))
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
