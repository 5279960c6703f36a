/** The first phase: hold the most that an action may cost. */
import { formatUsd, type reservationRequestSchema } from '@behalf/protocol'
import type { z } from 'zod'
import type { Deps } from '../deps.js'
import type { Client } from '../store/clients.js'
import type { Delegation } from '../store/delegations.js'
import { covers, remainingUsd } from './balance.js'
import type { Book, Budget, StoredAnswer, StoredReservation } from './book.js'
import { actionRefusal, chargeable, delegationEnded } from './charge-rights.js'
import { refusedFor } from './starving.js'
import { keyedRequest, plusSeconds, refused, touching } from './work.js'

export type ReservationRequest = z.output<typeof reservationRequestSchema>

type Asked = Pick<
  StoredReservation,
  'id' | 'delegationId' | 'clientId' | 'action' | 'amount' | 'onExpiry'
> & { ttlSeconds: number }

const refusalOf = (
  delegation: Delegation,
  { action, amount }: Asked,
  money: readonly Budget[],
  isAlive: boolean,
): StoredAnswer | undefined => {
  const forAction = actionRefusal(delegation, action, amount)
  if (forAction) return refused(forAction)
  if (!isAlive) return refused(delegationEnded())
  return covers(money, amount) ? undefined : refusedFor(amount, money)
}

const hold = (book: Book, { ttlSeconds, ...asked }: Asked, budgetIds: readonly string[]) => {
  book.move(budgetIds, { held: asked.amount }, 'reserve', asked.id)
  const reservation: StoredReservation = {
    ...asked,
    budgetIds,
    state: 'reserved',
    createdAt: book.now,
    expiresAt: plusSeconds(book.now, ttlSeconds),
    charged: undefined,
    overrun: undefined,
    endedAt: undefined,
  }
  book.putReservation(reservation)
  return reservation
}

const answerOf = (
  { id, delegationId, amount, expiresAt }: StoredReservation,
  money: readonly Budget[],
): StoredAnswer => ({
  status: 201,
  body: {
    id,
    delegation_id: delegationId,
    state: 'reserved',
    amount_usd: formatUsd(amount),
    expires_at: expiresAt.toISOString(),
    ...remainingUsd(money),
  },
})

/** `POST /reservations`. The same key asks for the same thing only if the delegation is the same. */
export const reserve = async (
  body: ReservationRequest,
  key: string,
  caller: Client,
  deps: Deps,
): Promise<StoredAnswer> => {
  const { delegation, refusal } = await chargeable(body, caller, deps)
  const { amount_usd: amount, action, ttl_seconds: ttlSeconds, on_expiry: onExpiry } = body
  const now = deps.now()
  const { client_id: clientId } = caller
  const asked = { delegationId: delegation.id, action, amount, ttlSeconds, onExpiry, clientId }
  const id = deps.newId('rsv')
  return deps.store.ledger.run({
    request: keyedRequest(caller, key, ['reserve', ...Object.values(asked)], now),
    touches: touching({
      budgetIds: delegation.budget_ids,
      lineage: delegation.lineage,
    }),
    decide: (book) => {
      if (refusal) throw refusal
      const path = book.drawing(delegation.budget_ids)
      const made = { id, ...asked }
      const money = book.money(path)
      const no = refusalOf(delegation, made, money, book.isAlive(delegation.lineage))
      return no ?? answerOf(hold(book, made, path), money)
    },
  })
}
