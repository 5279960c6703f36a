/**
 * Every lifetime that tokens of this database were ever issued with. What must outlast them, such as the
 * entry of a revocation, goes by the longest: tokens from before the file was changed are still about.
 */
import { sql } from 'drizzle-orm'
import type { Database, Drizzle } from './database.js'
import { tokenLifetimes as table } from './schema.js'

/** SQL for the longest, as an interval. */
export const longestTokenLifetime = `
  (select coalesce(max(seconds), 0) from token_lifetimes) * interval '1 second'`

/** Before the first token that lives so long. */
export const noteTokenLifetime = async (drizzle: Drizzle, seconds: number): Promise<void> => {
  await drizzle.insert(table).values({ seconds }).onConflictDoNothing()
}

export const tokenLifetimesStore = ({ drizzle }: Database) => ({
  /** Seconds. */
  longest: async (): Promise<number> => {
    const [row] = await drizzle.select({ seconds: sql<number>`max(${table.seconds})` }).from(table)
    return Number(row?.seconds ?? 0)
  },
})
