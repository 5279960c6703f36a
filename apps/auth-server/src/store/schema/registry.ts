/** One number that moves whenever anything of what is registered does. */
import { sql } from 'drizzle-orm'
import { bigint, boolean, check, pgTable } from 'drizzle-orm/pg-core'

/**
 * Of clients, tenants, resources, delegation rules and the roots of agents. Triggers move it, in the
 * transaction of the change and last of all in it: see the migration. So a change made by hand counts too.
 */
export const registryVersion = pgTable(
  'registry_version',
  {
    only: boolean('only').primaryKey().default(true),
    /** The transaction that changed something last. */
    version: bigint('version', { mode: 'bigint' }).notNull(),
  },
  (table) => [check('registry_version_one_row', sql`${table.only}`)],
).enableRLS()
