/** What is left, and who leaves the least. Pure. */
import { formatUsd, OAuthError } from '@behalf/protocol'
import type { Balance } from '../store/reservations.js'

export interface Tightest {
  /** `tenant:ID`, `agent:CLIENT_ID` or a delegation. */
  id: string
  /** Micro-USD. */
  remaining: bigint
}

/** The budget with a cap that leaves the least; `undefined` when none has a cap. */
export const tightest = (balances: readonly Balance[]): Tightest | undefined =>
  balances
    .flatMap(({ id, cap, spent, held }) =>
      cap === undefined ? [] : [{ id, remaining: cap - spent - held }],
    )
    .reduce<Tightest | undefined>(
      (least, one) => (least && least.remaining <= one.remaining ? least : one),
      undefined,
    )

export const remainingUsd = (balances: readonly Balance[]): { remaining_usd?: string } => {
  const least = tightest(balances)
  if (!least) return {}
  // Below nothing where a cap was cut: nothing is left all the same.
  return { remaining_usd: formatUsd(least.remaining > 0n ? least.remaining : 0n) }
}

/** RFC 9457 members beside those of an OAuth error, so that either kind of client can read it. */
export const budgetRefusal = (required: bigint, balances: readonly Balance[]): OAuthError => {
  const { id, remaining } = tightest(balances) ?? { id: 'unknown', remaining: 0n }
  const exhausted = remaining <= 0n
  return new OAuthError(exhausted ? 'budget_exhausted' : 'insufficient_budget', {
    description: exhausted
      ? 'The budget is spent.'
      : 'The budget does not cover this any more; something smaller may still fit.',
    reason: exhausted ? 'budget_exhausted' : 'insufficient_budget',
    details: {
      required: formatUsd(required),
      remaining: formatUsd(remaining > 0n ? remaining : 0n),
      limited_by: id,
    },
  })
}
