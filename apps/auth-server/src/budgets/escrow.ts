/** Money set aside for a child: its own whatever its siblings do, until it is given back. */
import { amountUsd, formatUsd, OAuthError } from '@behalf/protocol'
import type { Deps } from '../deps.js'
import type { NewDelegation } from '../store/issuances.js'
import { budgetRefusal, covers } from './balance.js'
import type { Book } from './book.js'
import { readBalance } from './show-budget.js'
import { type LedgerWork, touching } from './work.js'

/** Sets so much more aside above. @returns the refusal, and then nothing has moved */
export const carve = (book: Book, id: string, amount: bigint): OAuthError | undefined => {
  const [row] = book.budgetsOf([id])
  const above = book.money(row?.drawnFrom ?? [])
  // Nothing more is always covered, by a budget that was cut below what it holds as well.
  if (amount > 0n && !covers(above, amount)) return budgetRefusal(amount, above)
  const escrow = book.change(id)
  book.move(escrow.drawnFrom ?? [], { held: amount }, 'escrow', id)
  escrow.carved = (escrow.carved ?? 0n) + amount
  escrow.cap = (escrow.cap ?? 0n) + amount
  escrow.wantedCap = escrow.cap
  book.enter({ budgetIds: [id], ref: id, kind: 'cap', spent: 0n, held: 0n, cap: escrow.cap })
  return undefined
}

/**
 * Gives back what is not spent. What was spent is now spent above as well; what is still held stays
 * held there, and ends there when it ends. Nothing more is to be had: what comes back of a hold is not
 * the child's any more.
 */
export const closeEscrow = (book: Book, id: string): void => {
  const [row] = book.budgetsOf([id])
  if (row?.carved === undefined) return
  const { drawnFrom = [], carved } = row
  book.budgetsOf(drawnFrom)
  const escrow = book.change(id)
  const { spent, held } = escrow
  book.move(drawnFrom, { spent, held: held - carved }, 'escrow_return', id)
  escrow.carved = undefined
  escrow.cap = spent + held
  escrow.wantedCap = 0n
  book.enter({ budgetIds: [id], ref: id, kind: 'cap', spent: 0n, held: 0n, cap: 0n })
}

export const closeEscrowWork = (id: string): LedgerWork => ({
  request: undefined,
  touches: touching({ budgetIds: [id] }),
  decide: (book) => {
    closeEscrow(book, id)
    return { status: 200, body: {} }
  },
})

const cannotFund = ({ details }: OAuthError): OAuthError =>
  new OAuthError('access_denied', {
    description: 'The budget of the parent does not cover what is to be set aside.',
    reason: 'insufficient_budget',
    hint: 'Ask for less, or share the budget of the parent: budget_mode=shared.',
    details,
  })

type FundedDelegation = Pick<NewDelegation, 'id' | 'budget_ids' | 'set_aside'>

/** Would there be enough? Said beforehand, and decided again when it is set aside. */
export const checkFunds = async (
  { budget_ids: budgetIds, set_aside: amount }: FundedDelegation,
  deps: Deps,
): Promise<void> => {
  if (amount === undefined) return
  const { remaining_usd, limited_by } = await readBalance(budgetIds.slice(0, -1), deps)
  if (remaining_usd === undefined || amountUsd.parse(remaining_usd) >= BigInt(amount)) return
  const details = { required: formatUsd(BigInt(amount)), remaining: remaining_usd, limited_by }
  throw cannotFund(new OAuthError('insufficient_budget', { details }))
}

const fund = (book: Book, id: string, above: readonly string[], amount: bigint): void => {
  const escrow = book.change(id)
  if (escrow.drawnFrom) return
  escrow.drawnFrom = book.drawing(above)
  const refusal = carve(book, id, amount)
  if (!refusal) return
  escrow.drawnFrom = undefined
  throw cannotFund(refusal)
}

/**
 * Funds a delegation that was just made, with nothing. Nobody holds a token of it yet, so a crash in
 * between leaves a delegation that nobody has and no money lost.
 *
 * @throws OAuthError `access_denied`, and the delegation is revoked
 */
export const fundEscrow = async (
  { id, budget_ids: budgetIds, set_aside: amount }: FundedDelegation,
  deps: Deps,
): Promise<void> => {
  if (amount === undefined) return
  const above = budgetIds.slice(0, -1)
  const work: LedgerWork = {
    request: undefined,
    touches: touching({ budgetIds: [...budgetIds] }),
    decide: (book) => {
      fund(book, id, above, BigInt(amount))
      return { status: 200, body: {} }
    },
  }
  try {
    await deps.store.ledger.run(work)
  } catch (error) {
    await deps.store.revocations.revoke({ delegation_id: id }, 'escrow_refused', deps.now())
    throw error
  }
}
