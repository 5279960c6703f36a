/** Counts how often somebody did something within a minute, in the memory of this process. */
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import type { RateLimit } from './rate-limit-fields.js'

export const windowSeconds = 60

export interface Counter {
  policy: RateLimit
  /** Counts one more. @returns for how many seconds it is too much; `undefined` while it is not */
  count: (who: string) => Promise<number | undefined>
}

/** A name is used once. */
export type OpenCounter = (name: string, limit: number) => Counter

export interface Counters {
  /** @param issuer several of them may count in one place */
  under: (issuer: string) => OpenCounter
  close: () => Promise<void>
}

const maxNames = 100_000

/** Names beyond so many share one count: whoever makes up ever new ones must not fill the memory. */
export class BoundedMemory extends RateLimiterMemory {
  #names = 0
  readonly #maxNames: number

  constructor(limit: number, most = maxNames) {
    super({ points: limit, duration: windowSeconds })
    this.#maxNames = most
  }

  override async consume(name: string, count = 1): Promise<RateLimiterRes> {
    const isFull = this.#names >= this.#maxNames && (await this.get(name)) === null
    const result = await super.consume(isFull ? '' : name, count)
    if (result.isFirstInDuration) this.#hold()
    return result
  }

  /** Counted for as long as the library keeps it. */
  #hold(): void {
    this.#names += 1
    setTimeout(() => {
      this.#names -= 1
    }, windowSeconds * 1000).unref()
  }
}

interface Limiter {
  consume: (who: string) => Promise<unknown>
}

/** What a limiter of the library says, in our words. */
export const counterOf = (limiter: Limiter, policy: RateLimit): Counter => ({
  policy,
  count: async (who) => {
    try {
      await limiter.consume(who)
      return undefined
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal
      return Math.max(1, Math.ceil(refusal.msBeforeNext / 1000))
    }
  },
})

export const policyOf = (name: string, limit: number): RateLimit => ({ name, limit, windowSeconds })

/** Each server counts for itself. */
export const memoryCounters: Counters = {
  under: () => (name, limit) => counterOf(new BoundedMemory(limit), policyOf(name, limit)),
  close: async () => {},
}
