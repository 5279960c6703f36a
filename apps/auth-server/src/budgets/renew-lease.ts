/** `POST /leases/{id}/renew` and `/close`: what was used, and what is wanted from now on. */
import type { leaseRenewalSchema, leaseReportSchema } from '@behalf/protocol'
import type { z } from 'zod'
import type { Deps } from '../deps.js'
import type { Client } from '../store/clients.js'
import type { Delegation } from '../store/delegations.js'
import type { Book, StoredAnswer, StoredLease } from './book.js'
import { notFound, serves } from './charge-rights.js'
import {
  applyReport,
  closeLease,
  expireLeaseIfDue,
  isInReconciliation,
  leaseAnswer,
  leaseEnded,
  leaseExpiry,
  leaseGraceSeconds,
  type Report,
  reconcileLease,
  staleReport,
} from './lease.js'
import { adjustHold, isTail, leaseRefusal } from './open-lease.js'
import { keyedRequest, refused, touching } from './work.js'

type Renewal = z.output<typeof leaseRenewalSchema>
type FinalReport = z.output<typeof leaseReportSchema>

const reportOf = ({ seq, spent_usd: spent, requests }: FinalReport): Report => ({
  seq,
  spent,
  requests,
})

/** The lease of this caller, as it is at this moment. @throws OAuthError `not_found` */
const mine = (book: Book, id: string, clientId: string): StoredLease => {
  const lease = book.lease(id)
  if (lease?.clientId !== clientId) throw notFound()
  expireLeaseIfDue(book, lease)
  return lease
}

const sameIds = (one: readonly string[], other: readonly string[]): boolean =>
  one.length === other.length && one.every((id, index) => id === other[index])

/**
 * Not to be prolonged: the delegation has ended or is for others' resources now, its budgets are others
 * than when it was opened (a new day, an escrow that was returned), or it was recalled. What is in
 * flight may still be reported.
 */
const isOver = (
  book: Book,
  lease: StoredLease,
  delegation: Delegation,
  caller: Client,
): boolean => {
  const drawn = book.drawing(delegation.budget_ids)
  const mayCharge = serves(caller, delegation) && book.isAlive(delegation.lineage)
  return lease.recalled || !mayCharge || !sameIds(drawn, lease.budgetIds)
}

/** For how long the holder may go on with a lease that is not prolonged: until it would have ended. */
const secondsLeft = ({ expiresAt }: StoredLease, now: Date): number =>
  Math.max(0, Math.floor((expiresAt.getTime() - now.getTime()) / 1000) - leaseGraceSeconds)

/** Never earlier than it was: an answer that says less may be lost, and the holder goes on. */
const later = (one: Date, other: Date): Date => (one > other ? one : other)

const renew = (
  book: Book,
  lease: StoredLease,
  body: Renewal,
  delegation: Delegation,
  caller: Client,
): StoredAnswer => {
  const answer = (ttlSeconds: number): StoredAnswer =>
    leaseAnswer(book, lease, { status: 200, ttlSeconds, tail: isTail(lease, body) })
  // What is still in flight there would be given back too early: the holder closes it when it knows.
  if (lease.state === 'expired') return answer(0)
  const over = isOver(book, lease, delegation, caller)
  applyReport(book, lease, reportOf(body))
  lease.recalled = over
  if (!over) lease.expiresAt = later(lease.expiresAt, leaseExpiry(book.now, body.ttl_seconds))
  adjustHold(book, lease, body, !over)
  const refusal = over ? undefined : leaseRefusal(book, lease.budgetIds, body, lease)
  if (refusal) return refusal
  return answer(over ? secondsLeft(lease, book.now) : body.ttl_seconds)
}

export const renewLease = async (
  id: string,
  body: Renewal,
  key: string,
  caller: Client,
  deps: Deps,
): Promise<StoredAnswer> => {
  const delegationId = await deps.store.ledger.delegationIdOfLease(id)
  const delegation = await deps.store.delegations.find(delegationId ?? '')
  if (!delegation) throw notFound()
  const now = deps.now()
  return deps.store.ledger.run({
    request: keyedRequest(caller, key, ['renew', id, body], now),
    touches: touching({
      leases: [id],
      budgetIds: delegation.budget_ids,
      lineage: delegation.lineage,
      countsRequests: true,
    }),
    decide: (book) => {
      const lease = mine(book, id, caller.client_id)
      if (lease.state === 'closed') return refused(leaseEnded())
      if (body.seq <= lease.seq) return refused(staleReport())
      return renew(book, lease, body, delegation, caller)
    },
  })
}

export const endLease = (
  id: string,
  body: FinalReport,
  key: string,
  caller: Client,
  deps: Deps,
): Promise<StoredAnswer> =>
  deps.store.ledger.run({
    request: keyedRequest(caller, key, ['close', id, body], deps.now()),
    touches: touching({ leases: [id], countsRequests: true }),
    decide: (book) => {
      const lease = mine(book, id, caller.client_id)
      const isLate = lease.state === 'expired' && isInReconciliation(lease, book.now)
      if (lease.state !== 'open' && !isLate) return refused(leaseEnded())
      if (body.seq <= lease.seq) return refused(staleReport())
      if (isLate) reconcileLease(book, lease, reportOf(body))
      else {
        applyReport(book, lease, reportOf(body))
        closeLease(book, lease)
      }
      return leaseAnswer(book, lease, { status: 200, ttlSeconds: 0, tail: false })
    },
  })
