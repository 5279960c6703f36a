/** One request: who calls, or the answer that turns them away. MCP Authorization, "Token Handling". */
import { formatScope, isOAuthError, OAuthError } from '@behalf/protocol'
import { type Caller, requireScope, toResponse, type Verifier } from '@behalf/verifier'
import { type AuthInfo, toAuthInfo } from './auth-info.js'
import { type Cors, withHeaders } from './cors.js'
import type { DownstreamCaller } from './downstream.js'
import type { GuardedRequest } from './guarded-request.js'
import { audiencesOf } from './resource-url.js'

export type Authenticate = (
  request: GuardedRequest,
  /** Beside those of the guard, for this route. */
  scopes?: readonly string[],
) => Promise<AuthInfo | Response>

export interface AuthenticateOptions {
  resource: string
  resourceMetadataUrl: string
  scopes: readonly string[]
  verifier: Pick<Verifier, 'verify'>
  allowsHost: (host: string | null) => boolean
  allowsOrigin: (origin: string | null) => boolean
  cors: Cors
  /** Makes of every caller that is let in the one that tools are given. */
  admit: (caller: Caller) => DownstreamCaller
}

/** Seconds after which it is worth while to try again, when nobody knows better. */
const retryAfterSeconds = 5

const denied = (reason: string, description: string): OAuthError =>
  new OAuthError('access_denied', { description, reason })

/** Our own trouble, which no other token would help against: 503, and the reason stays here. */
const unavailable = (cause: unknown): OAuthError =>
  new OAuthError('temporarily_unavailable', {
    description: 'The token cannot be checked right now. Try again.',
    headers: { 'Retry-After': String(retryAfterSeconds) },
    cause,
  })

const wrongAudience = (): OAuthError =>
  new OAuthError('invalid_token', {
    description: 'The token is meant for another resource.',
    reason: 'wrong_audience',
  })

/** RFC 6750 §3: a client without a good token learns at once all that it should ask for. */
const withScope = (error: OAuthError, scopes: readonly string[]): OAuthError => {
  if (error.code !== 'invalid_token' || scopes.length === 0) return error
  const { status, description, reason, headers, cause } = error
  const details = { ...error.details, scope: formatScope(scopes) }
  return new OAuthError('invalid_token', { status, description, reason, headers, details, cause })
}

const toRefusal = (error: unknown, scopes: readonly string[]): OAuthError =>
  !isOAuthError(error) || error.code === 'server_error'
    ? unavailable(error)
    : withScope(error, scopes)

/** @throws OAuthError before any token is looked at */
const createPlaceCheck =
  ({ allowsHost, allowsOrigin }: Pick<AuthenticateOptions, 'allowsHost' | 'allowsOrigin'>) =>
  ({ host, headers }: GuardedRequest): void => {
    // MCP Streamable HTTP, "Security Warning": an Origin that is present and invalid gets a 403.
    if (!allowsOrigin(headers.get('origin'))) {
      throw denied('origin_not_allowed', 'Pages of this origin may not call this server.')
    }
    if (!allowsHost(host)) {
      throw denied('host_not_allowed', 'This server is not to be called by this name.')
    }
  }

/** Every request on its own, whatever its method, its session and its messages. It never throws. */
export const createAuthenticate = (options: AuthenticateOptions): Authenticate => {
  const { resource, scopes, verifier, cors, admit } = options
  const audiences = audiencesOf(resource)
  const checkPlace = createPlaceCheck(options)

  const verify = async (request: GuardedRequest, needed: readonly string[]): Promise<Caller> => {
    const caller = await verifier.verify(request)
    // A verifier that was made elsewhere may be one for other audiences too.
    const audience = [caller.claims.aud].flat()
    if (!audiences.some((one) => audience.includes(one))) throw wrongAudience()
    if (needed.length > 0) requireScope(caller, ...needed)
    return caller
  }
  return async (request, needed = []) => {
    try {
      checkPlace(request)
      const preflight = cors.preflight(request)
      if (preflight) return preflight
      return toAuthInfo(admit(await verify(request, needed)), options)
    } catch (error) {
      const refusal = toRefusal(error, [...new Set([...scopes, ...needed])])
      return withHeaders(toResponse(refusal, options), cors.headers(request))
    }
  }
}
