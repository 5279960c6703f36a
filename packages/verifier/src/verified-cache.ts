/** Tokens whose signature was verified before. Everything else about them is checked on every use. */
import type { AccessToken } from '@behalf/protocol'
import type { Caller } from './caller.js'
import type { VerificationKey } from './verification-key.js'

export interface Verified {
  token: AccessToken
  caller: Caller
  /** The very key that verified it. Gone from the key set, it takes this entry with it. */
  key: VerificationKey
}

export interface VerifiedCache {
  get: (text: string) => Verified | undefined
  set: (text: string, verified: Verified) => void
  delete: (text: string) => void
  size: () => number
}

export const maxVerified = 10_000

/**
 * Keyed by the text of the token. That is safe because only canonical spellings are ever put in: any
 * other spelling of the same bytes is not found here, and refused when it is parsed.
 */
export const createVerifiedCache = (maxEntries = maxVerified): VerifiedCache => {
  const entries = new Map<string, Verified>()
  return {
    get: (text) => {
      const found = entries.get(text)
      if (!found) return undefined
      // A Map keeps the order of insertion: what was used last moves to the end.
      entries.delete(text)
      entries.set(text, found)
      return found
    },
    set: (text, verified) => {
      entries.set(text, verified)
      const [oldest] = entries.keys()
      if (entries.size > maxEntries && oldest !== undefined) entries.delete(oldest)
    },
    delete: (text) => {
      entries.delete(text)
    },
    size: () => entries.size,
  }
}
