/** Secrets that this server makes. They leave it once, and are kept as hashes. */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto'

/** 256 bits. RFC 6749 §10.10 asks for 128 at least, and 160 if one can. */
const secretBytes = 32

/**
 * An authorization code, an authorization request that waits, a client secret, a device code, the link
 * of an invitation, a registration access token, a refresh token.
 */
export type SecretPrefix = 'ac' | 'ar' | 'cs' | 'dc' | 'il' | 'rat' | 'rt'

export const newSecret = (prefix: SecretPrefix): string =>
  `${prefix}_${randomBytes(secretBytes).toString('base64url')}`

/** Generated secrets have full entropy, so a plain hash is enough: there is nothing to guess. */
export const hashSecret = (secret: string): string => hash('sha256', secret, 'base64url')

/** By its looks, and looks are all that this says. */
export const isRefreshToken = (text: string): boolean => text.startsWith('rt_')

const nobody = hashSecret('a hash that no secret has')

/** Constant time, and the same work when there is nothing to compare with. */
export const isSameHash = (hashed: string, stored: string | undefined): boolean => {
  const isEqual = timingSafeEqual(Buffer.from(stored ?? nobody), Buffer.from(hashed))
  return isEqual && stored !== undefined
}

export const matchesHash = (secret: string, stored: string | undefined): boolean =>
  isSameHash(hashSecret(secret), stored)
