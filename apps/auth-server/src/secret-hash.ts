/** Secrets that we make, and how they are kept. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** Generated secrets have full entropy, so a plain hash is enough: there is nothing to guess. */
export const hashSecret = (secret: string): string =>
  createHash('sha256').update(secret).digest('base64url')

const nobody = hashSecret('a hash that no secret has')

/** Constant time, and the same work when there is nothing to compare with. */
export const matchesHash = (secret: string, hash: string | undefined): boolean => {
  const isEqual = timingSafeEqual(Buffer.from(hash ?? nobody), Buffer.from(hashSecret(secret)))
  return isEqual && hash !== undefined
}

/** 256 random bits. */
export const newSecret = (): string => randomBytes(32).toString('base64url')
