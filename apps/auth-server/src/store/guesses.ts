/** Counts guesses at short codes, over all servers of a database and over their restarts. */
import { lt, sql } from 'drizzle-orm'
import type { Database } from './database.js'
import { guesses as table } from './schema.js'

const periodMs = 600_000

const periodOf = (now: Date): number => Math.floor(now.getTime() / periodMs)

/** Seconds until counting starts again. */
export const secondsToNextPeriod = (now: Date): number =>
  Math.ceil(((periodOf(now) + 1) * periodMs - now.getTime()) / 1000)

export const guessesStore = ({ drizzle }: Database) => ({
  /**
   * Counts a guess before it is looked at, so that many at once are as bounded as one by one.
   *
   * @returns how many there were within these ten minutes, this one included
   */
  count: async (who: string, now: Date): Promise<number> => {
    const [row] = await drizzle
      .insert(table)
      .values({ who, period: periodOf(now), count: 1 })
      .onConflictDoUpdate({
        target: [table.who, table.period],
        set: { count: sql`${table.count} + 1` },
      })
      .returning({ count: table.count })
    return row?.count ?? 0
  },

  /** The guess was right. */
  forgive: async (who: string, now: Date): Promise<void> => {
    await drizzle
      .update(table)
      .set({ count: sql`greatest(${table.count} - 1, 0)` })
      .where(sql`${table.who} = ${who} and ${table.period} = ${periodOf(now)}`)
  },

  forget: async (now: Date): Promise<void> => {
    await drizzle.delete(table).where(lt(table.period, periodOf(now) - 1))
  },
})
