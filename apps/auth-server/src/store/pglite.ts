/** PostgreSQL in WebAssembly, in this process and for it alone: one connection, for everything. */
import { mkdirSync } from 'node:fs'
import { PGlite } from '@electric-sql/pglite'
import { drizzle as drizzlePglite } from 'drizzle-orm/pglite'
import { migrate } from 'drizzle-orm/pglite/migrator'
import { holdDataFolder } from './data-folder.js'
import type { Database, Query, Row } from './database.js'
import { migrationsFolder } from './migrations-folder.js'
import * as schema from './schema.js'

const inMemory = (dump: Blob | undefined): PGlite =>
  dump ? new PGlite({ loadDataDir: dump }) : new PGlite()

/**
 * @param path absent: in memory, and gone with the process
 * @param dump what one in memory begins with
 */
export const openPglite = async (
  path: string | undefined,
  dump: Blob | undefined,
): Promise<Database> => {
  if (path) mkdirSync(path, { recursive: true, mode: 0o700 })
  const release = path ? holdDataFolder(path) : () => {}
  const pglite = path ? new PGlite(`${path}/data`) : inMemory(dump)
  const run: Query = async (text, params) => (await pglite.query<Row>(text, params)).rows
  const drizzle = drizzlePglite(pglite, { schema })
  await migrate(drizzle, { migrationsFolder })
  return {
    drizzle,
    urgent: drizzle,
    read: run,
    report: run,
    background: run,
    write: run,
    writeAfter: (first, second) =>
      pglite.transaction(async (transaction) => {
        await transaction.query(first.text, first.params)
        return (await transaction.query<Row>(second.text, second.params)).rows
      }),
    ledger: (work) =>
      pglite.transaction(async (transaction) => {
        const run: Query = async (text, params) => (await transaction.query<Row>(text, params)).rows
        const { result, written } = await work(run)
        await written
        return result
      }),
    close: async () => {
      await pglite.close()
      release()
    },
  }
}
