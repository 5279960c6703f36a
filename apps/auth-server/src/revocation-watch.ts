/** Lets followers of the feed wait for news. One look at the database serves all that wait. */

export interface RevocationWatch {
  /** Resolves when the feed has moved beyond `cursor`, or when the time is over. */
  moved(cursor: bigint, milliseconds: number): Promise<void>
}

/** How often the database is asked while somebody waits. */
const lookEveryMs = 200
/** Beyond this many, a follower is answered at once and comes back. */
const maxWaiting = 2000

interface Waiting {
  cursor: bigint
  done: () => void
}

/** @param newest reads the newest cursor; a failure counts as no news */
export const createRevocationWatch = (newest: () => Promise<bigint>): RevocationWatch => {
  const waiting = new Set<Waiting>()
  let looking = false

  const look = async (): Promise<void> => {
    const cursor = await newest().catch(() => 0n)
    for (const one of waiting) if (cursor > one.cursor) one.done()
  }
  const keepLooking = async (): Promise<void> => {
    if (looking) return
    looking = true
    while (waiting.size > 0) {
      await look()
      await new Promise((resolve) => setTimeout(resolve, lookEveryMs).unref())
    }
    looking = false
  }
  return {
    moved: (cursor, milliseconds) =>
      new Promise((resolve) => {
        if (waiting.size >= maxWaiting) return resolve()
        const done = () => {
          clearTimeout(timer)
          waiting.delete(one)
          resolve()
        }
        const one = { cursor, done }
        const timer = setTimeout(done, milliseconds)
        timer.unref()
        waiting.add(one)
        keepLooking()
      }),
  }
}
