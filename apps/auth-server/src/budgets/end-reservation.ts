/** The second phase: settle what was used, or release it. A reservation ends once. */
import { formatUsd, OAuthError } from '@behalf/protocol'
import type { Deps } from '../deps.js'
import type { Client } from '../store/clients.js'
import type { StoredAnswer } from '../store/idempotency-keys.js'
import type { Balance, Ending, Ledger, StoredReservation } from '../store/reservations.js'
import { remainingUsd } from './balance.js'
import { notFound } from './charge-rights.js'
import { keyedRequest, plusSeconds, refused } from './reserve.js'

/** A reservation that expired and was charged can still be settled for this long. */
export const reconciliationSeconds = 24 * 3600

const ended = (): OAuthError =>
  new OAuthError('reservation_ended', {
    description: 'This reservation has ended already.',
    reason: 'reservation_ended',
  })

/**
 * Settles at `actual`, and never above what was reserved: what was used beyond that is recorded as
 * the meter's overrun. After an expiry that charged, the difference is refunded.
 */
const settlement = (reservation: StoredReservation, actual: bigint, now: Date): Ending => {
  const { amount, state, expiresAt } = reservation
  const charged = actual < amount ? actual : amount
  const common = { state: 'settled', charged, overrun: actual - charged, at: now } as const
  if (state === 'reserved') return { ...common, kind: 'settle', spent: charged, held: -amount }
  const inWindow = now <= plusSeconds(expiresAt, reconciliationSeconds)
  if (state !== 'expired_charged' || !inWindow) throw ended()
  return { ...common, kind: 'refund', spent: charged - amount, held: 0n }
}

/** The effect did not happen: all of it comes back. */
const releasing = (reservation: StoredReservation, now: Date): Ending => {
  const nothing = settlement(reservation, 0n, now)
  return { ...nothing, state: 'released', kind: nothing.kind === 'refund' ? 'refund' : 'release' }
}

const answer = (
  { id, delegationId, amount, expiresAt }: StoredReservation,
  { state, charged, overrun }: Ending,
  after: Balance[],
): StoredAnswer => ({
  status: 200,
  body: {
    id,
    delegation_id: delegationId,
    state,
    amount_usd: formatUsd(amount),
    charged_usd: formatUsd(charged),
    ...(overrun > 0n && { overrun_usd: formatUsd(overrun) }),
    expires_at: expiresAt.toISOString(),
    ...remainingUsd(after),
  },
})

/** @param actual micro-USD that were used; `undefined` releases */
export const endReservation = async (
  id: string,
  actual: bigint | undefined,
  key: string,
  caller: Client,
  deps: Deps,
): Promise<StoredAnswer> => {
  const now = deps.now()
  const work = async (ledger: Ledger): Promise<StoredAnswer> => {
    const reservation = await ledger.take(id, caller.client_id, now)
    if (!reservation) throw notFound()
    try {
      const ending =
        actual === undefined ? releasing(reservation, now) : settlement(reservation, actual, now)
      return answer(reservation, ending, await ledger.end(reservation, ending))
    } catch (error) {
      // It has moved nothing.
      if (error instanceof OAuthError && error.code === 'reservation_ended') return refused(error)
      throw error
    }
  }
  const asked = ['end', id, actual?.toString() ?? 'release']
  return deps.store.reservations.once(keyedRequest(caller, key, asked, now), work)
}
