/** Looks at the books all the time, also while everything else is down. */
import type { Books } from './books.js'
import { sleep } from './seeded.js'

/** Every look is one snapshot. Of ten looks one is at everything. */
export const startObserver = (books: Books) => {
  const findings: string[] = []
  let looks = 0
  let over = false
  const look = async (): Promise<void> => {
    try {
      findings.push(...(looks % 10 === 9 ? await books.problems() : await books.overCap()))
      looks += 1
    } catch {
      // The database is away. What is answered meanwhile is looked at by others.
    }
  }
  const running = (async () => {
    while (!over) {
      await look()
      await sleep(20)
    }
  })()
  return {
    /** @returns what it saw, and how often it could look */
    stop: async () => {
      over = true
      await running
      return { findings, looks }
    },
  }
}
