/** The ID token: who signed in, for the client that asked. OpenID Connect Core §2. */
import { createHash } from 'node:crypto'
import type { SigningAlgorithm } from '@behalf/protocol'
import { type Deps, toSeconds } from './deps.js'
import { type ClaimsSource, personClaims } from './person-claims.js'
import type { Client } from './store/clients.js'

/** What tells it from an access token, which is `at+jwt`. RFC 8725 §3.11. */
export const idTokenType = 'JWT'

export interface IdTokenRequest extends ClaimsSource {
  client: Pick<Client, 'client_id'>
  /** As it stood in the authorization request. OpenID Connect Core §3.1.2.1. */
  nonce: string | undefined
  authenticatedAt: Date
  /** What was granted. */
  scope: readonly string[]
  /** The access token that goes out in the same answer. */
  accessToken: string
}

/** The hash function of each `alg`; for Ed25519 it is its own, SHA-512. RFC 8032 §5.1. */
const digests: Record<SigningAlgorithm, string> = {
  ES256: 'sha256',
  RS256: 'sha256',
  EdDSA: 'sha512',
}

/** OpenID Connect Core §3.1.3.6: the left half of the hash of the token's ASCII octets. */
export const accessTokenHash = (accessToken: string, alg: SigningAlgorithm): string => {
  const hash = createHash(digests[alg]).update(accessToken, 'ascii').digest()
  return hash.subarray(0, hash.length / 2).toString('base64url')
}

/** `azp` stays out: the client is the only audience there ever is (OpenID Connect Core §2). */
export const idTokenClaims = (
  request: IdTokenRequest,
  { issuer, now, exp, alg }: { issuer: string; now: number; exp: number; alg: SigningAlgorithm },
): Record<string, unknown> => ({
  // First, so that what follows wins whatever they are called.
  ...personClaims(request, request.scope),
  iss: issuer,
  sub: request.person.sub,
  aud: request.client.client_id,
  iat: now,
  exp,
  auth_time: toSeconds(request.authenticatedAt),
  ...(request.nonce !== undefined && { nonce: request.nonce }),
  at_hash: accessTokenHash(request.accessToken, alg),
})

/** Signs the ID token of a token response; `undefined` when `openid` was not granted. */
export const idTokenFor = (
  request: IdTokenRequest,
  { issuer, keys, lifetimes, now }: Pick<Deps, 'issuer' | 'keys' | 'lifetimes' | 'now'>,
): string | undefined => {
  if (!request.scope.includes('openid')) return undefined
  const at = toSeconds(now())
  // Longer, it could outlive the publication of the key that signed it.
  const exp = at + lifetimes.ownToken
  return keys.sign(idTokenType, (alg) => idTokenClaims(request, { issuer, now: at, exp, alg }))
}
