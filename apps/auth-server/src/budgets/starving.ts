/** Money that is lent elsewhere and not used there must not be why somebody is refused for long. */
import { budgetRefusal, tightest } from './balance.js'
import type { Budget, Shortage, StoredAnswer } from './book.js'
import { refused } from './work.js'

const shortageOf = (path: readonly Budget[], required: bigint): Shortage | undefined => {
  const least = tightest(path)
  if (!least || least.remaining >= required) return undefined
  const lends = path.some(({ id, leases }) => id === least.id && leases > 0)
  return lends ? { budgetId: least.id, missing: required - least.remaining } : undefined
}

/** Refuses what a path does not cover, and says to the ledger what would have covered it. */
export const refusedFor = (required: bigint, path: readonly Budget[]): StoredAnswer => ({
  ...refused(budgetRefusal(required, path)),
  shortage: shortageOf(path, required),
})

const everySeconds = 1
const maxRemembered = 10_000

/** Refusals may come by the thousand: the leases on a budget are asked back once a second at most. */
export const createRecalls = (
  recall: (shortage: Shortage, now: Date) => Promise<void>,
  now: () => Date,
) => {
  const asked = new Map<string, number>()
  return async (shortage: Shortage | undefined): Promise<void> => {
    if (!shortage) return
    const at = now()
    const last = asked.get(shortage.budgetId) ?? Number.NEGATIVE_INFINITY
    if (at.getTime() - last < everySeconds * 1000) return
    if (asked.size >= maxRemembered) asked.clear()
    asked.set(shortage.budgetId, at.getTime())
    await recall(shortage, at)
  }
}
