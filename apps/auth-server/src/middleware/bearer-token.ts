/** An access token in the `Authorization` header. RFC 6750 §2.1: the only way in which we take one. */
import { type AccessToken, isOAuthError, OAuthError } from '@behalf/protocol'
import type { Deps } from '../deps.js'
import { verifyAccessToken } from '../verify-access-token.js'

export const bearerOf = (header: string): string | undefined => /^Bearer +(\S+)$/i.exec(header)?.[1]

/** RFC 6750 §3: with 401, and with the challenge. */
export const refuseToken = (description: string, reason: string): OAuthError =>
  new OAuthError('invalid_token', {
    description,
    reason,
    headers: { 'WWW-Authenticate': 'Bearer error="invalid_token"' },
  })

/** RFC 6750 §3.1 */
export const insufficientScope = (scope: string): OAuthError =>
  new OAuthError('insufficient_scope', {
    description: `This needs the scope ${scope}.`,
    reason: 'insufficient_scope',
    headers: { 'WWW-Authenticate': `Bearer error="insufficient_scope", scope="${scope}"` },
  })

/** Signature, type, issuer and times; a refusal carries the challenge. */
export const readBearerToken = (text: string, deps: Deps): AccessToken => {
  try {
    return verifyAccessToken(text, deps)
  } catch (error) {
    if (!isOAuthError(error)) throw error
    throw refuseToken(
      error.description ?? 'The token is not acceptable.',
      error.reason ?? 'malformed',
    )
  }
}
