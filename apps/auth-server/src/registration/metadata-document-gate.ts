/** Bounds on what strangers can have this server read, and a memory of what failed. */
import { OAuthError } from '@behalf/protocol'
import type { OpenCounter } from '../rate-limits/counters.js'

/** Reads of documents in a minute, for one site and for all of them. */
const readsPerSite = 60
const readsInAll = 600

/** At the same moment. One site that hangs leaves most of the places free. */
const maxConcurrentPerSite = 10
const maxConcurrentReads = 50

/** Until it is asked for again, for tokens: one that hangs would make each of them wait. */
const retryMs = 60_000
const maxFailures = 10_000

const tooManyReads = (retryAfterSeconds: number): OAuthError =>
  new OAuthError('temporarily_unavailable', {
    description: 'Too many metadata documents are being read.',
    reason: 'too_many_metadata_documents',
    status: 429,
    headers: { 'Retry-After': String(retryAfterSeconds) },
  })

/**
 * What somebody has registered: whoever has a domain has as many hosts below it, and ports at each, as
 * they like. Below a public suffix, such as that of a hoster, every name is somebody else's.
 */
const siteOf = async (hostname: string): Promise<string> => {
  const { getDomain } = await import('tldts')
  return getDomain(hostname, { allowPrivateDomains: true }) ?? hostname
}

/** At most so many at a time; who comes on top of them does not wait. */
const createPlaces = () => {
  const taken = new Map<string, number>()
  return {
    take: (name: string, most: number): void => {
      const count = taken.get(name) ?? 0
      if (count >= most) throw tooManyReads(1)
      taken.set(name, count + 1)
    },
    leave: (name: string): void => {
      const count = taken.get(name) ?? 0
      if (count > 1) taken.set(name, count - 1)
      else taken.delete(name)
    },
  }
}

/** Lets a read through, or says when to come again. */
export const createGate = (open: OpenCounter) => {
  const sites = open('metadata-documents-per-site', readsPerSite)
  const all = open('metadata-documents', readsInAll)
  const places = createPlaces()
  const within = async <T>(name: string, most: number, work: () => Promise<T>): Promise<T> => {
    places.take(name, most)
    try {
      return await work()
    } finally {
      places.leave(name)
    }
  }
  // One after the other: what is refused to one site takes nothing from the others.
  const count = async (site: string): Promise<void> => {
    const wait = (await sites.count(site)) ?? (await all.count('all'))
    if (wait !== undefined) throw tooManyReads(wait)
  }
  return async <T>(hostname: string, read: () => Promise<T>): Promise<T> => {
    const site = await siteOf(hostname)
    // Both places are taken before anything is waited for: those who come meanwhile have to see it.
    return within(site, maxConcurrentPerSite, () =>
      within('', maxConcurrentReads, async () => {
        await count(site)
        return read()
      }),
    )
  }
}

/** When the last attempt failed, by client. The oldest are forgotten first. */
export const createFailures = () => {
  const failedAt = new Map<string, number>()
  return {
    isRecent: (id: string, now: Date): boolean =>
      now.getTime() - (failedAt.get(id) ?? Number.NEGATIVE_INFINITY) < retryMs,
    note: (id: string, now: Date): void => {
      failedAt.delete(id)
      failedAt.set(id, now.getTime())
      const oldest = failedAt.keys().next().value
      if (failedAt.size > maxFailures && oldest !== undefined) failedAt.delete(oldest)
    },
  }
}
