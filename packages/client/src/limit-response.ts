/** Refusals by a limit, read from a response that stays the caller's. */
import { parseJsonObject } from '@behalf/protocol'
import { discard, readBytes } from './bounded-bytes.js'
import type { LimitError } from './limit-error.js'
import { limitErrorFrom } from './limit-refusal.js'
import { checkLimitErrors, type LimitErrors, type Settings } from './settings.js'

export interface LimitErrorOfOptions {
  /** Milliseconds since 1970. @defaultValue Date.now */
  now?: (() => number) | undefined
  /** For the rest of the body to come. @defaultValue 10000 */
  timeoutMs?: number | undefined
}

export interface LimitOptions {
  /** What to do with a refusal by a limit. @defaultValue that of `createAgent`, else 'return' */
  limitErrors?: LimitErrors | undefined
}

/** Money and requests. A resource server may be set to send either for either. */
const statuses: ReadonlySet<number> = new Set([402, 429])
/** A problem has a few hundred bytes. */
const maxBytes = 65_536
const defaultTimeoutMs = 10_000

// RFC 9457 §3, RFC 6839 §3.1. An event stream would be read until it ends.
const isJson = (headers: Headers): boolean =>
  /^application\/(?:[\w.-]+\+)?json(?:\s*;|$)/i.test(headers.get('content-type')?.trim() ?? '')

const readBody = async (
  response: Response,
  timeoutMs: number,
): Promise<Record<string, unknown>> => {
  if (!isJson(response.headers)) return {}
  try {
    const signal = AbortSignal.timeout(timeoutMs)
    const bytes = await readBytes(response.clone().body, maxBytes, signal)
    return bytes ? parseJsonObject(bytes) : {}
  } catch {
    return {}
  }
}

/**
 * What limit a response speaks of. Its body stays unread for the caller; of a body that was read
 * already, that is no JSON, is more than 64 KiB or does not come in time, nothing is known. Members
 * of the problem (RFC 9457) come first, then `Retry-After`, then `RateLimit`.
 *
 * Never rejects: what cannot be read is not known.
 *
 * @returns `undefined` for every status but 402 and 429, and for a 402 that names no limit of ours
 */
export const limitErrorOf = async (
  response: Response,
  { now = Date.now, timeoutMs = defaultTimeoutMs }: LimitErrorOfOptions = {},
): Promise<LimitError | undefined> => {
  const { status, headers } = response
  if (!statuses.has(status)) return undefined
  const answeredAt = now()
  const body = await readBody(response, timeoutMs)
  return limitErrorFrom({ status, body, headers, now: answeredAt })
}

/** @throws TypeError when it is neither 'return' nor 'throw' */
export const limitErrorsOf = (
  settings: Settings,
  { limitErrors }: LimitOptions = {},
): LimitErrors => checkLimitErrors(limitErrors ?? settings.limitErrors)

/** The response, or a throw where its limit was to be thrown. @throws BudgetError, RateLimitError */
export const passLimit = async (
  response: Response,
  limitErrors: LimitErrors,
  { now, timeoutMs }: Settings,
): Promise<Response> => {
  const error =
    limitErrors === 'throw' ? await limitErrorOf(response, { now, timeoutMs }) : undefined
  if (!error) return response
  await discard(response)
  throw error
}
