/** One bounded request to the authorization server: in size, in time, and to the address meant. */
import { isOAuthError, OAuthError, parseJsonObject } from '@behalf/protocol'
import type { Settings } from './settings.js'

export interface BoundedRequestOptions {
  settings: Pick<Settings, 'fetch' | 'timeoutMs'>
  init?: RequestInit
  /** Bytes of the body. @defaultValue 262144 */
  maxBytes?: number
}

export interface BoundedResponse {
  status: number
  bytes: Uint8Array
  headers: Headers
}

const defaultMaxBytes = 262_144

/** The words of an error alone: some fetch implementations hang the request on it, headers and all. */
const bare = (error: unknown): Error => new Error(error instanceof Error ? error.message : 'failed')

export const unavailable = (
  reason: string,
  options: { description?: string; retryAfterSeconds?: number; cause?: unknown } = {},
): OAuthError =>
  new OAuthError('temporarily_unavailable', {
    description:
      options.description ?? 'The authorization server cannot be reached right now. Try again.',
    reason,
    headers: { 'Retry-After': String(Math.max(1, Math.ceil(options.retryAfterSeconds ?? 1))) },
    cause: options.cause,
  })

/** What a log line says of an error: the stable reason, its words, what to do, and what is behind it. */
export const why = (error: unknown): Record<string, string> => {
  const { reason, message, hint, cause } = Object(error) as Record<string, unknown>
  return {
    reason: String(reason ?? 'unexpected'),
    message: String(message ?? error),
    ...(typeof hint === 'string' && { hint }),
    ...(cause instanceof Error && { cause: cause.message }),
  }
}

const join = (parts: readonly Uint8Array[], length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

const readBytes = async (response: Response, maxBytes: number): Promise<Uint8Array> => {
  const reader = response.body?.getReader()
  const parts: Uint8Array[] = []
  let length = 0
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    parts.push(part.value)
    length += part.value.length
    if (length > maxBytes) {
      reader?.cancel().catch(() => undefined)
      throw unavailable('response_too_large')
    }
  }
  return join(parts, length)
}

// A redirect of a key set or of a ledger call could point anywhere, inside our network too. `manual`
// and not `error`, since not every runtime has `error`; and some follow whatever they are told.
const refuseRedirected = (response: Response): void => {
  if (response.redirected) throw unavailable('unexpected_redirect')
}

const exchange = async (
  url: string,
  options: BoundedRequestOptions,
  signal: AbortSignal,
): Promise<BoundedResponse> => {
  const { settings, init, maxBytes = defaultMaxBytes } = options
  const response = await settings.fetch(url, { ...init, redirect: 'manual', signal })
  refuseRedirected(response)
  return {
    status: response.status,
    bytes: await readBytes(response, maxBytes),
    headers: response.headers,
  }
}

/** @throws OAuthError `temporarily_unavailable` for everything but an answer of any status */
export const request = async (
  url: string,
  options: BoundedRequestOptions,
): Promise<BoundedResponse> => {
  const controller = new AbortController()
  // The race is for implementations of fetch, and bodies, that do not look at the signal.
  const late = new Promise<never>((_, reject) => {
    controller.signal.addEventListener('abort', () => reject(unavailable('timeout')))
  })
  const timer = setTimeout(() => controller.abort(), options.settings.timeoutMs)
  try {
    return await Promise.race([exchange(url, options, controller.signal), late])
  } catch (error) {
    if (isOAuthError(error) && error.code === 'temporarily_unavailable') throw error
    throw unavailable('network_error', { cause: bare(error) })
  } finally {
    clearTimeout(timer)
  }
}

/** A JSON object, each name in it once. @throws OAuthError `temporarily_unavailable` */
export const parseJson = (bytes: Uint8Array): Record<string, unknown> => {
  try {
    return parseJsonObject(bytes)
  } catch {
    throw unavailable('malformed_json')
  }
}

/** The JSON object of a 200. @throws OAuthError `temporarily_unavailable` */
export const requestJson = async (
  url: string,
  settings: BoundedRequestOptions['settings'],
): Promise<Record<string, unknown>> => {
  const init = { headers: { Accept: 'application/json' } }
  const { status, bytes } = await request(url, { settings, init })
  if (status !== 200) throw unavailable(`status_${status}`)
  return parseJson(bytes)
}
