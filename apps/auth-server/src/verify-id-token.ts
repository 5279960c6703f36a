/** Reads an ID token that comes back as a hint. OpenID Connect RP-Initiated Logout §2. */
import { checkHeader, OAuthError, parseCompactJws } from '@behalf/protocol'
import { z } from 'zod'
import type { Deps } from './deps.js'
import { idTokenType } from './id-token.js'
import { verifyJws } from './jws-signature.js'

const claimsSchema = z.looseObject({ iss: z.string(), sub: z.string(), aud: z.string() })

/** Whom an ID token was about, and for which client it was made. */
export interface IdTokenHint {
  sub: string
  clientId: string
}

const refuse = (reason: string): OAuthError =>
  new OAuthError('invalid_request', { description: 'The id_token_hint is none of ours.', reason })

/**
 * Signature, type and issuer. It may have expired, and its key may be withdrawn: it names a session
 * that was, and lets nobody in.
 *
 * @throws OAuthError for anything that was not signed here as an ID token
 */
export const readIdTokenHint = (text: string, deps: Pick<Deps, 'issuer' | 'keys'>): IdTokenHint => {
  const { header, payload, signingInput, signature } = parseCompactJws(text)
  const { alg, kid } = checkHeader(header, (typ) => typ === idTokenType)
  const key = deps.keys.findEver(kid)
  if (!key || key.alg !== alg || !verifyJws(alg, key.publicKey, signingInput, signature)) {
    throw refuse('bad_signature')
  }
  const claims = claimsSchema.safeParse(payload)
  if (!claims.success || claims.data.iss !== deps.issuer) throw refuse('wrong_issuer')
  return { sub: claims.data.sub, clientId: claims.data.aud }
}
