/** `fetch` with the right token: for one resource, at one origin, in three attempts at most. */
import {
  intersectScope,
  isOAuthError,
  isResourceUri,
  isSecureUrl,
  missingScope,
  OAuthError,
  readScope,
} from '@behalf/protocol'
import type { AgentToken } from './agent-token.js'
import { discard } from './bounded-bytes.js'
import { bearerChallenge } from './challenge.js'
import type { Access } from './resource-metadata.js'
import type { Fetch } from './settings.js'

/** Where tokens come from: an agent's own, or one that it was lent. */
export interface TokenSource {
  fetch: Fetch
  /** What to ask a token for at this URL; `undefined` while nobody knows. */
  access(url: URL): Access | undefined
  token(access: Access): Promise<AgentToken>
  drop(token: AgentToken): void
  learn?(url: URL, response: Response): Promise<Access | undefined>
  /** Told when more scope was needed and given. Absent: the source cannot ask for more. */
  widened?(access: Access): void
  /** No challenge makes it ask for more scope than this. Absent: the server decides alone. */
  ceiling?: readonly string[] | undefined
}

/** For calls that shall go another way than all others. */
export interface CarriedBy {
  /** Carries this call. @defaultValue that of `createAgent` */
  fetch?: Fetch | undefined
}

interface Attempt {
  access?: Access | undefined
  token?: AgentToken | undefined
  refreshed?: boolean
  steppedUp?: boolean
}

const maxAttempts = 3

const urlOf = (input: string | URL | Request): URL =>
  new URL(input instanceof Request ? input.url : input)

const refuse = (reason: string, description: string, hint: string): OAuthError =>
  new OAuthError('invalid_target', { description, reason, hint })

const checkSecure = (url: URL): void => {
  if (isSecureUrl(url.href)) return
  throw refuse(
    'insecure_url',
    'A token may go to https only (plain http only on loopback).',
    'Call the https address, without a user name in it.',
  )
}

/** A token for one resource may not be sent to another origin. */
export const checkOrigin = (resource: string, url: URL): void => {
  if (isResourceUri(resource) && new URL(resource).origin === url.origin) return
  throw refuse(
    'wrong_origin',
    `The token for this resource may not be sent to ${url.origin}.`,
    'Name the resource that this URL belongs to: fetch(url, init, { resource }).',
  )
}

// A stream can be read once: a second attempt would send the rest of it, or nothing.
const canReplay = (input: string | URL | Request, init: RequestInit): boolean => {
  const { body } = init
  if (body === undefined || body === null) return !(input instanceof Request && input.body)
  if (typeof body === 'string' || body instanceof URLSearchParams) return true
  if (body instanceof Blob || body instanceof FormData) return true
  return body instanceof ArrayBuffer || ArrayBuffer.isView(body)
}

const withToken = (
  input: string | URL | Request,
  init: RequestInit,
  token: AgentToken | undefined,
): RequestInit => {
  if (!token) return init
  const headers = new Headers(init.headers ?? (input instanceof Request ? input.headers : {}))
  headers.set('authorization', `Bearer ${token.accessToken}`)
  return { ...init, headers }
}

/** After a redirect to elsewhere, it is not the resource server that speaks. */
const speaksFor = (response: Response, url: URL): boolean =>
  response.url === '' || new URL(response.url).origin === url.origin

/** A 401: learn where the token should come from, or fetch a new one, once. */
const afterUnauthorized = async (
  source: TokenSource,
  { url, response, attempt }: Refused,
): Promise<Attempt | undefined> => {
  if (!attempt.token) {
    const access = await source.learn?.(url, response)
    return access && { access, token: await source.token(access) }
  }
  if (attempt.refreshed || !attempt.access) return undefined
  source.drop(attempt.token)
  return { ...attempt, refreshed: true, token: await source.token(attempt.access) }
}

const challengedScope = (
  response: Response,
  ceiling: readonly string[] | undefined,
): readonly string[] => {
  const params = bearerChallenge(response)?.params
  if (params?.get('error') !== 'insufficient_scope') return []
  const scope = readScope(params.get('scope') ?? '') ?? []
  return ceiling ? intersectScope(scope, ceiling) : scope
}

/** The token for more scope; `undefined` when the server gives no more than there was. */
const wider = async (source: TokenSource, access: Access, had: AgentToken) => {
  try {
    const token = await source.token(access)
    return missingScope(token.scope, had.scope).length > 0 ? token : undefined
  } catch (error) {
    if (isOAuthError(error)) return undefined
    throw error
  }
}

/** A 403 for lack of scope: ask for what was had and what is needed, once. */
const afterForbidden = async (
  source: TokenSource,
  { response, attempt }: Refused,
): Promise<Attempt | undefined> => {
  const { access, token: had, steppedUp } = attempt
  const challenged = challengedScope(response, source.ceiling)
  if (!source.widened || !access || !had || steppedUp) return undefined
  if (missingScope(challenged, had.scope).length === 0) return undefined
  const more = { ...access, scope: [...new Set([...had.scope, ...challenged])] }
  const token = await wider(source, more, had)
  if (!token) return undefined
  source.widened(more)
  return { ...attempt, access: more, token, steppedUp: true }
}

interface Refused {
  url: URL
  response: Response
  attempt: Attempt
}

const nextAttempt = async (source: TokenSource, refused: Refused): Promise<Attempt | undefined> => {
  if (!speaksFor(refused.response, refused.url)) return undefined
  if (refused.response.status === 401) return afterUnauthorized(source, refused)
  if (refused.response.status === 403) return afterForbidden(source, refused)
  return undefined
}

/**
 * Calls a resource with a token. The last answer is returned whatever it says; what throws is a
 * token that cannot be had or may not be sent.
 *
 * Redirects are the platform's: the Fetch standard drops `Authorization` when the origin changes.
 */
export const authorizedFetch = async (
  source: TokenSource,
  input: string | URL | Request,
  init: RequestInit = {},
): Promise<Response> => {
  const url = urlOf(input)
  checkSecure(url)
  const access = source.access(url)
  let attempt: Attempt = { access, token: access && (await source.token(access)) }
  let response = await source.fetch(input, withToken(input, init, attempt.token))
  for (let made = 1; made < maxAttempts && canReplay(input, init); made += 1) {
    const next = await nextAttempt(source, { url, response, attempt })
    if (!next) break
    await discard(response)
    attempt = next
    response = await source.fetch(input, withToken(input, init, attempt.token))
  }
  return response
}
