/** One bounded request for a JSON object: in size, in time, and to the address that was meant. */
import { isOAuthError, OAuthError, parseJsonObject } from '@behalf/protocol'
import { readBytes } from './bounded-bytes.js'
import type { Fetch } from './settings.js'

/** Metadata and token responses are a few kilobytes. */
const defaultMaxBytes = 65_536
const maxCauses = 3

export interface RequestJsonOptions {
  fetch: Fetch
  timeoutMs: number
  init?: RequestInit
  /** @defaultValue 65536 */
  maxBytes?: number | undefined
  /** Who is asked, for the words of an error: "The authorization server". */
  party: string
}

export interface JsonResponse {
  status: number
  /** `undefined` when the body is not a JSON object, or has a member twice. */
  body: Record<string, unknown> | undefined
  headers: Headers
}

/**
 * The words of an error and nothing that a fetch implementation may have hung on it: some carry the
 * request, headers and all.
 */
const bareCause = (error: unknown, depth = 0): Error | undefined => {
  if (!(error instanceof Error) || depth > maxCauses) return undefined
  const cause = bareCause(error.cause, depth + 1)
  const bare = new Error(error.message, cause && { cause })
  bare.name = error.name
  return bare
}

const unreachable = (party: string, url: string, error: unknown): OAuthError =>
  new OAuthError('temporarily_unavailable', {
    description: `${party} could not be reached, or did not answer in time.`,
    reason: 'network_error',
    hint: `Check that ${new URL(url).origin} is up and can be reached from here, then try again.`,
    cause: bareCause(error),
  })

const tooLarge = (party: string, maxBytes: number): OAuthError =>
  new OAuthError('server_error', {
    description: `${party} answered with more than ${maxBytes} bytes.`,
    reason: 'response_too_large',
  })

const readObject = (bytes: Uint8Array): Record<string, unknown> | undefined => {
  try {
    return parseJsonObject(bytes)
  } catch {
    return undefined
  }
}

// RFC 9700 §4.12: a followed 307 would repeat the credentials in its body somewhere else. `manual`
// and not `error`, since not every runtime has `error` and none tells what went wrong.
const refuseRedirect = (response: Response, party: string): void => {
  const redirect = response.status >= 300 && response.status < 400
  if (!redirect && !response.redirected && response.type !== 'opaqueredirect') return
  throw new OAuthError('server_error', {
    description: `${party} answered with a redirect, which is not followed.`,
    reason: 'unexpected_redirect',
    hint: 'Use the final address: a proxy or a trailing slash may be what redirects.',
  })
}

/** Rejects when the signal fires, for implementations of fetch that do not look at it. */
const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })

/** @throws OAuthError `temporarily_unavailable` or `server_error` */
export const requestJson = async (
  url: string,
  options: RequestJsonOptions,
): Promise<JsonResponse> => {
  const { fetch, timeoutMs, init, party, maxBytes = defaultMaxBytes } = options
  const signal = AbortSignal.timeout(timeoutMs)
  const exchange = async (): Promise<JsonResponse> => {
    const response = await fetch(url, { ...init, redirect: 'manual', signal })
    refuseRedirect(response, party)
    const bytes = await readBytes(response.body, maxBytes)
    if (!bytes) throw tooLarge(party, maxBytes)
    return { status: response.status, body: readObject(bytes), headers: response.headers }
  }
  try {
    return await Promise.race([exchange(), aborted(signal)])
  } catch (error) {
    throw isOAuthError(error) ? error : unreachable(party, url, error)
  }
}
