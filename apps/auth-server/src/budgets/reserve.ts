/** The first phase: hold the most that an action may cost. */
import { createHash } from 'node:crypto'
import { formatUsd, type OAuthError, type reservationRequestSchema } from '@behalf/protocol'
import type { z } from 'zod'
import type { Deps } from '../deps.js'
import type { Client } from '../store/clients.js'
import type { StoredAnswer } from '../store/idempotency-keys.js'
import type { Ledger, NewReservation } from '../store/reservations.js'
import { budgetRefusal, remainingUsd } from './balance.js'
import { actionRefusal, chargeable, delegationEnded } from './charge-rights.js'

/** A key outlives the window in which its reservation can still be settled. */
const keepKeysSeconds = 48 * 3600

export const plusSeconds = (date: Date, seconds: number): Date =>
  new Date(date.getTime() + seconds * 1000)

export const keyedRequest = (client: Client, key: string, asked: unknown, now: Date) => ({
  clientId: client.client_id,
  key,
  requestHash: createHash('sha256').update(JSON.stringify(asked)).digest('base64url'),
  expiresAt: plusSeconds(now, keepKeysSeconds),
})

/** A refusal is an answer too, and kept. */
export const refused = (error: OAuthError): StoredAnswer => ({
  status: error.status,
  body: error.toJSON(),
})

const held = async (
  ledger: Ledger,
  reservation: NewReservation,
  lineage: readonly string[],
): Promise<StoredAnswer> => {
  const { amount } = reservation
  const result = await ledger.hold(reservation, lineage)
  if (!result.held) {
    return refused(result.alive ? budgetRefusal(amount, result.before) : delegationEnded())
  }
  const after = result.before.map((balance) => ({ ...balance, held: balance.held + amount }))
  return {
    status: 201,
    body: {
      id: reservation.id,
      delegation_id: reservation.delegationId,
      state: 'reserved',
      amount_usd: formatUsd(amount),
      expires_at: reservation.expiresAt.toISOString(),
      ...remainingUsd(after),
    },
  }
}

/** `POST /reservations`. The same key asks for the same thing only if the delegation is the same. */
export const reserve = async (
  body: z.output<typeof reservationRequestSchema>,
  key: string,
  caller: Client,
  deps: Deps,
): Promise<StoredAnswer> => {
  const delegation = await chargeable(body, caller, deps)
  const { amount_usd: amount, action, ttl_seconds: ttl, on_expiry: onExpiry } = body
  const now = deps.now()
  const asked = ['reserve', delegation.id, amount.toString(), action, ttl, onExpiry]
  const reservation = {
    delegationId: delegation.id,
    budgetIds: [...delegation.budget_ids],
    clientId: caller.client_id,
    action,
    amount,
    onExpiry,
    createdAt: now,
    expiresAt: plusSeconds(now, ttl),
  }
  const refusal = actionRefusal(delegation, action, amount)
  return deps.store.reservations.once(keyedRequest(caller, key, asked, now), async (ledger) =>
    refusal
      ? refused(refusal)
      : held(ledger, { id: deps.newId('rsv'), ...reservation }, delegation.lineage),
  )
}
