/** Kept answers of the ledger. They are written there; here they are forgotten. */
import { lt } from 'drizzle-orm'
import type { Database } from './database.js'
import { idempotencyKeys as table } from './schema.js'

export const idempotencyKeysStore = ({ drizzle }: Database) => ({
  forget: async (now: Date): Promise<void> => {
    await drizzle.delete(table).where(lt(table.expiresAt, now))
  },
})
