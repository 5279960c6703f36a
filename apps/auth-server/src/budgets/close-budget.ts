/** `POST /budgets/{delegation_id}/close`: what was set aside and not spent goes back. */
import { OAuthError } from '@behalf/protocol'
import { type Caller, isParty } from '../delegations/parties.js'
import type { Deps } from '../deps.js'
import type { StoredAnswer } from './book.js'
import { notFound } from './charge-rights.js'
import { closeEscrow } from './escrow.js'
import { describeBudget } from './show-budget.js'
import { keyedRequest, refused, touching } from './work.js'

const notEscrow = (): OAuthError =>
  new OAuthError('invalid_request', {
    description: 'Nothing is set aside for this delegation: it shares the budget of its parent.',
    reason: 'not_an_escrow',
  })

/**
 * For the holder, for whoever lent it, and for admins. The delegation lives on, without money.
 *
 * @throws OAuthError `not_found`, for what is unknown and for what is somebody else's
 */
export const closeBudget = async (
  id: string,
  key: string,
  caller: Caller,
  deps: Deps,
): Promise<StoredAnswer> => {
  const delegation = await deps.store.delegations.find(id)
  if (!delegation || !(await isParty(delegation, caller, deps))) throw notFound()
  // A root has no budget of its own: it draws on the agent's.
  if (!delegation.budget_ids.includes(id)) throw notEscrow()
  // A repeat gives nothing back, and so asks nobody.
  let isClosed = false
  const answer = await deps.store.ledger.run({
    request: keyedRequest(caller.client, key, ['close_budget', id], deps.now()),
    touches: touching({ budgetIds: [id] }),
    decide: (book) => {
      const [row] = book.budgetsOf([id])
      if (!row?.drawnFrom) return refused(notEscrow())
      closeEscrow(book, id)
      isClosed = true
      return { status: 200, body: { delegation_id: id, ...describeBudget([row]) } }
    },
  })
  if (isClosed) await deps.store.ledger.recall(id, deps.now())
  return answer
}
