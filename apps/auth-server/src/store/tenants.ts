/** Organizations. */
import type { Drizzle } from './database.js'
import { tenants as table } from './schema.js'

export type NewTenant = typeof table.$inferInsert

export const upsertTenant = async (drizzle: Drizzle, tenant: NewTenant): Promise<void> => {
  const { tenantId: _, ...set } = tenant
  await drizzle.insert(table).values(tenant).onConflictDoUpdate({ target: table.tenantId, set })
}
