/** Who is in which organization, and who is asked in. Named as better-auth asks for it. */
import { sql } from 'drizzle-orm'
import { index, pgTable, text, uniqueIndex } from 'drizzle-orm/pg-core'
import { at } from './columns.js'
import { ofUser, users } from './people.js'
import { readByTenant } from './row-security.js'
import { tenants } from './tenants.js'

export const members = pgTable(
  'members',
  {
    id: text('id').primaryKey(),
    organizationId: text('tenant_id')
      .notNull()
      .references(() => tenants.tenantId, { onDelete: 'cascade' }),
    userId: ofUser(),
    role: text('role').$type<'owner' | 'admin' | 'member'>().notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (table) => [
    readByTenant(),
    uniqueIndex('members_once').on(table.userId, table.organizationId),
    index('members_tenant_id').on(table.organizationId),
  ],
)

export const invitations = pgTable(
  'invitations',
  {
    id: text('id').primaryKey(),
    organizationId: text('tenant_id')
      .notNull()
      .references(() => tenants.tenantId, { onDelete: 'cascade' }),
    /** In small letters. */
    email: text('email').notNull(),
    role: text('role').$type<'admin' | 'member'>().notNull(),
    status: text('status').$type<'pending' | 'accepted' | 'canceled'>().notNull(),
    /** Of the link in the newest letter. Better-auth wants it nullable, and never writes here. */
    tokenHash: text('token_hash').unique(),
    expiresAt: at('expires_at').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
    inviterId: text('inviter_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
  },
  (table) => [
    uniqueIndex('invitations_pending')
      .on(table.organizationId, table.email)
      .where(sql`status = 'pending'`),
    index('invitations_inviter_id').on(table.inviterId),
    index('invitations_expires_at').on(table.expiresAt),
  ],
).enableRLS()
