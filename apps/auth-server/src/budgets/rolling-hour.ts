/**
 * `requests_per_hour`, on the same tree as money: what leases hold counts until it is reported, and
 * then in the minute of the report. That is never earlier than the request, so whatever the minute,
 * no hour holds more than the limit.
 */
import { OAuthError } from '@behalf/protocol'
import { rateLimitFields } from '../rate-limits/rate-limit-fields.js'
import type { Book, Budget, MinuteCount } from './book.js'

/**
 * Sixty whole minutes and the one that has begun: with one less, the requests at the end of the oldest
 * minute would be forgotten before they are an hour old.
 */
export const windowMinutes = 61
const windowSeconds = 3600

export const minuteOf = (date: Date): number => Math.floor(date.getTime() / 60_000)

const inWindow = (rows: readonly MinuteCount[], minute: number): MinuteCount[] =>
  rows.filter((row) => row.count > 0 && row.minute > minute - windowMinutes)

const sum = (rows: readonly MinuteCount[]): number =>
  rows.reduce((total, { count }) => total + count, 0)

/** Requests that the hour still has room for; `undefined` without a limit. */
export const requestsLeft = (
  { requestsPerHour, requestsHeld }: Pick<Budget, 'requestsPerHour' | 'requestsHeld'>,
  rows: readonly MinuteCount[],
  now: Date,
): number | undefined =>
  requestsPerHour === undefined
    ? undefined
    : Math.max(0, requestsPerHour - requestsHeld - sum(inWindow(rows, minuteOf(now))))

export interface LeastRequests {
  budget: Budget
  left: number
}

/** Who leaves the fewest requests; `undefined` when nobody limits them. */
export const fewestRequests = (book: Book, budgets: readonly Budget[]): LeastRequests | undefined =>
  budgets
    .flatMap((budget) => {
      const left = requestsLeft(budget, book.minutesOf(budget.id), book.now)
      return left === undefined ? [] : [{ budget, left }]
    })
    .reduce<LeastRequests | undefined>(
      (least, one) => (least && least.left <= one.left ? least : one),
      undefined,
    )

/** Seconds until the oldest minute that counts has left; a minute when only leases are in the way. */
const secondsUntilRoom = (rows: readonly MinuteCount[], limit: number, now: Date): number => {
  if (limit === 0) return windowSeconds
  const oldest = Math.min(...inWindow(rows, minuteOf(now)).map(({ minute }) => minute))
  if (!Number.isFinite(oldest)) return 60
  return Math.max(1, Math.ceil((oldest + windowMinutes) * 60 - now.getTime() / 1000))
}

export const rateRefusal = (book: Book, { budget }: LeastRequests): OAuthError => {
  const limit = budget.requestsPerHour ?? 0
  const wait = secondsUntilRoom(book.minutesOf(budget.id), limit, book.now)
  const name = 'requests_per_hour'
  return new OAuthError('rate_limited', {
    description: 'The requests of this hour are used up.',
    reason: name,
    details: { limited_by: budget.id, limit, remaining: '0', retry_after: wait },
    headers: rateLimitFields({ name, limit, windowSeconds }, wait),
  })
}

/** Uses are counted where requests are limited, in a minute that is not before any of them. */
export const countRequests = (
  book: Book,
  budgets: readonly Budget[],
  used: number,
  minute: number,
): void => {
  if (used === 0) return
  for (const { id, requestsPerHour } of budgets) {
    if (requestsPerHour !== undefined) book.count(id, minute, used)
  }
}
