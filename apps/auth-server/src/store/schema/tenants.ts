/** Organizations, and the resources that they protect. */
import { sql } from 'drizzle-orm'
import { boolean, index, jsonb, pgTable, text } from 'drizzle-orm/pg-core'
import { at } from './columns.js'
import { readByTenant } from './row-security.js'

/** Organizations: those of people and those of tokens are the same row. */
export const tenants = pgTable(
  'tenants',
  {
    tenantId: text('tenant_id').primaryKey(),
    name: text('name').notNull(),
    disabled: boolean('disabled').notNull().default(false),
    /** Of the operator's own, for the tokens of its people. */
    claims: jsonb('claims').$type<Record<string, unknown>>().notNull().default({}),
    createdAt: at('created_at').notNull().defaultNow(),
    /** What better-auth calls an organization's slug. */
    slug: text('slug').generatedAlwaysAs(sql`tenant_id`),
    logo: text('logo'),
    metadata: text('metadata'),
  },
  () => [readByTenant()],
)

/** Who wrote a resource down: the operator's file, or an admin. */
export type ResourceRegistrant = 'config' | 'admin'

/** Protected resources, named by their RFC 8707 URI. Without a tenant: open to all of them. */
export const resources = pgTable(
  'resources',
  {
    resource: text('resource').primaryKey(),
    tenantId: text('tenant_id').references(() => tenants.tenantId),
    scopesSupported: text('scopes_supported').array().notNull(),
    /** The resource server that may introspect and charge for it. */
    clientId: text('client_id'),
    /** What a scope lets somebody do, in plain words for the person who is asked. */
    scopeDescriptions: jsonb('scope_descriptions')
      .$type<Record<string, string>>()
      .notNull()
      .default({}),
    registeredBy: text('registered_by').$type<ResourceRegistrant>().notNull().default('config'),
  },
  (table) => [
    readByTenant(),
    index('resources_client_id').on(table.clientId),
    index('resources_tenant_id').on(table.tenantId, table.resource),
  ],
)

/**
 * URIs of resources that an admin removed. Delegations may still name them, so nobody but the tenant
 * that had one can have it again.
 */
export const retiredResources = pgTable('retired_resources', {
  resource: text('resource').primaryKey(),
  tenantId: text('tenant_id').references(() => tenants.tenantId),
  retiredAt: at('retired_at').notNull(),
}).enableRLS()
