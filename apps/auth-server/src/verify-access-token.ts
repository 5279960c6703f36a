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

const readSigned = (token: string, { keys }: Pick<Deps, 'keys'>): AccessToken => {
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

/**
 * Signature, type, issuer and times. Whether its delegations are alive is the caller's to ask.
 *
 * @throws OAuthError `invalid_token`
 */
export const verifyAccessToken = (token: string, deps: Deps): AccessToken => {
  const parsed = readSigned(token, deps)
  checkAccessToken(parsed, {
    issuer: deps.issuer,
    now: toSeconds(deps.now()),
    // Other servers of this database may be ahead by a little; an end is an end.
    expiryToleranceSeconds: 0,
  })
  return parsed
}
