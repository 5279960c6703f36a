/** `POST /budgets/{id}/cap` and `/top-up`: an admin moves a cap. Tokens stay as they are. */
import { maxMicroUsd, OAuthError } from '@behalf/protocol'
import { type Caller, isAdminOf, requireAdmin } from '../delegations/parties.js'
import type { Deps } from '../deps.js'
import { judgedCap } from './balance.js'
import type { Book, Budget, StoredAnswer } from './book.js'
import { notFound } from './charge-rights.js'
import { carve } from './escrow.js'
import { describeBudget } from './show-budget.js'
import { keyedRequest, refused, touching } from './work.js'

/** What an admin says: the cap, or by how much it rises. Micro-USD. */
export type CapChange = { cap: bigint | undefined } | { by: bigint }

const noCap = (): OAuthError =>
  new OAuthError('invalid_request', {
    description: 'This budget has no cap that could be raised.',
    reason: 'no_cap',
  })

const tooLarge = (): OAuthError =>
  new OAuthError('invalid_request', {
    description: 'amount_usd: the cap would be larger than any amount can be.',
    reason: 'malformed_body',
  })

const needsCap = (): OAuthError =>
  new OAuthError('invalid_request', {
    description: 'Money that is set aside must be so much: an escrow has a cap.',
    reason: 'escrow_needs_cap',
  })

/** What the cap is to be, or why not: that depends on the balance, so it is kept as the answer. */
const targetOf = (
  { wantedCap, cap }: Budget,
  change: CapChange,
): { target: bigint | undefined } | OAuthError => {
  if ('cap' in change) return { target: change.cap }
  const current = wantedCap ?? cap
  if (current === undefined) return noCap()
  const target = current + change.by
  return target > maxMicroUsd ? tooLarge() : { target }
}

const usedOf = ({ spent, held }: Budget): bigint => spent + held

/** What is spent and held already stands: the rest of a cut waits until it has ended. */
const setCap = (book: Book, id: string, target: bigint | undefined): void => {
  const row = book.change(id)
  row.wantedCap = target
  row.cap = target !== undefined && target < usedOf(row) ? usedOf(row) : target
  book.enter({ budgetIds: [id], ref: id, kind: 'cap', spent: 0n, held: 0n, cap: target })
}

/** More is set aside above, or what is not used is given back there. */
const setEscrow = (book: Book, row: Budget, target: bigint | undefined): OAuthError | undefined => {
  if (target === undefined) throw needsCap()
  const now = row.cap ?? 0n
  if (target >= now) return carve(book, row.id, target - now)
  const kept = target < usedOf(row) ? usedOf(row) : target
  book.move(row.drawnFrom ?? [], { held: kept - now }, 'escrow_return', row.id)
  const escrow = book.change(row.id)
  escrow.carved = kept
  setCap(book, row.id, target)
  return undefined
}

/** By what is wanted: while all of it is held, nothing of the cap itself can go yet. */
const isCut = (before: bigint | undefined, now: bigint | undefined): boolean =>
  now !== undefined && (before === undefined || now < before)

const mayChange = (row: Budget | undefined, caller: Caller): row is Budget =>
  row !== undefined && isAdminOf(caller, row.tenantId)

/** @throws OAuthError `access_denied`, `not_found`, for what is unknown and for what is another tenant's */
export const changeCap = async (
  id: string,
  change: CapChange,
  key: string,
  caller: Caller,
  deps: Deps,
): Promise<StoredAnswer> => {
  requireAdmin(caller)
  const [known] = await deps.store.budgets.find([id])
  if (!mayChange(known, caller)) throw notFound()
  let cut = false
  const answer = await deps.store.ledger.run({
    request: keyedRequest(caller.client, key, ['cap', id, change], deps.now()),
    touches: touching({ budgetIds: [id, ...(known.drawnFrom ?? [])] }),
    decide: (book) => {
      const [row] = book.budgetsOf([id])
      if (!mayChange(row, caller)) throw notFound()
      const before = judgedCap(row)
      const found = targetOf(row, change)
      if (found instanceof OAuthError) return refused(found)
      const { target } = found
      const isEscrow = row.carved !== undefined
      const refusal = isEscrow ? setEscrow(book, row, target) : setCap(book, id, target)
      if (refusal) return refused(refusal)
      cut = isCut(before, judgedCap(row))
      return { status: 200, body: { ...describeBudget([row]), budget_id: id } }
    },
  })
  if (cut) await deps.store.ledger.recall(id, deps.now())
  return answer
}
