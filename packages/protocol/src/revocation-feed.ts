/** The signed list of what was revoked, as the server publishes it. */
import { isBoolean, isInteger, isText, listOf, objectOf, optional } from './shape.js'

/** Its claims. `exp` of an entry: when nothing it kills can be alive. */
export interface RevocationFeed {
  iss: string
  iat: number
  cursor: string
  /** Seconds for which this answer may be believed. */
  ttl: number
  revoked: { id: string; exp: number }[]
  /** The cursor that was asked from, in an answer that is not the whole list. */
  after?: string | undefined
  /** True when the list is the whole of what is revoked, false when it is what came after a cursor. */
  full: boolean
}

export const isRevocationFeed = objectOf<RevocationFeed>({
  iss: isText,
  iat: isInteger(),
  cursor: isText,
  ttl: isInteger(1),
  revoked: listOf(objectOf<{ id: string; exp: number }>({ id: isText, exp: isInteger() })),
  after: optional(isText),
  full: isBoolean,
})

/** The `typ` of the signed feed, so that nothing else of the issuer passes for it. */
export const revocationFeedType = 'revocation-feed+jwt'
