/** Bounds on what strangers can have this server read, and a memory of what failed. */
import { OAuthError } from '@behalf/protocol'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'

/** Reads of documents, for one host and for all of them, in a minute. */
const readsPerHost = 60
const readsInAll = 600
const maxConcurrentReads = 50

/** Until it is asked for again, for tokens: one that hangs would make each of them wait. */
const retryMs = 60_000
const maxFailures = 10_000

const tooMany = (retryAfterSeconds: number): OAuthError =>
  new OAuthError('temporarily_unavailable', {
    description: 'Too many metadata documents are being read.',
    reason: 'too_many_metadata_documents',
    headers: { 'Retry-After': String(retryAfterSeconds) },
  })

/** Lets a read through, or says when to come again. */
export const createGate = () => {
  const hosts = new RateLimiterMemory({ points: readsPerHost, duration: 60 })
  const all = new RateLimiterMemory({ points: readsInAll, duration: 60 })
  let open = 0
  // One after the other: what is refused to one host takes nothing from the others.
  const consume = (host: string) =>
    hosts
      .consume(host)
      .then(() => all.consume('all'))
      .catch((refusal: unknown) => {
        if (!(refusal instanceof RateLimiterRes)) throw refusal
        throw tooMany(Math.ceil(refusal.msBeforeNext / 1000))
      })
  return async <T>(host: string, read: () => Promise<T>): Promise<T> => {
    if (open >= maxConcurrentReads) throw tooMany(1)
    // Counted before anything is waited for: those who come in the meantime have to see it.
    open += 1
    try {
      await consume(host)
      return await read()
    } finally {
      open -= 1
    }
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
