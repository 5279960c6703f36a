/** Secrets that this server makes. They leave it once, and are kept as hashes. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

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
export const hashSecret = (secret: string): string =>
  createHash('sha256').update(secret).digest('base64url')

/** By its looks, and looks are all that this says. */
export const isRefreshToken = (text: string): boolean => text.startsWith('rt_')

const nobody = hashSecret('a hash that no secret has')

/** Constant time, and the same work when there is nothing to compare with. */
export const matchesHash = (secret: string, hash: string | undefined): boolean => {
  const isEqual = timingSafeEqual(Buffer.from(hash ?? nobody), Buffer.from(hashSecret(secret)))
  return isEqual && hash !== undefined
}
