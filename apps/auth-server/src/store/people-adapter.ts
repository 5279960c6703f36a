/** The tables as better-auth asks for them. Loaded with it, when the first person signs in. */
import { drizzleAdapter } from 'better-auth/adapters/drizzle'
import { sql } from 'drizzle-orm'
import { pgTable, text, timestamp } from 'drizzle-orm/pg-core'
import type { Database } from './database.js'
import {
  accounts,
  invitations,
  members,
  passkeys,
  sessions,
  ssoProviders,
  twoFactors,
  users,
  verifications,
} from './schema.js'

/** The same rows as `tenants`: an organization's id and its slug are both the `tenant_id`. */
const organizations = pgTable('tenants', {
  id: text('tenant_id').primaryKey(),
  name: text('name').notNull(),
  slug: text('slug').generatedAlwaysAs(sql`tenant_id`),
  logo: text('logo'),
  metadata: text('metadata'),
  createdAt: timestamp('created_at', { withTimezone: true }).notNull(),
})

/** No transactions: one would hold PGlite's only connection for as long as a password is hashed. */
export const peopleAdapter = ({ drizzle }: Database) =>
  drizzleAdapter(drizzle, {
    provider: 'pg',
    transaction: false,
    schema: {
      user: users,
      session: sessions,
      account: accounts,
      verification: verifications,
      organization: organizations,
      member: members,
      invitation: invitations,
      twoFactor: twoFactors,
      passkey: passkeys,
      ssoProvider: ssoProviders,
    },
  })
