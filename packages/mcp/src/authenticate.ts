/** One request: who calls, or the answer that turns them away. MCP Authorization, "Token Handling". */
import { formatScope, isOAuthError, OAuthError } from '@behalf/protocol'
import { type Caller, toResponse, type Verifier } from '@behalf/verifier'
import { type AuthInfo, toAuthInfo } from './auth-info.js'
import { audiencesOf } from './resource-url.js'

/** What is looked at in a request, whatever brought it. */
export interface GuardedRequest {
  method: string
  pathname: string
  headers: { get: (name: string) => string | null }
}

export type Authenticate = (
  request: Pick<GuardedRequest, 'headers'>,
) => Promise<AuthInfo | Response>

export interface AuthenticateOptions {
  resource: string
  resourceMetadataUrl: string
  scopes: readonly string[]
  verifier: Pick<Verifier, 'verify'>
  allowsOrigin: (origin: string | null) => boolean
  /** Told of every caller that is let in. */
  remember: (caller: Caller) => void
}

/** Seconds after which it is worth while to try again, when nobody knows better. */
const retryAfterSeconds = 5

// MCP Streamable HTTP, "Security Warning": an Origin that is present and invalid gets a 403.
const originNotAllowed = (): OAuthError =>
  new OAuthError('access_denied', {
    description: 'Pages of this origin may not call this server.',
    reason: 'origin_not_allowed',
  })

const wrongAudience = (): OAuthError =>
  new OAuthError('invalid_token', {
    description: 'The token is meant for another resource.',
    reason: 'wrong_audience',
  })

/** Our own trouble, which no other token would help against: 503, and the reason stays here. */
const unavailable = (cause: unknown): OAuthError =>
  new OAuthError('temporarily_unavailable', {
    description: 'The token cannot be checked right now. Try again.',
    headers: { 'Retry-After': String(retryAfterSeconds) },
    cause,
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

/** Every request on its own, whatever its method, its session and its messages. It never throws. */
export const createAuthenticate = (options: AuthenticateOptions): Authenticate => {
  const { resource, scopes, verifier, allowsOrigin, remember } = options
  const audiences = audiencesOf(resource)

  const verify: (request: Pick<GuardedRequest, 'headers'>) => Promise<Caller> = async (request) => {
    if (!allowsOrigin(request.headers.get('origin'))) throw originNotAllowed()
    const caller = await verifier.verify(request)
    // A verifier that was made elsewhere may be one for other audiences too.
    const audience = [caller.claims.aud].flat()
    if (!audiences.some((one) => audience.includes(one))) throw wrongAudience()
    return caller
  }
  return async (request) => {
    try {
      const caller = await verify(request)
      remember(caller)
      return toAuthInfo(caller, options)
    } catch (error) {
      return toResponse(toRefusal(error, scopes), options)
    }
  }
}
