/**
 * What other roles of the database may read: nothing, or the rows of one tenant, after
 * `set behalf.tenant_id`. Nobody but the owner writes. The server is the owner, and is not asked.
 */
import { type SQL, sql } from 'drizzle-orm'
import { pgPolicy } from 'drizzle-orm/pg-core'

/** Without the setting it is null, or empty after a transaction that had it: no row has such a tenant. */
export const tenantOfSession = sql.raw(`current_setting('behalf.tenant_id', true)`)

const readable = (using: SQL) => pgPolicy('one_tenant', { for: 'select', using })

/** For a table with a tenant of its own in each row. */
export const readByTenant = () => readable(sql`tenant_id = ${tenantOfSession}`)

/** For rows about a delegation: whoever sees the delegation sees them. */
export const readByDelegation = (table: string) =>
  readable(sql.raw(`exists (select from delegations d where d.id = ${table}.delegation_id)`))

/** For rows about a budget. All budgets of a path have one tenant. */
export const readByBudget = (budgetId: string) =>
  readable(sql.raw(`exists (select from budgets b where b.id = ${budgetId})`))

/** For people: those who are members. */
export const readByMembership = () =>
  readable(sql`exists (select from members m where m.user_id = users.id)`)
