/** One lease in the ledger against what its holder was told. */
import type { Operation } from './acknowledgements.js'
import type { LeaseRow } from './books.js'
import { microsOf } from './money.js'

const describe = ({ id, state, seq, held, spent, expired }: LeaseRow): string =>
  `lease ${id} (${state}, seq ${seq}, ${held} held, ${spent} spent, ${expired} expired)`

/** Reports that were applied for certain: on a lease that had expired, only a close is. */
const wasApplied = ({ kind, answer }: Operation): boolean =>
  answer !== undefined && (kind === 'close' || answer.body.state !== 'expired')

/** @param reports of renewals and closes, which were one after the other */
export const checkLease = (
  row: LeaseRow,
  opened: Operation | undefined,
  reports: readonly Operation[],
): string[] => {
  if (opened?.kind !== 'lease') return [`nobody asked for ${describe(row)}`]
  const newest = reports.filter(wasApplied).at(-1)
  const told = { seq: Number(newest?.body.seq ?? 0), spent: microsOf(newest?.body.spent_usd ?? 0) }
  const problems: string[] = []
  if (row.seq < told.seq) problems.push(`report ${told.seq} is lost from ${describe(row)}`)
  if (row.spent + row.expired < told.spent)
    problems.push(`${told.spent} is not in ${describe(row)}`)
  const last = reports.find(({ body }) => body.seq === row.seq)
  if (row.seq > 0 && !last) problems.push(`nobody has reported ${describe(row)}`)
  if (last && row.spent !== microsOf(last.body.spent_usd)) {
    problems.push(`${last.body.spent_usd} was reported of ${describe(row)}`)
  }
  if (row.overrun > 0n) problems.push(`more was spent than was held of ${describe(row)}`)
  if (reports.some(({ kind, answer }) => kind === 'close' && answer) && row.state !== 'closed') {
    problems.push(`a close was acknowledged of ${describe(row)}`)
  }
  return problems
}
