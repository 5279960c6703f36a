/** Counts tries within a window of time, over all servers of one database. */
import { createHash } from 'node:crypto'
import { eq, lte, sql } from 'drizzle-orm'
import { type Database, rowsOf } from './database.js'
import { attempts as table } from './schema.js'

export interface Attempt {
  /** What is counted, for example `sign-in:alice@acme.test`. Kept as its hash. */
  name: string
  windowSeconds: number
  now: Date
}

const hash = (name: string): string => createHash('sha256').update(name).digest('base64url')

export const attemptsStore = ({ drizzle }: Database) => ({
  /** Counts one more, in one statement. @returns how many there are now, and when it starts again */
  count: async ({ name, windowSeconds, now }: Attempt) => {
    const from = sql`${now.toISOString()}::timestamptz`
    const until = sql`${new Date(now.getTime() + windowSeconds * 1000).toISOString()}::timestamptz`
    const isOver = sql`${table.endsAt} <= ${from}`
    const [row] = rowsOf(
      await drizzle.execute(sql`
        insert into ${table} (key_hash, count, ends_at) values (${hash(name)}, 1, ${until})
        on conflict (key_hash) do update set
          count = case when ${isOver} then 1 else ${table.count} + 1 end,
          ends_at = case when ${isOver} then ${until} else ${table.endsAt} end
        returning count, ends_at`),
    )
    return { count: Number(row?.count), endsAt: new Date(String(row?.ends_at)) }
  },

  /** This one was none. */
  forgive: async (name: string): Promise<void> => {
    await drizzle
      .update(table)
      .set({ count: sql`greatest(${table.count} - 1, 0)` })
      .where(eq(table.key, hash(name)))
  },

  /** Starts again, because it went well. */
  clear: async (name: string): Promise<void> => {
    await drizzle.delete(table).where(eq(table.key, hash(name)))
  },

  forget: async (now: Date): Promise<void> => {
    await drizzle.delete(table).where(lte(table.endsAt, now))
  },
})
