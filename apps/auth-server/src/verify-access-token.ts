/** Verifies a token that this server signed: for exchange, introspection, revocation and the API. */
import {
  type AccessToken,
  checkAccessToken,
  checkHeader,
  OAuthError,
  parseAccessToken,
  parseCompactJws,
} from '@behalf/protocol'
import { type Deps, toSeconds } from './deps.js'
import { verifyJws } from './jws-signature.js'

/** A token that was signed here, whether or not it is still good. @throws OAuthError `invalid_token` */
export const readSigned = (token: string, { keys }: Pick<Deps, 'keys'>): AccessToken => {
  const { header, payload, signingInput, signature } = parseCompactJws(token)
  const { alg, kid } = checkHeader(header)
  const key = keys.find(kid)
  if (!key || key.alg !== alg || !verifyJws(alg, key.publicKey, signingInput, signature)) {
    throw new OAuthError('invalid_token', {
      description: 'The token was not signed here.',
      reason: key ? 'bad_signature' : 'unknown_key',
    })
  }
  return parseAccessToken(payload)
}

/** @throws OAuthError `invalid_token` */
export const checkTimes = (token: AccessToken, { issuer, now }: Pick<Deps, 'issuer' | 'now'>) =>
  checkAccessToken(token, {
    issuer,
    now: toSeconds(now()),
    // Other servers of this database may be ahead by a little; an end is an end.
    expiryToleranceSeconds: 0,
  })

/**
 * Signature, type, issuer and times. Whether its delegations are alive is the caller's to ask.
 *
 * @throws OAuthError `invalid_token`
 */
export const verifyAccessToken = (token: string, deps: Deps): AccessToken => {
  const parsed = readSigned(token, deps)
  checkTimes(parsed, deps)
  return parsed
}
