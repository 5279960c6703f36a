/** Transactions that lock rows in an order of their own: of two that meet, one is run again. */
import type { Drizzle } from './database.js'
import { withRetry } from './failures.js'

export const transactions =
  (drizzle: Drizzle) =>
  <T>(work: (transaction: Drizzle) => Promise<T>): Promise<T> =>
    withRetry(() => drizzle.transaction(work))
