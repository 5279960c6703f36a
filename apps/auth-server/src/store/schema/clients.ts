/** Who authenticates: agents, applications and resource servers. Secrets only as hashes. */
import type { AgentLimitsClaim } from '@behalf/protocol'
import { sql } from 'drizzle-orm'
import { boolean, index, jsonb, pgTable, pgView, text } from 'drizzle-orm/pg-core'
import { at } from './columns.js'
import { tenantOfSession } from './row-security.js'
import { tenants } from './tenants.js'

export type ClientKind = 'agent' | 'resource_server' | 'app'

/** Who wrote a client down: the operator's file, an admin, the client itself, or its document. */
export type Registrant = 'config' | 'admin' | 'dynamic' | 'metadata_document'

export const clients = pgTable(
  'clients',
  {
    clientId: text('client_id').primaryKey(),
    kind: text('kind').$type<ClientKind>().notNull(),
    registeredBy: text('registered_by').$type<Registrant>().notNull().default('config'),
    agentType: text('agent_type'),
    tenantId: text('tenant_id').references(() => tenants.tenantId),
    clientName: text('client_name'),
    clientSecretHash: text('client_secret_hash'),
    tokenEndpointAuthMethod: text('token_endpoint_auth_method').notNull(),
    grantTypes: text('grant_types').array().notNull(),
    redirectUris: text('redirect_uris').array().notNull(),
    /** OpenID Connect RP-Initiated Logout §3.1 */
    postLogoutRedirectUris: text('post_logout_redirect_uris').array().notNull().default(sql`'{}'`),
    scope: text('scope').array().notNull(),
    resources: text('resources').array().notNull(),
    agentLimits: jsonb('agent_limits').$type<AgentLimitsClaim>().notNull(),
    disabled: boolean('disabled').notNull().default(false),
    applicationType: text('application_type'),
    clientUri: text('client_uri'),
    logoUri: text('logo_uri'),
    policyUri: text('policy_uri'),
    tosUri: text('tos_uri'),
    contacts: text('contacts').array(),
    /** What it asked for when it registered itself; `scope` is the part that is allowed today. */
    requestedScope: text('requested_scope').array(),
    /** RFC 7592 §3 */
    registrationTokenHash: text('registration_token_hash'),
    /** A secret that was replaced and is still good for a while. */
    previousSecretHash: text('previous_secret_hash'),
    previousSecretExpiresAt: at('previous_secret_expires_at'),
    createdAt: at('created_at'),
    lastUsedAt: at('last_used_at'),
    documentFetchedAt: at('document_fetched_at'),
    documentExpiresAt: at('document_expires_at'),
    /** The id of a client that an admin removed is never given to another one. */
    deletedAt: at('deleted_at'),
  },
  (table) => [
    index('clients_tenant_id').on(table.tenantId, table.clientId),
    index('clients_self_registered')
      .on(table.registeredBy, table.lastUsedAt, table.createdAt)
      .where(sql`registered_by in ('dynamic', 'metadata_document')`),
  ],
).enableRLS()

/**
 * Clients as other roles may see them, without the hashes of their secrets: rows can be hidden by a policy,
 * columns cannot. A view of two sources takes no writes, which would be made with the rights of its owner.
 */
export const tenantClients = pgView('tenant_clients', {
  clientId: text('client_id'),
  tenantId: text('tenant_id'),
})
  .with({ securityBarrier: true })
  .as(sql`
    select c.client_id, c.kind, c.registered_by, c.agent_type, c.tenant_id, c.client_name,
      c.token_endpoint_auth_method, c.grant_types, c.redirect_uris, c.scope, c.resources, c.agent_limits,
      c.disabled, c.client_uri, c.logo_uri, c.policy_uri, c.tos_uri, c.contacts, c.created_at,
      c.last_used_at, c.deleted_at
    from clients c, (select ${tenantOfSession} as tenant_id) as mine
    where c.tenant_id = mine.tenant_id`)
