/**
 * Counts in the memory of each worker of one port, which all hear from the others what they have counted:
 * together they let through what one process would, and what comes in within a moment.
 */
import { BoundedMemory, type Counters, counterOf, policyOf } from './counters.js'

/** How much more somebody has asked for, by the name of the limit. */
export type Counts = readonly (readonly [limit: string, who: string, count: number])[]

export interface CountExchange {
  send: (counts: Counts) => void
  /** What others have sent. */
  listen: (hear: (counts: Counts) => void) => void
}

/** Milliseconds. A message for each request would cost more than the request. */
const gatherMs = 100

export const openSharedCounters = ({ send, listen }: CountExchange): Counters => {
  const limiters = new Map<string, BoundedMemory>()
  const untold = new Map<string, Map<string, number>>()
  let timer: NodeJS.Timeout | undefined

  const tell = (): void => {
    timer = undefined
    const counts = [...untold].flatMap(([limit, byName]) =>
      [...byName].map(([who, count]) => [limit, who, count] as const),
    )
    untold.clear()
    send(counts)
  }
  const note = (limit: string, who: string): void => {
    const byName = untold.get(limit) ?? new Map<string, number>()
    untold.set(limit, byName.set(who, (byName.get(who) ?? 0) + 1))
    timer ??= setTimeout(tell, gatherMs).unref()
  }
  listen((counts) => {
    for (const [limit, who, count] of counts) {
      // That it is too much is said to whoever asks next.
      limiters
        .get(limit)
        ?.consume(who, count)
        .catch(() => {})
    }
  })
  return {
    under: () => (name, limit) => {
      const limiter = new BoundedMemory(limit)
      limiters.set(name, limiter)
      const consume = (who: string) => {
        note(name, who)
        return limiter.consume(who)
      }
      return counterOf({ consume }, policyOf(name, limit))
    },
    close: async () => clearTimeout(timer),
  }
}
