/** Group commit: what arrives while a commit is under way shares the next one. */

interface Waiting<Item, Result> {
  item: Item
  resolve: (result: Result) => void
  reject: (error: unknown) => void
}

/**
 * @param take the items, as soon as it is this flush's turn: once it is asked, no more are added
 * @param next lets the next flush take its items; without it, they are taken when this one has ended
 * @returns one result for each item, in order; if it throws, all of its items fail
 */
export type Flush<Item, Result> = (
  take: () => Promise<Item[]>,
  next: () => void,
) => Promise<Result[]>

const settle = <Item, Result>(
  batch: readonly Waiting<Item, Result>[],
  results: readonly Result[],
): void =>
  batch.forEach(({ resolve, reject }, index) => {
    const result = results[index]
    if (result === undefined) reject(new Error('a batch answered too few results'))
    else resolve(result)
  })

/**
 * Starts a flush when something waits, and no other that has not taken its items: so it can get ready
 * while the one before it is still at work. Every caller waits for its own commit, so nothing is
 * answered before it is durable.
 */
export const createPipeline = <Item, Result>(
  flush: Flush<Item, Result>,
  maxItems = 500,
): ((item: Item) => Promise<Result>) => {
  const waiting: Waiting<Item, Result>[] = []
  let turn = Promise.resolve()
  let isStarting = false

  const run = async (): Promise<void> => {
    const mine = turn
    const { promise, resolve: next } = withResolver()
    turn = promise
    let batch: Waiting<Item, Result>[] | undefined
    const take = async (): Promise<Item[]> => {
      await mine
      if (!batch) {
        batch = waiting.splice(0, maxItems)
        isStarting = false
        startIfNeeded()
      }
      return batch.map(({ item }) => item)
    }
    try {
      const results = await flush(take, next)
      settle(batch ?? [], results)
    } catch (error) {
      // One that could not even begin fails those that it would have taken.
      await take()
      for (const { reject } of batch ?? []) reject(error)
    } finally {
      next()
    }
  }

  const startIfNeeded = (): void => {
    if (isStarting || waiting.length === 0) return
    isStarting = true
    // After this tick, so that requests read in the same one travel together.
    setImmediate(run)
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      startIfNeeded()
    })
}

const withResolver = (): { promise: Promise<void>; resolve: () => void } => {
  let resolve = (): void => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

/** One flush after the other. */
export const createBatch = <Item, Result>(
  flush: (items: Item[]) => Promise<Result[]>,
  maxItems?: number,
): ((item: Item) => Promise<Result>) =>
  createPipeline(async (take) => flush(await take()), maxItems)
