/** Brings the schema up to date at start. Several servers may start at once. */
import { fileURLToPath } from 'node:url'
import type { PgliteDatabase } from 'drizzle-orm/pglite'
import { migrate as migrateWithPglite } from 'drizzle-orm/pglite/migrator'
import { drizzle } from 'drizzle-orm/postgres-js'
import { migrate as migrateWithPostgres } from 'drizzle-orm/postgres-js/migrator'
import postgres from 'postgres'
import type * as schema from './schema.js'

// Two levels up, both from src/store and, bundled, from dist: see the test that starts dist.
const migrationsFolder = fileURLToPath(
  new URL(import.meta.url.includes('/dist/') ? '../drizzle' : '../../drizzle', import.meta.url),
)

/** Any constant does, as long as all servers of one database take the same. */
export const migrationLock = 5_291_701

export const migratePglite = (database: PgliteDatabase<typeof schema>): Promise<void> =>
  migrateWithPglite(database, { migrationsFolder })

/** On one connection of its own, under an advisory lock: the second server waits, then finds it done. */
export const migratePostgres = async (url: string): Promise<void> => {
  const client = postgres(url, { max: 1, onnotice: () => {}, connect_timeout: 10 })
  try {
    await client`select pg_advisory_lock(${migrationLock}::bigint)`
    await migrateWithPostgres(drizzle(client), { migrationsFolder })
  } finally {
    await client.end({ timeout: 5 })
  }
}
