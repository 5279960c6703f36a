/** Group commit: what arrives while a commit is under way shares the next one. */

interface Waiting<Item, Result> {
  item: Item
  resolve: (result: Result) => void
  reject: (error: unknown) => void
}

/**
 * Collects items until the next flush may start, then flushes them together. Every caller waits for
 * its own commit, so nothing is answered before it is durable.
 *
 * @param flush answers one result for each item, in order; if it throws, all of its items fail. The
 * next one starts when it has ended, or as soon as it calls `next`.
 */
export const createBatch = <Item, Result>(
  flush: (items: Item[], next: () => void) => Promise<Result[]>,
  maxItems = 500,
): ((item: Item) => Promise<Result>) => {
  const waiting: Waiting<Item, Result>[] = []
  let flushing = false

  const settle = async (batch: Waiting<Item, Result>[], next: () => void): Promise<void> => {
    try {
      const results = await flush(
        batch.map(({ item }) => item),
        next,
      )
      batch.forEach(({ resolve, reject }, index) => {
        const result = results[index]
        if (result === undefined) reject(new Error('a batch answered too few results'))
        else resolve(result)
      })
    } catch (error) {
      for (const { reject } of batch) reject(error)
    } finally {
      next()
    }
  }
  const flushOnce = (): Promise<void> =>
    new Promise((next) => {
      settle(waiting.splice(0, maxItems), next)
    })

  const run = async (): Promise<void> => {
    flushing = true
    while (waiting.length > 0) await flushOnce()
    flushing = false
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      // After this tick, so that requests read in the same one travel together.
      if (!flushing) {
        flushing = true
        setImmediate(run)
      }
    })
}
