/** What is left, and who leaves the least. Pure. */
import { formatUsd, OAuthError } from '@behalf/protocol'
import type { Budget } from './book.js'
import { readPeriodId } from './periods.js'

export type Balance = Pick<Budget, 'id' | 'cap' | 'wantedCap' | 'spent' | 'held'>

export interface Tightest {
  /** `tenant:ID`, `agent:CLIENT_ID`, a delegation, or a period of these. */
  id: string
  /** Micro-USD. */
  remaining: bigint
}

/** The cap that new holds are judged by. */
export const judgedCap = ({ cap, wantedCap }: Balance): bigint | undefined => {
  if (cap === undefined || wantedCap === undefined) return cap
  return wantedCap < cap ? wantedCap : cap
}

/** Micro-USD that are left; `undefined` without a cap. Below nothing where a cap was cut. */
export const leftOf = (balance: Balance): bigint | undefined => {
  const cap = judgedCap(balance)
  return cap === undefined ? undefined : cap - balance.spent - balance.held
}

/** What a budget without a cap can count up to: PostgreSQL's bigint. */
const maxBalance = 9_223_372_036_854_775_807n

/** Micro-USD that still fit, with a cap or without one. */
export const roomOf = (balance: Balance): bigint =>
  (judgedCap(balance) ?? maxBalance) - balance.spent - balance.held

/** Does the amount fit on every one of them? */
export const covers = (balances: readonly Balance[], amount: bigint): boolean =>
  balances.every((balance) => roomOf(balance) >= amount)

/** The budget with a cap that leaves the least; `undefined` when none has a cap. */
export const tightest = (balances: readonly Balance[]): Tightest | undefined =>
  balances
    .flatMap((balance) => {
      const remaining = leftOf(balance)
      return remaining === undefined ? [] : [{ id: balance.id, remaining }]
    })
    .reduce<Tightest | undefined>(
      (least, one) => (least && least.remaining <= one.remaining ? least : one),
      undefined,
    )

/** Below nothing where a cap was cut: nothing is left all the same. */
const shown = (remaining: bigint): string => formatUsd(remaining > 0n ? remaining : 0n)

export const remainingUsd = (balances: readonly Balance[]): { remaining_usd?: string } => {
  const least = tightest(balances)
  return least ? { remaining_usd: shown(least.remaining) } : {}
}

export const renewsAt = (id: string): { renews_at?: string } => {
  const period = readPeriodId(id)
  return period ? { renews_at: period.renewsAt.toISOString() } : {}
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
      remaining: shown(remaining),
      limited_by: id,
      ...renewsAt(id),
    },
  })
}
