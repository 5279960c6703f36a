/** Refusals by a limit, with what is left and when there is more. */
import { isOAuthError, OAuthError, type OAuthErrorOptions } from '@behalf/protocol'

export type BudgetErrorCode = 'budget_exhausted' | 'insufficient_budget'

interface Waiting {
  /** The budget that leaves the least: a delegation, `agent:…`, `tenant:…`, or a period of these. */
  limitedBy: string | undefined
  /** Whole seconds, counted from the answer. */
  retryAfterSeconds: number | undefined
  /** The same, as a moment of this machine's clock. */
  retryAt: Date | undefined
}

export interface BudgetMembers extends Waiting {
  /** What was asked for, and what is left there: decimal text in USD. */
  required: string | undefined
  remaining: string | undefined
  /** When that budget starts again. `undefined`: it does not, or nobody says. */
  renewsAt: Date | undefined
}

export interface RateLimitMembers extends Waiting {
  /** Requests that are allowed in an hour, or in what the resource counts by. */
  limit: number | undefined
  remainingRequests: number | undefined
}

/**
 * Money: nothing is left (`budget_exhausted`), or less than is needed (`insufficient_budget`). Tell it
 * by {@link isBudgetError}: as with every `OAuthError`, `instanceof` fails across two copies.
 */
export class BudgetError extends OAuthError implements Readonly<BudgetMembers> {
  declare readonly code: BudgetErrorCode
  readonly required: string | undefined
  readonly remaining: string | undefined
  readonly limitedBy: string | undefined
  readonly renewsAt: Date | undefined
  readonly retryAfterSeconds: number | undefined
  readonly retryAt: Date | undefined

  constructor(code: BudgetErrorCode, members: BudgetMembers, options: OAuthErrorOptions) {
    super(code, options)
    this.required = members.required
    this.remaining = members.remaining
    this.limitedBy = members.limitedBy
    this.renewsAt = members.renewsAt
    this.retryAfterSeconds = members.retryAfterSeconds
    this.retryAt = members.retryAt
  }
}

/** Requests: too many in a time. Tell it by {@link isRateLimitError}. */
export class RateLimitError extends OAuthError implements Readonly<RateLimitMembers> {
  declare readonly code: 'rate_limited'
  readonly limit: number | undefined
  readonly remainingRequests: number | undefined
  readonly limitedBy: string | undefined
  readonly retryAfterSeconds: number | undefined
  readonly retryAt: Date | undefined

  constructor(members: RateLimitMembers, options: OAuthErrorOptions) {
    super('rate_limited', options)
    this.limit = members.limit
    this.remainingRequests = members.remainingRequests
    this.limitedBy = members.limitedBy
    this.retryAfterSeconds = members.retryAfterSeconds
    this.retryAt = members.retryAt
  }
}

export type LimitError = BudgetError | RateLimitError

export const isBudgetErrorCode = (code: unknown): code is BudgetErrorCode =>
  code === 'budget_exhausted' || code === 'insufficient_budget'

export const isBudgetError = (error: unknown): error is BudgetError =>
  isOAuthError(error) && isBudgetErrorCode(error.code)

export const isRateLimitError = (error: unknown): error is RateLimitError =>
  isOAuthError(error) && error.code === 'rate_limited'
