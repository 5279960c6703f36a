/** The signed list of what was revoked, for verifiers that work offline. */
import { OAuthError, type RevocationFeed, revocationFeedType } from '@behalf/protocol'
import type { Context, Handler } from 'hono'
import { type Deps, toSeconds } from '../deps.js'
import { createRevocationWatch } from '../revocation-watch.js'
import { createBatch } from '../store/batch.js'

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

interface Answer {
  page: Page
  jwt: string
  iat: number
}

/**
 * For caches and tools. An answer of another second is another answer, whatever it lists: a cache that was
 * told that its own is still good would hand out an old one for ever, and every verifier would stop.
 */
const etagOf = ({ page: { cursor, after }, iat }: Answer): string =>
  `W/"${after ?? 'full'}-${cursor}-${iat}"`

/**
 * Followers that ask the same thing at the same moment share one look and one signature. It begins
 * after the last of them has asked, so every revocation that was acknowledged before is in it.
 */
const createAnswers = (deps: Deps) =>
  createBatch(async (asked: (bigint | undefined)[]): Promise<Answer[]> => {
    const distinct = new Map<string, Promise<Answer>>()
    for (const after of asked) {
      const name = String(after)
      if (distinct.has(name)) continue
      const answer = read(after, deps).then((page) => {
        const claims = claimsOf(page, deps)
        return { page, jwt: deps.keys.sign(revocationFeedType, claims), iat: claims.iat }
      })
      distinct.set(name, answer)
    }
    // All at once: a failure that nobody waits for yet would end the process.
    const waited = [...distinct].map(async ([name, answer]) => [name, await answer] as const)
    const answers = new Map(await Promise.all(waited))
    return asked.flatMap((after) => answers.get(String(after)) ?? [])
  })

/**
 * RFC 9213: a CDN may answer all who ask the same within a second, and nobody else may keep it. How old an
 * answer is stands in it, signed, so no cache can make it look fresh. Whoever waits for news is not kept
 * waiting for somebody else's.
 */
const cachingOf = (waitSeconds: number) => ({
  'Cache-Control': 'no-store',
  'CDN-Cache-Control': waitSeconds === 0 ? 'max-age=1' : 'no-store',
})

const respond = (c: Context, answer: Answer, waitSeconds: number): Response => {
  const headers = { ETag: etagOf(answer), ...cachingOf(waitSeconds) }
  if (c.req.header('if-none-match') === headers.ETag) return c.body(null, 304, headers)
  return c.body(answer.jwt, 200, { ...headers, 'Content-Type': 'application/jwt' })
}

export const revocationFeedEndpoint = (deps: Deps): Handler => {
  const watch = createRevocationWatch(deps.store.revocations.newest)
  const answers = createAnswers(deps)
  return async function revocationFeedEndpoint(c) {
    const after = parseCursor(c.req.query('after'))
    const waitSeconds = parseWait(c.req.query('wait'))
    const answer = await answers(after)
    const isNews = answer.page.full || answer.page.revoked.length > 0
    if (isNews || waitSeconds === 0) return respond(c, answer, waitSeconds)
    await watch.moved(answer.page.cursor, waitSeconds * 1000)
    return respond(c, await answers(after), waitSeconds)
  }
}
