/** Brings the schema up to date at start. Several servers may start at once. */
import { setTimeout as sleep } from 'node:timers/promises'
import { drizzle } from 'drizzle-orm/postgres-js'
import { migrate } from 'drizzle-orm/postgres-js/migrator'
import postgres from 'postgres'
import { isDatabaseStarting } from './failures.js'
import { migrationsFolder } from './migrations-folder.js'

/** Any constant does, as long as all servers of one database take the same. */
export const migrationLock = 5_291_701

const attemptEveryMs = 250
const maxAttempts = 40

/** PostgreSQL is there, and recovers: it says so, and takes connections in a moment. */
const whenStarted = async (run: () => Promise<void>): Promise<void> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await run()
    } catch (error) {
      if (!isDatabaseStarting(error) || attempt === maxAttempts) throw error
      await sleep(attemptEveryMs)
    }
  }
}

/** On one connection of its own, under an advisory lock: the second server waits, then finds it done. */
export const migratePostgres = (url: string): Promise<void> => whenStarted(() => migrateOnce(url))

/**
 * Policies do not hold for the owner and for members of it. To any other role the database would look
 * empty, as after a restore that gave the tables to somebody else.
 */
const checkOwner = async (client: postgres.Sql): Promise<void> => {
  const [row] = await client`select row_security_active('tenants') as hidden, current_user as role`
  if (row?.hidden !== true) return
  throw new Error(
    `DATABASE_URL: the tables do not belong to the role "${row.role}": connect as their owner, or as a member of it`,
  )
}

const migrateOnce = async (url: string): Promise<void> => {
  const client = postgres(url, { max: 1, onnotice: () => {}, connect_timeout: 10 })
  try {
    await client`select pg_advisory_lock(${migrationLock}::bigint)`
    await migrate(drizzle(client), { migrationsFolder })
    await checkOwner(client)
  } finally {
    await client.end({ timeout: 5 })
  }
}
