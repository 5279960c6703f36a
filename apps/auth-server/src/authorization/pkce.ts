/** Proof Key for Code Exchange, S256 and nothing else. RFC 7636, RFC 9700 §2.1.1. Pure. */
import { createHash } from 'node:crypto'

/** RFC 7636 §4.1: 43 to 128 unreserved characters. */
const verifierPattern = /^[A-Za-z0-9._~-]{43,128}$/

/** A SHA-256 in base64url, in its one canonical spelling. */
export const isS256Challenge = (challenge: string): boolean =>
  /^[A-Za-z0-9_-]{43}$/.test(challenge) &&
  Buffer.from(challenge, 'base64url').toString('base64url') === challenge

/** The challenge of a verifier; `undefined` for what cannot be one. RFC 7636 §4.6. */
export const s256 = (verifier: string): string | undefined =>
  verifierPattern.test(verifier)
    ? createHash('sha256').update(verifier, 'ascii').digest('base64url')
    : undefined
