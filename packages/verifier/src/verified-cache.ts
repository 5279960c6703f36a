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
  set: (verified: Verified) => void
  size: () => number
}

export const maxVerified = 10_000

/** 192 bits of the signature. To hash all of a token takes longer than to compare it. */
const keyOf = (text: string): string => text.slice(-32)

/**
 * Found by the end of the text of the token, and good for that very text alone. That is safe because
 * only canonical spellings are ever put in: any other spelling of the same bytes is not found here,
 * and refused when it is parsed.
 *
 * Two generations stand for an exact order of use: what is used moves to the young one, and when that
 * is full it becomes the old one, whose unused rest is forgotten. A hit then mostly writes nothing.
 */
export const createVerifiedCache = (maxEntries = maxVerified): VerifiedCache => {
  let young = new Map<string, Verified>()
  let old = new Map<string, Verified>()

  const add = (key: string, verified: Verified): void => {
    if (young.size >= maxEntries / 2) {
      old = young
      young = new Map()
    }
    young.set(key, verified)
  }
  const find = (key: string): Verified | undefined => {
    const found = young.get(key)
    if (found) return found
    const older = old.get(key)
    if (older) add(key, older)
    return older
  }
  return {
    get: (text) => {
      const found = find(keyOf(text))
      return found?.caller.token === text ? found : undefined
    },
    set: (verified) => add(keyOf(verified.caller.token), verified),
    size: () => young.size + old.size,
  }
}
