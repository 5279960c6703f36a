/** What was revoked: followed in the background, and never believed beyond its bound. */
import {
  checkHeader,
  type RevocationFeed as Feed,
  isRevocationFeed,
  OAuthError,
  parseCompactJws,
  revocationFeedType,
} from '@behalf/protocol'
import type { Discovery } from './discovery.js'
import { request, unavailable, why } from './http.js'
import type { KeySet } from './key-set.js'
import { createRefresher } from './refresher.js'
import { repeat } from './repeat.js'
import type { Settings } from './settings.js'

export interface RevocationStatus {
  mode: 'feed' | 'off'
  /** How old the newest answer is; `undefined` before the first. */
  stalenessSeconds: number | undefined
  /** Revoked delegations that still matter. */
  size: number
}

export interface RevocationFeed {
  /** @throws OAuthError `temporarily_unavailable` when the list is too old to say anything */
  ensureFresh: (allowStale: boolean) => Promise<void> | undefined
  isRevoked: (id: string) => boolean
  /** Calls it whenever the list has changed. */
  onChange: (listener: () => void) => void
  status: () => RevocationStatus
  /** Stops the background polling. */
  close: () => void
}

const maxBytes = 8_388_608
const maxEntries = 100_000
const clockToleranceSeconds = 5
/** An entry outlives the last token that it kills, with room for clocks that differ. */
const keepSeconds = 60

const isFeedType = (typ: unknown): boolean =>
  typ === revocationFeedType || typ === `application/${revocationFeedType}`

const refused = (reason: string): OAuthError => unavailable(`feed_${reason}`)

/** What a follower knows, replaced as a whole. */
interface Known {
  revoked: Map<string, number>
  cursor: string
  iat: number
  /** When the answer was true: the earlier of the server's clock and the moment of our question. */
  freshAt: number
  ttl: number
}

const noFeed = (): OAuthError =>
  new OAuthError('server_error', {
    status: 503,
    description: 'The authorization server publishes no revocation list.',
    reason: 'no_revocation_feed',
    hint: "Set revocation: 'off' if tokens may live until they expire.",
  })

const off: RevocationFeed = Object.freeze({
  ensureFresh: () => undefined,
  isRevoked: () => false,
  onChange: () => undefined,
  status: () => ({ mode: 'off', stalenessSeconds: undefined, size: 0 }) as const,
  close: () => undefined,
})

const verifyFeed = async (text: string, settings: Settings, keys: KeySet): Promise<Feed> => {
  const jws = parseCompactJws(text, maxBytes)
  const name = checkHeader(jws.header, isFeedType)
  if (!settings.algorithms.includes(name.alg)) throw refused('unacceptable_algorithm')
  const key = await keys.find(name, { fromIssuer: true })
  if (!(await key.verify(jws.signingInput, jws.signature))) throw refused('bad_signature')
  const feed: unknown = jws.payload
  if (!isRevocationFeed(feed)) throw refused('malformed')
  return feed
}

/** Binds an answer to the issuer, to now, and to what we asked: an old one must not pass for new. */
const checkFeed = (feed: Feed, known: Known | undefined, settings: Settings): void => {
  const { issuer, now, maxStalenessSeconds } = settings
  if (feed.iss !== issuer) throw refused('wrong_issuer')
  if (feed.iat > now() + clockToleranceSeconds) throw refused('from_the_future')
  if (feed.iat < (known?.iat ?? 0)) throw refused('replayed')
  if (now() - feed.iat > maxStalenessSeconds) throw refused('too_old')
  if (!feed.full && !known) throw refused('unasked_delta')
  if (feed.after !== undefined && feed.after !== known?.cursor) throw refused('wrong_cursor')
}

const dropExpired = (revoked: Map<string, number>, now: number): void => {
  for (const [id, exp] of revoked) if (exp + keepSeconds < now) revoked.delete(id)
}

const merge = (feed: Feed, known: Known | undefined, startedAt: number): Known => {
  const revoked = feed.full ? new Map<string, number>() : (known?.revoked ?? new Map())
  for (const { id, exp } of feed.revoked) revoked.set(id, exp)
  dropExpired(revoked, startedAt)
  if (revoked.size > maxEntries) throw refused('too_large')
  const { cursor, iat, ttl } = feed
  return { revoked, cursor, iat, ttl, freshAt: Math.min(iat, startedAt) }
}

const urlAfter = (endpoint: string, cursor: string | undefined): string => {
  const url = new URL(endpoint)
  if (cursor !== undefined) url.searchParams.set('after', cursor)
  return url.href
}

const createLoader = (settings: Settings, discover: Discovery, keys: KeySet) => {
  const init = { headers: { Accept: 'application/jwt' } }
  return async (known: Known | undefined): Promise<Known> => {
    const startedAt = settings.now()
    const { agent_revocation_feed_endpoint: endpoint } = await discover()
    if (endpoint === undefined) throw noFeed()
    const url = urlAfter(endpoint, known?.cursor)
    const { status, bytes } = await request(url, { settings, init, maxBytes })
    if (status !== 200) throw refused(`status_${status}`)
    const feed = await verifyFeed(new TextDecoder().decode(bytes), settings, keys)
    checkFeed(feed, known, settings)
    return merge(feed, known, startedAt)
  }
}

const follow = (settings: Settings, discover: Discovery, keys: KeySet): RevocationFeed => {
  const { now, maxStalenessSeconds, pollSeconds, logger } = settings
  const loadAfter = createLoader(settings, discover, keys)
  const listeners: (() => void)[] = []
  let known: Known | undefined

  const refresher = createRefresher({
    now,
    load: async () => {
      const before = known?.cursor
      known = await loadAfter(known)
      if (known.cursor !== before) for (const listener of listeners) listener()
    },
    onFailure: (error) => logger.warn('The revocation list cannot be followed.', why(error)),
  })
  const poll = repeat(refresher.refresh, pollSeconds * 1000)
  const staleness = (): number => now() - (known?.freshAt ?? Number.NEGATIVE_INFINITY)
  // Below zero the clock was set back, and an old answer would look fresh for too long.
  const isFresh = (): boolean =>
    known !== undefined &&
    staleness() >= -clockToleranceSeconds &&
    staleness() <= Math.min(maxStalenessSeconds, known.ttl)

  const stale = (): OAuthError => {
    const cause = refresher.error() as OAuthError | undefined
    if (cause?.reason === 'no_revocation_feed') return cause
    const description = 'It cannot be said right now what was revoked. Try again.'
    const retryAfterSeconds = refresher.pause()
    return unavailable('revocation_feed_stale', { description, retryAfterSeconds, cause })
  }
  const catchUp = async (allowStale: boolean): Promise<void> => {
    const flight = refresher.pause() === 0 ? refresher.refresh() : undefined
    if (allowStale && known) return
    await flight
    if (!isFresh()) throw stale()
  }
  return Object.freeze({
    ensureFresh: (allowStale) => {
      poll.start()
      return isFresh() ? undefined : catchUp(allowStale)
    },
    isRevoked: (id) => known?.revoked.has(id) ?? false,
    onChange: (listener) => {
      listeners.push(listener)
    },
    status: () => ({
      mode: 'feed',
      stalenessSeconds: known && staleness(),
      size: known?.revoked.size ?? 0,
    }),
    close: poll.stop,
  } satisfies RevocationFeed)
}

export const createRevocationFeed = (
  settings: Settings,
  discover: Discovery,
  keys: KeySet,
): RevocationFeed => (settings.revocation === 'off' ? off : follow(settings, discover, keys))
