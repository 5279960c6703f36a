/**
 * Money and requests that are held already, to be used in this process without asking. One lease for
 * each delegation, opened on first use, renewed before it runs dry, and closed when nobody uses it.
 */
import { formatUsd, type OAuthError } from '@behalf/protocol'
import type { Caller } from './caller.js'
import { unavailable, why } from './http.js'
import {
  type HeldLease,
  isDue,
  isIdle,
  isLow,
  isSpent,
  isTailFor,
  isTooLarge,
  isUsable,
  outsideUsd,
  takeOneRequest,
  takeUsd,
  touchUsd,
} from './lease.js'
import { freeUsd } from './lease-account.js'
import { createLeaseFlights } from './lease-flights.js'
import { createLeaseReturns } from './lease-returns.js'
import {
  createSlot,
  failureOf,
  isForgettable,
  requestsRefusal,
  type Slot,
  usdRefusal,
} from './lease-slot.js'
import type { Ledger } from './ledger.js'
import { repeat } from './repeat.js'
import type { RequestRate } from './request-rate.js'
import type { RevocationFeed } from './revocation-feed.js'
import type { Settings } from './settings.js'

export interface Leases {
  /** From what is held, at once. Settle it on the lease's account. */
  take: (caller: Caller, cost: bigint) => HeldLease | undefined
  /**
   * The same, after asking for more if need be.
   *
   * @returns `undefined` when a reservation is the way: near the end of a budget, and for charges
   * that are too large to lend for
   * @throws OAuthError the refusal, or `temporarily_unavailable`
   */
  borrow: (caller: Caller, cost: bigint) => Promise<HeldLease | undefined>
  /** Gives back what is free, for a reservation to have. @returns false when that changes nothing */
  giveBack: (caller: Caller) => Promise<boolean>
  /** What a reservation was refused with: what costs as much is not asked for again for a moment. */
  remember: (caller: Caller, cost: bigint, error: OAuthError) => void
  /** Takes one request. @throws OAuthError `rate_limited` and what `borrow` throws, in the promise */
  takeRequest: (caller: Caller) => Promise<void> | undefined
  /** Reports what was spent and gives back the rest, but for leases that something runs on. */
  flush: () => Promise<void>
  /** Reports everything and gives back the rest. Afterwards nothing is borrowed any more. */
  close: () => Promise<void>
}

export const maxLeases = 10_000
const sweepMs = 250
/** For a charge, before it is reserved instead. */
const maxRounds = 4
/** For a request there is nothing else; each round brings at least one for somebody. */
const maxRequestRounds = 1000
const usdRefusalMs = 1000

interface Parts {
  settings: Pick<Settings, 'monotonic' | 'logger'>
  ledger: Ledger
  feed: Pick<RevocationFeed, 'isRevoked' | 'onChange'>
  /** Counts in this process, where the ledger knows no leases. */
  rate: RequestRate
  max?: number
}

export const createLeases = ({ settings, ledger, feed, rate, max = maxLeases }: Parts): Leases => {
  const { monotonic, logger } = settings
  const { isRevoked } = feed
  const slots = new Map<string, Slot>()
  const returns = createLeaseReturns({ ledger, monotonic, logger, maxReturns: max })
  const flights = createLeaseFlights({
    ledger,
    monotonic,
    isRevoked,
    returns,
    onFailure: (error) => logger.error('The ledger cannot be asked for a lease.', why(error)),
  })
  let closing: Promise<void> | undefined

  const sweepSlot = (slot: Slot, t: number): void => {
    const { lease } = slot
    if (slot.flight) return
    if (lease && (!isUsable(lease, t) || isIdle(lease, t))) flights.retire(slot)
    else if (lease ? isDue(lease, t) || isSpent(lease) : slot.opening) flights.refresh(slot, t)
    else if (isForgettable(slot, t)) slots.delete(slot.delegationId)
  }
  const sweep = async (): Promise<void> => {
    const t = monotonic()
    for (const slot of slots.values()) sweepSlot(slot, t)
    returns.sweep(t)
  }
  const timer = repeat(sweep, sweepMs)

  // A recalled lease stands in the list by its own name, beside delegations.
  feed.onChange(() => {
    for (const slot of slots.values()) {
      if (slot.lineage.some(isRevoked)) flights.retire(slot)
      else if (slot.lease && isRevoked(slot.lease.id)) flights.retire(slot, { givesBack: true })
    }
  })

  const find = ({ lineage }: Caller): Slot | undefined =>
    slots.get(lineage[lineage.length - 1] ?? '')
  const findOrAdd = (caller: Caller): Slot | undefined => {
    const known = find(caller)
    if (known || caller.lineage.length === 0) return known
    if (slots.size + returns.size() >= max) return undefined
    const slot = createSlot(caller)
    slots.set(slot.delegationId, slot)
    timer.start()
    return slot
  }
  const take = (slot: Slot | undefined, cost: bigint): HeldLease | undefined => {
    const lease = slot?.lease
    if (!slot || !lease) return undefined
    const t = monotonic()
    if (!takeUsd(lease, cost, t)) return undefined
    if (isLow(lease, t)) flights.refresh(slot, t)
    return lease
  }
  /** What is reserved is use as well: the next renewal looks whether the ledger would lend again. */
  const isReserved = (slot: Slot, cost: bigint, t: number): boolean => {
    const { lease } = slot
    if (t < slot.unlentUntil) return true
    if (!lease || !isUsable(lease, t)) return false
    if (!isTailFor(lease, cost)) return isTooLarge(lease, cost)
    touchUsd(lease, t)
    return true
  }
  const giveBack = async (slot: Slot | undefined): Promise<boolean> => {
    const lease = slot?.lease
    if (!slot || !lease || freeUsd(lease.account) === 0n) return false
    // The first may only be the end of what was under way.
    for (let round = 0; round < 2 && freeUsd(lease.account) > 0n; round += 1) {
      await flights.join(slot, { givesBack: true })
    }
    return true
  }
  /** What is free in our own lease must not be the reason for a refusal. */
  const leaveRoom = async (slot: Slot, cost: bigint): Promise<undefined> => {
    const room = slot.lease && outsideUsd(slot.lease)
    if (room !== undefined && room < cost) await giveBack(slot)
  }
  const borrow: Leases['borrow'] = async (caller, cost) => {
    const slot = findOrAdd(caller)
    for (let round = 0; slot && !closing && round < maxRounds; round += 1) {
      const t = monotonic()
      const refusal = usdRefusal(slot, cost, formatUsd(cost), t) ?? failureOf(slot, t)
      if (refusal) throw refusal
      if (isReserved(slot, cost, t)) return leaveRoom(slot, cost)
      await flights.join(slot, { usd: cost, need: cost })
      const lease = take(slot, cost)
      if (lease) return lease
    }
    return undefined
  }
  const takeOne = (slot: Slot): boolean => {
    const { lease } = slot
    const t = monotonic()
    if (!lease || !takeOneRequest(lease, t)) return false
    if (isLow(lease, t)) flights.refresh(slot, t)
    return true
  }
  /** One request, borrowed and reported on its own: for those that no lease can be kept for. */
  const takeAlone = async ({ lineage }: Caller): Promise<void> => {
    const wish = { usd: undefined, need: undefined, requests: 1 }
    const key = crypto.randomUUID()
    const { id, requests } = await ledger.openLease(lineage.at(-1) ?? '', wish, key)
    if (requests === 0) throw unavailable('ledger_malformed_answer')
    // What is never reported counts as used, and it was used.
    const report = { seq: 1, spent: 0n, requests: 1 }
    ledger.closeLease(id, report, crypto.randomUUID()).catch(() => undefined)
  }
  const waitForRequest = async (caller: Caller, slot: Slot): Promise<void> => {
    for (let round = 0; round < maxRequestRounds && !closing; round += 1) {
      const t = monotonic()
      const refusal = requestsRefusal(slot, t) ?? failureOf(slot, t)
      if (refusal) throw refusal
      if (t < slot.unlentUntil) {
        if (slot.isUnknown) return rate.count(caller)
        throw unavailable('too_many_open_holds')
      }
      await flights.join(slot, { requests: 1 })
      if (takeOne(slot)) return
    }
    return takeAlone(caller)
  }
  const flush = async (): Promise<void> => {
    await flights.settled()
    for (const slot of slots.values()) if (slot.lease?.account.charges === 0) flights.retire(slot)
    await returns.settled()
  }
  const closeAll = async (): Promise<void> => {
    timer.stop()
    await flights.settled()
    for (const slot of slots.values()) flights.retire(slot)
    slots.clear()
    await returns.flush()
  }
  return {
    take: (caller, cost) => take(find(caller), cost),
    borrow,
    giveBack: (caller) => giveBack(find(caller)),
    remember: (caller, cost, error) => {
      const slot = find(caller)
      const at = monotonic()
      if (slot) slot.refusedUsd = { error, cost, at, until: at + usdRefusalMs }
    },
    takeRequest: (caller) => {
      if (caller.limits.requestsPerHour === undefined) return undefined
      const slot = findOrAdd(caller)
      if (!slot) return takeAlone(caller)
      return takeOne(slot) ? undefined : waitForRequest(caller, slot)
    },
    flush,
    close: () => {
      closing ??= closeAll()
      return closing
    },
  }
}
