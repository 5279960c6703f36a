/**
 * The refusal of whoever asks too often. Stock clients throw their credentials or their tokens away at
 * `invalid_client` and `invalid_grant`, and do not know a code of our own: of the codes of RFC 6749
 * `temporarily_unavailable` says what is so, and costs them nothing.
 */
import { OAuthError, type OAuthErrorOptions } from '@behalf/protocol'
import type { Counter } from './counters.js'
import { type RateLimit, rateLimitFields } from './rate-limit-fields.js'

export interface TooManyOptions extends Pick<OAuthErrorOptions, 'description' | 'reason' | 'hint'> {
  /** RFC 8628 §3.5: a device that polls goes on at `slow_down`, and gives up at every other code. */
  code?: 'temporarily_unavailable' | 'slow_down'
}

export const tooMany = (
  policy: RateLimit,
  waitSeconds: number,
  { code = 'temporarily_unavailable', ...words }: TooManyOptions,
): OAuthError =>
  new OAuthError(code, { ...words, status: 429, headers: rateLimitFields(policy, waitSeconds) })

/** @throws OAuthError 429 */
export const countOrRefuse = async (
  { count, policy }: Counter,
  who: string,
  words: TooManyOptions,
): Promise<void> => {
  const wait = await count(who)
  if (wait !== undefined) throw tooMany(policy, wait, words)
}
