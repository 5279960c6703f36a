/** The signed list of what was revoked, for verifiers that work offline. */
import { OAuthError, type RevocationFeed, revocationFeedType } from '@behalf/protocol'
import type { Context, Handler } from 'hono'
import { type Deps, toSeconds } from '../deps.js'
import { createRevocationWatch } from '../revocation-watch.js'

/** For so long a verifier may believe an answer. */
const ttlSeconds = 10
/** The longest that a follower may wait for news: its list must not grow stale meanwhile. */
const maxWaitSeconds = 5

const malformed = (name: string, reason: string): OAuthError =>
  new OAuthError('invalid_request', { description: `${name} is malformed.`, reason })

/** `undefined` for one that is absent. @throws OAuthError for what cannot be a cursor of ours */
const parseCursor = (text: string | undefined): bigint | undefined => {
  if (text === undefined) return undefined
  if (/^(0|[1-9][0-9]{0,17})$/.test(text)) return BigInt(text)
  throw malformed('after', 'malformed_cursor')
}

/** Seconds, cut to what is allowed. */
const parseWait = (text: string | undefined): number => {
  if (text === undefined) return 0
  if (/^[0-9]{1,4}$/.test(text)) return Math.min(Number(text), maxWaitSeconds)
  throw malformed('wait', 'malformed_wait')
}

/** A cursor from the future is another database's, or of one restored from a backup: start over. */
const read = async (after: bigint | undefined, deps: Deps) => {
  const now = deps.now()
  const page = await deps.store.revocations.after(after ?? 0n, now)
  if (after !== undefined && after <= page.cursor) return { ...page, after, full: false }
  const whole = await deps.store.revocations.after(0n, now)
  return { ...whole, after: undefined, full: true }
}

type Page = Awaited<ReturnType<typeof read>>

const claimsOf = ({ cursor, revoked, after, full }: Page, { issuer, now }: Deps) => {
  const claims: RevocationFeed = {
    iss: issuer,
    iat: toSeconds(now()),
    cursor: cursor.toString(),
    ttl: ttlSeconds,
    revoked,
    full,
    // Ties a delta to the question, so that the answer to another one cannot stand in for it.
    ...(after !== undefined && { after: after.toString() }),
  }
  return claims
}

/** For caches and tools. A verifier does not send it: only a signed answer is proof of freshness. */
const etagOf = ({ cursor, after }: Page): string => `W/"${after ?? 'full'}-${cursor}"`

const respond = (c: Context, page: Page, deps: Deps): Response => {
  const headers = { ETag: etagOf(page), 'Cache-Control': 'no-store' }
  if (c.req.header('if-none-match') === headers.ETag) return c.body(null, 304, headers)
  const jwt = deps.keys.sign(revocationFeedType, claimsOf(page, deps))
  return c.body(jwt, 200, { ...headers, 'Content-Type': 'application/jwt' })
}

export const revocationFeedEndpoint = (deps: Deps): Handler => {
  const watch = createRevocationWatch(deps.store.revocations.newest)
  return async function revocationFeedEndpoint(c) {
    const after = parseCursor(c.req.query('after'))
    const waitSeconds = parseWait(c.req.query('wait'))
    const page = await read(after, deps)
    const isNews = page.full || page.revoked.length > 0
    if (isNews || waitSeconds === 0) return respond(c, page, deps)
    await watch.moved(page.cursor, waitSeconds * 1000)
    return respond(c, await read(after, deps), deps)
  }
}
