/** The signed list of what was revoked, for verifiers that work offline. */
import { OAuthError, type RevocationFeed, revocationFeedType } from '@behalf/protocol'
import type { Handler } from 'hono'
import { type Deps, toSeconds } from '../deps.js'

/** For so long a verifier may believe an answer. */
const ttlSeconds = 10

/** `undefined` for one that is absent. @throws OAuthError for what cannot be a cursor of ours */
const parseCursor = (text: string | undefined): bigint | undefined => {
  if (text === undefined) return undefined
  if (/^(0|[1-9][0-9]{0,17})$/.test(text)) return BigInt(text)
  throw new OAuthError('invalid_request', {
    description: 'after is not a cursor of this feed.',
    reason: 'malformed_cursor',
  })
}

/** A cursor from the future is another database's, or of one restored from a backup: start over. */
const read = async (after: bigint | undefined, deps: Deps) => {
  const now = deps.now()
  const page = await deps.store.revocations.after(after ?? 0n, now)
  if (after !== undefined && after <= page.cursor) return { ...page, full: false }
  return { ...(await deps.store.revocations.after(0n, now)), full: true }
}

export const revocationFeedEndpoint = (deps: Deps): Handler =>
  async function revocationFeedEndpoint(c) {
    const { cursor, revoked, full } = await read(parseCursor(c.req.query('after')), deps)
    const claims: RevocationFeed = {
      iss: deps.issuer,
      iat: toSeconds(deps.now()),
      cursor: cursor.toString(),
      ttl: ttlSeconds,
      revoked,
      full,
    }
    return c.body(deps.keys.sign(revocationFeedType, claims), 200, {
      'Content-Type': 'application/jwt',
      'Cache-Control': 'no-store',
    })
  }
