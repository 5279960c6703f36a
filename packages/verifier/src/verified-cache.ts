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
  size: () => number
}

export const maxVerified = 10_000

/**
 * Keyed by the text of the token. That is safe because only canonical spellings are ever put in: any
 * other spelling of the same bytes is not found here, and refused when it is parsed.
 *
 * Two generations stand for an exact order of use: what is used moves to the young one, and when that
 * is full it becomes the old one, whose unused rest is forgotten. A hit then mostly writes nothing.
 */
export const createVerifiedCache = (maxEntries = maxVerified): VerifiedCache => {
  let young = new Map<string, Verified>()
  let old = new Map<string, Verified>()

  const add = (text: string, verified: Verified): void => {
    if (young.size >= maxEntries / 2) {
      old = young
      young = new Map()
    }
    young.set(text, verified)
  }
  return {
    get: (text) => {
      const found = young.get(text)
      if (found) return found
      const older = old.get(text)
      if (older) add(text, older)
      return older
    },
    set: add,
    size: () => young.size + old.size,
  }
}
