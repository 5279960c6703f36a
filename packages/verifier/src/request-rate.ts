/** `requests_per_hour`, counted in this process: a rolling hour in one-minute buckets. */
import { OAuthError } from '@behalf/protocol'
import type { Caller } from './caller.js'
import { unavailable } from './http.js'
import type { Settings } from './settings.js'

export interface RequestRate {
  /** @throws OAuthError `rate_limited` when the hour is full */
  count: (caller: Caller) => void
}

interface Bucket {
  minute: number
  count: number
}

/**
 * Sixty whole minutes and the one that has begun: with one less, the requests at the end of the oldest
 * minute would be forgotten before they are an hour old, and an hour could hold more than its limit.
 */
const buckets = 61
const windowSeconds = 3600
const maxDelegations = 50_000
/** The limit, the reason of a refusal, and the name of the policy in its headers. */
export const requestsPerHour = 'requests_per_hour'
const name = requestsPerHour

interface Exhausted {
  /** A delegation, an agent or a tenant. */
  limitedBy: string
  limit: number
  waitSeconds: number
  status: number
}

export const rateLimited = ({ limitedBy, limit, waitSeconds, status }: Exhausted): OAuthError =>
  new OAuthError('rate_limited', {
    status,
    description: 'This delegation has used up its requests for the hour.',
    reason: 'requests_per_hour',
    details: { limited_by: limitedBy, limit, remaining: '0', retry_after: waitSeconds },
    headers: {
      'Retry-After': String(waitSeconds),
      // draft-ietf-httpapi-ratelimit-headers
      'RateLimit-Policy': `"${name}";q=${limit};w=${windowSeconds}`,
      RateLimit: `"${name}";r=0;t=${waitSeconds}`,
    },
  })

const total = (used: readonly Bucket[]): number => used.reduce((sum, { count }) => sum + count, 0)

/** Seconds until enough of the oldest buckets have left for one more request to fit. */
const waitFor = (used: readonly Bucket[], limit: number, now: number): number => {
  let left = total(used)
  for (const { minute, count } of used) {
    left -= count
    if (left < limit) return Math.max(1, Math.ceil((minute + buckets) * 60 - now))
  }
  // A limit of nothing: no wait helps.
  return windowSeconds
}

const live = (used: readonly Bucket[], minute: number): Bucket[] =>
  used.filter((bucket) => bucket.minute > minute - buckets)

/** What this process has seen of one delegation. */
interface Usage {
  buckets: Bucket[]
  /** Known once a token of the delegation itself has come by. */
  limit: number | undefined
}

/** A count that is forgotten is a limit that is widened: when all are in use, new ones must wait. */
const makeRoom = (used: Map<string, Usage>, minute: number): void => {
  for (const [id, { buckets }] of used) if (live(buckets, minute).length === 0) used.delete(id)
  if (used.size < maxDelegations) return
  const description = 'Too many delegations are in use here at once. Try again later.'
  throw unavailable('rate_table_full', { description, retryAfterSeconds: 60 })
}

const add = ({ buckets }: Usage, minute: number): void => {
  const newest = buckets.at(-1)
  // Not by equality: a clock that was set back keeps counting in the newest bucket.
  if (newest && newest.minute >= minute) newest.count += 1
  else buckets.push({ minute, count: 1 })
}

export const createRequestRate = (
  settings: Pick<Settings, 'now' | 'requestsStatus'>,
): RequestRate => {
  const used = new Map<string, Usage>()

  const usageOf = (id: string, minute: number): Usage => {
    const known = used.get(id)
    if (!known && used.size >= maxDelegations) makeRoom(used, minute)
    const usage = { buckets: live(known?.buckets ?? [], minute), limit: known?.limit }
    used.set(id, usage)
    return usage
  }
  return {
    count: ({ limits: { requestsPerHour: limit }, lineage }) => {
      // Limits never come without a lineage: such a token is refused before this.
      if (limit === undefined) return
      const now = settings.now()
      const minute = Math.floor(now / 60)
      // A request of a child is one of every ancestor: an exchange refills nothing.
      const usages = lineage.map((id) => usageOf(id, minute))
      const own = usages.at(-1)
      if (own) own.limit = limit
      for (const [index, { buckets, limit: most }] of usages.entries()) {
        if (most !== undefined && total(buckets) >= most) {
          throw rateLimited({
            limitedBy: lineage[index] ?? '',
            limit: most,
            waitSeconds: waitFor(buckets, most, now),
            status: settings.requestsStatus,
          })
        }
      }
      for (const usage of usages) add(usage, minute)
    },
  }
}
