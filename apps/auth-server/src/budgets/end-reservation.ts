/** The second phase: settle what was used, or release it. A reservation ends once. */
import { formatUsd, OAuthError } from '@behalf/protocol'
import type { Deps } from '../deps.js'
import type { Client } from '../store/clients.js'
import { remainingUsd } from './balance.js'
import type { Book, StoredAnswer, StoredReservation } from './book.js'
import { notFound } from './charge-rights.js'
import {
  keyedRequest,
  type LedgerWork,
  plusSeconds,
  reconciliationSeconds,
  refused,
  touching,
} from './work.js'

/** How a reservation ends: what leaves the hold, what is spent, and the state it ends in. */
interface Ending {
  state: 'settled' | 'released' | 'expired_charged' | 'expired_released'
  kind: 'settle' | 'release' | 'refund' | 'expire_charge' | 'expire_release'
  spent: bigint
  held: bigint
  charged: bigint
  overrun: bigint
}

const ended = (): OAuthError =>
  new OAuthError('reservation_ended', {
    description: 'This reservation has ended already.',
    reason: 'reservation_ended',
  })

/**
 * Settles at `actual`, and never above what was reserved: what was used beyond that is recorded as
 * the meter's overrun. After an expiry that charged, the difference is refunded.
 *
 * @returns `undefined` when it has ended for good
 */
const settlement = (
  { amount, state, expiresAt }: StoredReservation,
  actual: bigint,
  now: Date,
): Ending | undefined => {
  const charged = actual < amount ? actual : amount
  const common = { state: 'settled', charged, overrun: actual - charged } as const
  if (state === 'reserved') return { ...common, kind: 'settle', spent: charged, held: -amount }
  const inWindow = now <= plusSeconds(expiresAt, reconciliationSeconds)
  if (state !== 'expired_charged' || !inWindow) return undefined
  return { ...common, kind: 'refund', spent: charged - amount, held: 0n }
}

/** The effect did not happen: all of it comes back. */
const releasing = (reservation: StoredReservation, now: Date): Ending | undefined => {
  const nothing = settlement(reservation, 0n, now)
  if (!nothing) return undefined
  return { ...nothing, state: 'released', kind: nothing.kind === 'refund' ? 'refund' : 'release' }
}

const expiry = ({ amount, onExpiry }: StoredReservation): Ending =>
  onExpiry === 'charge'
    ? {
        state: 'expired_charged',
        kind: 'expire_charge',
        spent: amount,
        held: -amount,
        charged: amount,
        overrun: 0n,
      }
    : {
        state: 'expired_released',
        kind: 'expire_release',
        spent: 0n,
        held: -amount,
        charged: 0n,
        overrun: 0n,
      }

const end = (book: Book, reservation: StoredReservation, ending: Ending): void => {
  const { kind, spent, held, ...after } = ending
  book.move(reservation.budgetIds, { spent, held }, kind, reservation.id)
  Object.assign(reservation, after, { endedAt: book.now })
  book.putReservation(reservation)
}

/** What is overdue ends first: the time decides, not when the timer comes round. */
const expireIfDue = (book: Book, reservation: StoredReservation): void => {
  if (reservation.state !== 'reserved' || reservation.expiresAt >= book.now) return
  end(book, reservation, expiry(reservation))
}

const answerOf = (book: Book, reservation: StoredReservation): StoredAnswer => {
  const { id, delegationId, state, amount, charged, overrun, expiresAt, budgetIds } = reservation
  return {
    status: 200,
    body: {
      id,
      delegation_id: delegationId,
      state,
      amount_usd: formatUsd(amount),
      charged_usd: formatUsd(charged ?? 0n),
      ...(overrun && { overrun_usd: formatUsd(overrun) }),
      expires_at: expiresAt.toISOString(),
      ...remainingUsd(book.money(budgetIds)),
    },
  }
}

/** @param actual micro-USD that were used; `undefined` releases */
export const endReservation = (
  id: string,
  actual: bigint | undefined,
  key: string,
  caller: Client,
  deps: Deps,
): Promise<StoredAnswer> =>
  deps.store.ledger.run({
    request: keyedRequest(caller, key, ['end', id, actual ?? 'release'], deps.now()),
    touches: touching({ reservations: [id] }),
    decide: (book) => {
      const reservation = book.reservation(id)
      if (reservation?.clientId !== caller.client_id) throw notFound()
      expireIfDue(book, reservation)
      const ending =
        actual === undefined
          ? releasing(reservation, book.now)
          : settlement(reservation, actual, book.now)
      if (!ending) return refused(ended())
      end(book, reservation, ending)
      return answerOf(book, reservation)
    },
  })

/** Ends a reservation whose time is over, if nobody has done so. */
export const expireReservation = (id: string): LedgerWork => ({
  request: undefined,
  touches: touching({ reservations: [id] }),
  decide: (book) => {
    const reservation = book.reservation(id)
    if (reservation) expireIfDue(book, reservation)
    return { status: 200, body: {} }
  },
})
