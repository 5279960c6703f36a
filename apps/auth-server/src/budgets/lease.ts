/** What a lease holds and what is reported of it. A lease is money that is held already. */
import { formatUsd, OAuthError } from '@behalf/protocol'
import { remainingUsd } from './balance.js'
import type { Book, StoredAnswer, StoredLease } from './book.js'
import { countRequests, fewestRequests, minuteOf } from './rolling-hour.js'
import { type LedgerWork, plusSeconds, reconciliationSeconds, touching } from './work.js'

/** The holder stops after its ttl, the server takes the lease back so much later. */
export const leaseGraceSeconds = 10

export const leaseExpiry = (now: Date, ttlSeconds: number): Date =>
  plusSeconds(now, ttlSeconds + leaseGraceSeconds)

/** Totals since the lease was opened. */
export interface Report {
  seq: number
  spent: bigint | undefined
  requests: number | undefined
}

export const leaseEnded = (): OAuthError =>
  new OAuthError('lease_ended', {
    description: 'This lease has ended.',
    reason: 'lease_ended',
    hint: 'Open another one.',
  })

export const staleReport = (): OAuthError =>
  new OAuthError('stale_report', {
    description: 'A later report of this lease is known already.',
    reason: 'stale_report',
    hint: 'Count seq up with every report.',
  })

const max = (one: bigint, other: bigint): bigint => (one > other ? one : other)
const min = (one: bigint, other: bigint): bigint => (one < other ? one : other)

/** What this report says beyond the last one. A total that goes back says nothing new. */
const newsOf = (lease: StoredLease, { spent, requests }: Report) => ({
  spent: max(0n, (spent ?? 0n) - lease.spent - lease.overrun),
  requests: Math.max(0, (requests ?? 0) - lease.requestsUsed),
})

/** Holds more or, below nothing, gives back. */
export const changeHold = (book: Book, lease: StoredLease, money: bigint, requests = 0): void => {
  book.move(lease.budgetIds, { held: money }, money > 0n ? 'lease' : 'lease_return', lease.id)
  for (const { id } of book.budgetsOf(lease.budgetIds)) {
    if (requests !== 0) book.change(id).requestsHeld += requests
  }
  lease.held += money
  lease.requestsHeld += requests
  book.putLease(lease)
}

/** Spends out of the hold what was used; what goes beyond it is the meter's overrun. */
export const applyReport = (book: Book, lease: StoredLease, report: Report): void => {
  const news = newsOf(lease, report)
  const spent = min(news.spent, lease.held)
  book.move(lease.budgetIds, { spent, held: -spent }, 'lease_spend', lease.id)
  lease.held -= spent
  lease.spent += spent
  lease.overrun += news.spent - spent
  const used = Math.min(news.requests, lease.requestsHeld)
  changeHold(book, lease, 0n, -used)
  countRequests(book, book.budgetsOf(lease.budgetIds), used, minuteOf(book.now))
  lease.requestsUsed += news.requests
  lease.seq = report.seq
}

const end = (book: Book, lease: StoredLease, state: 'closed' | 'expired'): void => {
  book.countLease(lease.budgetIds, -1)
  lease.state = state
  lease.endedAt = book.now
  book.putLease(lease)
}

/** Gives back what was not used. */
export const closeLease = (book: Book, lease: StoredLease): void => {
  changeHold(book, lease, -lease.held, -lease.requestsHeld)
  end(book, lease, 'closed')
}

/**
 * The last minute in which its requests may have been made. A lease that was fenced off may be used by
 * a holder that has not heard of it, until it would have ended.
 */
const lastMinute = ({ endedAt, expiresAt }: StoredLease): number =>
  minuteOf(endedAt && endedAt > expiresAt ? endedAt : expiresAt)

/** Nobody knows what became of it, so all of it counts as used until somebody says. */
export const expireLease = (book: Book, lease: StoredLease): void => {
  const { held, requestsHeld } = lease
  book.move(lease.budgetIds, { spent: held, held: -held }, 'lease_expire', lease.id)
  lease.held = 0n
  lease.expired = held
  changeHold(book, lease, 0n, -requestsHeld)
  lease.requestsExpired = requestsHeld
  end(book, lease, 'expired')
  countRequests(book, book.budgetsOf(lease.budgetIds), requestsHeld, lastMinute(lease))
}

/** What is overdue ends first: the time decides, not when the timer comes round. */
export const expireLeaseIfDue = (book: Book, lease: StoredLease): void => {
  if (lease.state === 'open' && lease.expiresAt < book.now) expireLease(book, lease)
}

export const isInReconciliation = ({ expiresAt }: StoredLease, now: Date): boolean =>
  now <= plusSeconds(expiresAt, reconciliationSeconds)

/** The last word on a lease that was charged in full: the rest comes back. */
export const reconcileLease = (book: Book, lease: StoredLease, report: Report): void => {
  const news = newsOf(lease, report)
  const spent = min(news.spent, lease.expired)
  book.move(lease.budgetIds, { spent: spent - lease.expired }, 'lease_refund', lease.id)
  const used = Math.min(news.requests, lease.requestsExpired)
  const unused = lease.requestsExpired - used
  countRequests(book, book.budgetsOf(lease.budgetIds), -unused, lastMinute(lease))
  lease.spent += spent
  lease.overrun += news.spent - spent
  lease.requestsUsed += news.requests
  lease.expired = 0n
  lease.requestsExpired = 0
  lease.seq = report.seq
  lease.state = 'closed'
  book.putLease(lease)
}

const left = (book: Book, { budgetIds }: StoredLease) => {
  const fewest = fewestRequests(book, book.budgetsOf(budgetIds))
  return {
    ...remainingUsd(book.money(budgetIds)),
    ...(fewest && { remaining_requests: fewest.left }),
  }
}

export interface LeaseAnswer {
  status: 200 | 201
  ttlSeconds: number
  tail: boolean
}

export const leaseAnswer = (
  book: Book,
  lease: StoredLease,
  { status, ttlSeconds, tail }: LeaseAnswer,
): StoredAnswer => ({
  status,
  body: {
    id: lease.id,
    delegation_id: lease.delegationId,
    state: lease.state,
    epoch: lease.epoch,
    seq: lease.seq,
    amount_usd: formatUsd(lease.held),
    requests: lease.requestsHeld,
    ttl_seconds: ttlSeconds,
    expires_at: lease.expiresAt.toISOString(),
    tail,
    recalled: lease.recalled,
    ...(lease.overrun > 0n && { overrun_usd: formatUsd(lease.overrun) }),
    ...left(book, lease),
  },
})

/** Ends a lease whose time is over, if nobody has done so. */
export const expireLeaseWork = (id: string): LedgerWork => ({
  request: undefined,
  touches: touching({ leases: [id], countsRequests: true }),
  decide: (book) => {
    const lease = book.lease(id)
    if (lease) expireLeaseIfDue(book, lease)
    return { status: 200, body: {} }
  },
})
