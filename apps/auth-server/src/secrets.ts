/** Secrets that this server makes. They leave it once, and are kept as hashes. */
import { createHash, randomBytes } from 'node:crypto'

/** 256 bits. RFC 6749 §10.10 asks for 128 at least, and 160 if one can. */
const secretBytes = 32

/** An authorization code, an authorization request that waits, a device code, a refresh token. */
export type SecretPrefix = 'ac' | 'ar' | 'dc' | 'rt'

export const newSecret = (prefix: SecretPrefix): string =>
  `${prefix}_${randomBytes(secretBytes).toString('base64url')}`

/** Generated secrets have full entropy, so a plain hash is enough: there is nothing to guess. */
export const hashSecret = (secret: string): string =>
  createHash('sha256').update(secret).digest('base64url')

/** By its looks, and looks are all that this says. */
export const isRefreshToken = (text: string): boolean => text.startsWith('rt_')
