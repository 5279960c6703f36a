/** The requests for a lease: one at a time for each delegation, and what is made of the answers. */
import { isOAuthError, OAuthError } from '@behalf/protocol'
import { granted, type HeldLease, isUsable, openedLease, startTail } from './lease.js'
import { lowerTo, reportOf } from './lease-account.js'
import type { LeaseReturns } from './lease-returns.js'
import { type Opening, requestsRefusal, type Slot } from './lease-slot.js'
import { addDemand, type Demand, firstWish, noDemand, wishFor } from './lease-wish.js'
import type { Ledger, Lent } from './ledger.js'
import {
  isMoneyRefusal,
  isOutcomeUnknown,
  isRequestsRefusal,
  isTooManyHolds,
  isVerdict,
  ledgerCode,
} from './ledger-http.js'

export interface LeaseFlights {
  /** Goes along with the flight that has not left yet, or waits for the one that has. Never rejects. */
  join: (slot: Slot, more: Partial<Demand>) => Promise<void>
  /** Renews, or finds out what became of an opening, without anybody waiting for it. */
  refresh: (slot: Slot, t: number) => void
  /** The lease is over: nothing new is spent on it. */
  retire: (slot: Slot, options?: { givesBack?: boolean }) => void
  /** All that are under way. */
  settled: () => Promise<void>
}

/** In the background: there are many delegations, and one server. */
const maxBackground = 256
const pauseMs = 1000
const longestPauseMs = 5000
/** A refusal is worth so long: after it, something may have come back. */
const usdRefusalMs = 1000
const requestsRefusalMs = 5000
const unlentMs = 60_000
const crowdedMs = 5000

const unexpected = (cause: unknown): OAuthError =>
  new OAuthError('server_error', { reason: 'unexpected', cause })

const ended: ReadonlySet<string | undefined> = new Set(['lease_ended', 'not_found'])

interface Parts {
  ledger: Pick<Ledger, 'openLease' | 'renewLease'>
  monotonic: () => number
  isRevoked: (id: string) => boolean
  returns: LeaseReturns
  /** Called for the first failure in a row, so that an outage is one line of log. */
  onFailure: (error: unknown) => void
}

export const createLeaseFlights = (parts: Parts): LeaseFlights => {
  const { ledger, monotonic, isRevoked, returns, onFailure } = parts
  const flights = new Set<Promise<void>>()
  let isAway = false

  const retire: LeaseFlights['retire'] = (slot, options) => {
    const { lease } = slot
    slot.lease = undefined
    if (lease) returns.add(lease, options)
  }
  const isOver = (slot: Slot, { id, recalled }: Lent): boolean =>
    recalled || isRevoked(id) || slot.lineage.some(isRevoked)

  const install = (slot: Slot, lent: Lent, { wish, demand, sentAt }: Opening): void => {
    const lease = openedLease({ lent, wish, demand, sentAt })
    if (lent.state !== 'open' || isOver(slot, lent)) returns.add(lease)
    else slot.lease = lease
  }
  const open = async (slot: Slot, opening: Opening): Promise<void> => {
    slot.opening = opening
    try {
      const lent = await ledger.openLease(slot.delegationId, opening.wish, opening.key)
      slot.opening = undefined
      install(slot, lent, opening)
    } catch (error) {
      if (!isOutcomeUnknown(error) || isTooManyHolds(error)) slot.opening = undefined
      throw error
    }
  }
  /** A lease that was given without our knowing would be charged in full: so it is found first. */
  const findOpening = async (slot: Slot, opening: Opening): Promise<void> => {
    await open(slot, opening).catch((error) => {
      if (isOutcomeUnknown(error)) throw error
    })
  }
  const openNew = (slot: Slot, demand: Demand): Promise<void> => {
    const sentAt = monotonic()
    const wish = firstWish(demand, slot.most)
    return open(slot, { key: crypto.randomUUID(), wish, demand, sentAt })
  }
  const renew = async (slot: Slot, lease: HeldLease, demand: Demand): Promise<void> => {
    const sentAt = monotonic()
    const wanted = wishFor(lease, demand, sentAt, slot.most)
    const isRefused = demand.requests === 0 && requestsRefusal(slot, sentAt) !== undefined
    const wish = isRefused ? { ...wanted, requests: undefined } : wanted
    lease.seq += 1
    const report = { ...reportOf(lease.account), seq: lease.seq }
    lowerTo(lease.account, report, wish)
    const lent = await ledger.renewLease(lease.id, report, wish).catch((error) => {
      // Else it was recalled while the request was under way, and is closed by somebody else.
      if (slot.lease === lease) throw error
    })
    if (!lent) return
    if (lent.state === 'open') granted(lease, { lent, report, wish, demand, sentAt })
    if (lent.state === 'closed') slot.lease = undefined
    else if (lent.state === 'expired') retire(slot)
    else if (isOver(slot, lent)) retire(slot, { givesBack: true })
  }
  const fail = (slot: Slot, error: OAuthError, t: number): void => {
    slot.failure = { error, at: t, until: t + pauseMs }
    slot.backgroundFrom = t + Math.min(pauseMs * 2 ** slot.failures, longestPauseMs)
    slot.failures += 1
    if (isVerdict(error)) return
    if (!isAway) onFailure(error)
    isAway = true
  }
  const refusedUsd = (slot: Slot, demand: Demand, error: OAuthError, t: number): void => {
    const { lease } = slot
    const cost = demand.need ?? lease?.tailFrom ?? 1n
    // Where it still holds something a reservation has the last word, for it can have that too.
    // A report counts, whether or not more is lent.
    if (lease) lease.told = lease.account.spent
    if (lease && lease.account.authority > lease.account.spent) startTail(lease, cost)
    else slot.refusedUsd = { error, cost, at: t, until: t + usdRefusalMs }
  }
  const refusedRequests = (slot: Slot, error: OAuthError, t: number): void => {
    const { retry_after: wait } = error.details
    const ms = typeof wait === 'number' ? Math.min(wait * 1000, requestsRefusalMs) : pauseMs
    slot.refusedRequests = { error, at: t, until: t + ms }
  }
  const refused = (slot: Slot, demand: Demand, error: OAuthError): void => {
    const t = monotonic()
    const code = ledgerCode(error)
    if (isRequestsRefusal(error)) refusedRequests(slot, error, t)
    else if (isMoneyRefusal(error)) refusedUsd(slot, demand, error, t)
    else if (slot.lease && ended.has(code)) slot.lease = undefined
    else if (slot.lease && code === 'stale_report') retire(slot)
    else if (!slot.lease && (code === 'not_found' || isTooManyHolds(error))) {
      slot.isUnknown = code === 'not_found'
      slot.unlentUntil = t + (slot.isUnknown ? unlentMs : crowdedMs)
    } else fail(slot, error, t)
  }
  const fly = async (slot: Slot): Promise<void> => {
    // What is asked for in the same breath goes along.
    await undefined
    const { demand } = slot
    slot.demand = noDemand()
    slot.isGathering = false
    if (slot.lease && !isUsable(slot.lease, monotonic())) retire(slot)
    if (!slot.lease && slot.opening) await findOpening(slot, slot.opening)
    const isWanted = demand.need !== undefined || demand.requests > 0
    if (slot.lease) await renew(slot, slot.lease, demand)
    else if (isWanted) await openNew(slot, demand)
    slot.failures = 0
    isAway = false
  }
  const start = async (slot: Slot): Promise<void> => {
    const { demand } = slot
    try {
      await fly(slot)
    } catch (error) {
      refused(slot, demand, isOAuthError(error) ? error : unexpected(error))
    } finally {
      slot.flight = undefined
      slot.isGathering = false
    }
  }
  const join: LeaseFlights['join'] = (slot, more) => {
    if (slot.flight && !slot.isGathering) return slot.flight
    addDemand(slot.demand, more)
    if (slot.flight) return slot.flight
    slot.isGathering = true
    const flight = start(slot).finally(() => flights.delete(flight))
    slot.flight = flight
    flights.add(flight)
    return flight
  }
  return {
    join,
    retire,
    refresh: (slot, t) => {
      if (slot.flight || t < slot.backgroundFrom || flights.size >= maxBackground) return
      void join(slot, {})
    },
    settled: async () => {
      await Promise.all(flights)
    },
  }
}
