/** What a refusal by a limit says, read into an error: each member by its shape, nothing else. */
import { parseUsd } from '@behalf/protocol'
import { readTimestamp } from './instant.js'
import {
  BudgetError,
  type BudgetErrorCode,
  isBudgetErrorCode,
  type LimitError,
  RateLimitError,
} from './limit-error.js'
import { readCount, retryAfterSeconds, type UsedUp, usedUpLimit } from './limit-headers.js'
import { budgetProblem, rateProblem } from './limit-words.js'

export interface LimitAnswer {
  /** Absent: that of the code. */
  status?: number
  body: Readonly<Record<string, unknown>>
  headers: Headers
  /** Milliseconds since 1970. */
  now: number
}

/** Why, in a word of ours. Free text of a resource may quote what it was sent, and ends in logs. */
const reasonPattern = /^[a-z][a-z0-9_]{0,63}$/
const date = '\\d{4}-\\d\\d-\\d\\d'
const party = '(?:tenant|agent):[\\x21-\\x7e]{1,200}|dlg_[\\w-]{1,64}'
const limitPattern = new RegExp(`^(?:(?:(?:day|week|month):${date}:)?(?:${party})|[a-z_]{1,64})$`)

const textOf = (value: unknown, pattern: RegExp): string | undefined =>
  typeof value === 'string' && pattern.test(value) ? value : undefined

const amountOf = (value: unknown): string | undefined =>
  typeof value === 'string' && parseUsd(value) !== undefined ? value : undefined

const afterSeconds = (seconds: number | undefined, now: number): Date | undefined =>
  seconds === undefined ? undefined : new Date(now + seconds * 1000)

const present = (members: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))

const waitOf = ({ body, headers, now }: LimitAnswer, usedUp?: UsedUp) => {
  const seconds = readCount(body.retry_after) ?? retryAfterSeconds(headers, now) ?? usedUp?.seconds
  const limitedBy = textOf(body.limited_by, limitPattern)
  return { limitedBy, retryAfterSeconds: seconds, retryAt: afterSeconds(seconds, now) }
}

const budgetError = (code: BudgetErrorCode, answer: LimitAnswer): BudgetError => {
  const { body, status } = answer
  const [required, remaining] = [amountOf(body.required), amountOf(body.remaining)]
  const renewsAt = readTimestamp(body.renews_at)
  const members = { required, remaining, renewsAt, ...waitOf(answer) }
  return new BudgetError(code, members, {
    ...budgetProblem(code, members),
    status,
    reason: textOf(body.error_detail, reasonPattern),
    details: present({
      required,
      remaining,
      limited_by: members.limitedBy,
      renews_at: renewsAt?.toISOString(),
      retry_after: members.retryAfterSeconds,
    }),
  })
}

const rateLimitError = (answer: LimitAnswer): RateLimitError => {
  const { body, headers, status } = answer
  const usedUp = usedUpLimit(headers)
  const limit = readCount(body.limit) ?? usedUp?.limit
  const remainingRequests = readCount(body.remaining) ?? (usedUp && 0)
  const members = { limit, remainingRequests, ...waitOf(answer, usedUp) }
  return new RateLimitError(members, {
    ...rateProblem(members),
    status,
    reason: textOf(body.error_detail, reasonPattern),
    details: present({
      limit,
      remaining: remainingRequests?.toString(),
      limited_by: members.limitedBy,
      retry_after: members.retryAfterSeconds,
    }),
  })
}

/**
 * The error of a refusal: of one whose body names a limit, whatever its status, and of every 429,
 * whose meaning HTTP itself gives. A 402 of somebody else may mean anything: `undefined`.
 *
 * @see RFC 6585 §4, RFC 9457 §3
 */
export const limitErrorFrom = (answer: LimitAnswer): LimitError | undefined => {
  const { error } = answer.body
  if (isBudgetErrorCode(error)) return budgetError(error, answer)
  if (error === 'rate_limited' || answer.status === 429) return rateLimitError(answer)
  return undefined
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

/**
 * Reads the members of a refusal that came in something else than a response, such as the
 * `io.modelcontextprotocol/authorization` of an MCP tool result. Never throws.
 *
 * @param body with `error`, and where they are known `error_detail`, `required`, `remaining` (decimal
 * text in USD), `limited_by`, `renews_at` (RFC 3339), `limit`, `retry_after` (seconds)
 * @param options `now` in milliseconds since 1970, by default that of this machine
 * @returns `undefined` when it is not a refusal by a limit
 */
export const limitErrorFromBody = (
  body: unknown,
  { now = Date.now }: { now?: (() => number) | undefined } = {},
): LimitError | undefined =>
  isObject(body) ? limitErrorFrom({ body, headers: new Headers(), now: now() }) : undefined
