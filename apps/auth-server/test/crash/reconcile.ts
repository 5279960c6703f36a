/** The client's log against the ledger: what was acknowledged is there, what is there was asked for. */
import { type Acknowledgements, type Operation, sameAnswer } from './acknowledgements.js'
import type { Books, LedgerRow, StoredAnswer } from './books.js'
import { microsOf } from './money.js'
import { checkLease } from './reconcile-leases.js'

/** How a reservation may have ended when it is in this state, as an answer would have said it. */
interface End {
  state: string
  charged: bigint | undefined
}

/** What the request would do, had it been done. */
const endBy = ({ kind, body }: Operation, { amount }: LedgerRow): End => {
  if (kind === 'release') return { state: 'released', charged: 0n }
  const actual = microsOf(body.amount_usd)
  return { state: 'settled', charged: actual < amount ? actual : amount }
}

const isEnd = (row: LedgerRow, { state, charged }: End): boolean =>
  row.state === state && row.charged === charged

/** How it stands when nobody has ended it: held, or expired as its request said. */
const isLeftAlone = (row: LedgerRow, reserved: Operation): boolean => {
  if (row.state === 'reserved') return row.charged === undefined
  if (!row.overdue) return false
  return reserved.body.on_expiry === 'release'
    ? isEnd(row, { state: 'expired_released', charged: 0n })
    : isEnd(row, { state: 'expired_charged', charged: row.amount })
}

const describe = ({ id, state, amount, charged }: LedgerRow): string =>
  `${id} (${state}, ${amount} reserved, ${charged} charged)`

const checkRow = (
  row: LedgerRow,
  reserved: Operation | undefined,
  endings: readonly Operation[],
): string[] => {
  if (reserved?.kind !== 'reserve') return [`nobody asked for ${describe(row)}`]
  if (row.amount !== microsOf(reserved.body.amount_usd)) {
    return [`${describe(row)} was asked for as ${reserved.body.amount_usd}`]
  }
  const told = endings.filter(({ answer }) => answer?.status === 200)
  const doubtful = endings.filter(({ answer }) => !answer)
  if (told.length > 1) return [`${describe(row)} was acknowledged to end ${told.length} times`]
  const [ending] = told
  if (ending) {
    return isEnd(row, endBy(ending, row))
      ? []
      : [`${describe(row)} was acknowledged as ${JSON.stringify(ending.answer)}`]
  }
  if (row.state === 'reserved' && endings.some(({ answer }) => answer)) {
    return [`${describe(row)} was acknowledged to have ended`]
  }
  const explained =
    isLeftAlone(row, reserved) || doubtful.some((operation) => isEnd(row, endBy(operation, row)))
  return explained ? [] : [`nobody ended ${describe(row)}`]
}

const checkAcknowledged = (
  operation: Operation,
  known: ReadonlySet<string>,
  stored: ReadonlyMap<string, StoredAnswer>,
): string[] => {
  const { answer, key, kind } = operation
  if (!answer) return []
  const kept = stored.get(key)
  if (!kept || !sameAnswer(kept, answer)) {
    return [`${kind} ${key} was told ${JSON.stringify(answer)}; kept is ${JSON.stringify(kept)}`]
  }
  return answer.status === 201 && !known.has(String(answer.body.id))
    ? [`lost: ${kind} ${key} was told ${JSON.stringify(answer.body)}`]
    : []
}

/**
 * Everything that the log of the clients and the ledger do not agree on. Requests in doubt may have
 * happened or not; nothing else may be left open.
 */
export const disagreements = async (
  log: Acknowledgements,
  books: Books,
  delegationIds: readonly string[],
): Promise<string[]> => {
  const { reservations, leases, answers } = await books.ledger(delegationIds)
  const operations = log.of(delegationIds)
  const known = new Set([...reservations, ...leases].map(({ id }) => id))
  const stored = new Map(answers.map((answer) => [answer.key, answer]))
  const keyOf = new Map(
    answers.flatMap(({ key, status, body }) => (status === 201 ? [[String(body.id), key]] : [])),
  )
  const begunAs = ({ id }: { id: string }) => log.find(keyOf.get(id) ?? '')
  const after = new Map<string, Operation[]>()
  for (const operation of operations) {
    const id = operation.reservationId ?? operation.leaseId
    if (id !== undefined) after.set(id, [...(after.get(id) ?? []), operation])
  }
  return [
    ...reservations.flatMap((row) => checkRow(row, begunAs(row), after.get(row.id) ?? [])),
    ...leases.flatMap((row) => checkLease(row, begunAs(row), after.get(row.id) ?? [])),
    ...operations.flatMap((operation) => checkAcknowledged(operation, known, stored)),
    ...answers.flatMap(({ key }) => (log.find(key) ? [] : [`nobody used the key ${key}`])),
  ]
}
