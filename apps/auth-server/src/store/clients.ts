/** Clients, as RFC 7591 names their metadata. */
import { type AgentLimits, agentLimitsSchema } from '@behalf/protocol'
import { sql } from 'drizzle-orm'
import { apiScopes } from '../api-scopes.js'
import { batchRows } from './batch-rows.js'
import type { Database, Drizzle, Row } from './database.js'
import { asOfColumn } from './registry-version.js'
import { type ClientKind, type Registrant, clients as table } from './schema.js'

export interface Client {
  client_id: string
  kind: ClientKind
  registered_by: Registrant
  client_name: string | undefined
  /** `web` or `native`, where it is known. */
  application_type: string | undefined
  redirect_uris: readonly string[]
  /** For the eyes of people; nothing here fetches them. */
  client_uri: string | undefined
  logo_uri: string | undefined
  policy_uri: string | undefined
  tos_uri: string | undefined
  agent_type: string | undefined
  tenant_id: string | undefined
  client_secret_hash: string | undefined
  /** The secret before this one, and until when it is good. */
  previous_secret_hash: string | undefined
  previous_secret_expires_at: Date | undefined
  token_endpoint_auth_method: string
  grant_types: readonly string[]
  post_logout_redirect_uris: readonly string[]
  scope: readonly string[]
  resources: readonly string[]
  agent_limits: AgentLimits
  /** True when the client or its tenant is switched off. */
  disabled: boolean
  /** The live root of the client's own standing authority. */
  root_delegation_id: string | undefined
  /** What it may do at the server's own API. */
  api_scope: readonly string[]
  /** Resources of which this client is the resource server. */
  serves: readonly string[]
  /** When the metadata document was read, and until when it is believed. */
  document_fetched_at: Date | undefined
  document_expires_at: Date | undefined
  /** To the day, and only where it matters: for clients that registered themselves. */
  last_used_at: Date | undefined
  /** The version of the registry that this was read at. */
  as_of: string
}

/** Nobody has written it down but itself: what it may have is listed, and nothing else. */
export const isSelfRegistered = ({ registered_by: by }: Client): boolean =>
  by === 'dynamic' || by === 'metadata_document'

export type NewClient = typeof table.$inferInsert

const apiScopeList = apiScopes.map((scope) => `'${scope}'`).join(', ')

const columns = `
  select c.client_id, c.kind, c.agent_type, c.tenant_id, c.client_secret_hash,
    c.token_endpoint_auth_method, c.grant_types, c.scope, c.resources, c.agent_limits,
    c.registered_by, c.client_name, c.application_type, c.redirect_uris,
    c.post_logout_redirect_uris, c.client_uri, c.logo_uri,
    c.policy_uri, c.tos_uri, c.previous_secret_hash, c.previous_secret_expires_at,
    c.document_fetched_at, c.document_expires_at, c.last_used_at,
    c.disabled or coalesce(t.disabled, false) as disabled,
    (select d.id from delegations d where d.actor = c.client_id and d.parent_id is null
      -- All that ever hung from it has the same subject, and an end.
      and d.subject = d.actor and d.revoked_at is null and d.expires_at is null
      and d.tenant_id is not distinct from c.tenant_id) as root_delegation_id,
    -- A word that one of its resources uses as well is meant for that resource.
    array(select unnest(c.scope) intersect select unnest(array[${apiScopeList}])
      except select unnest(r.scopes_supported) from resources r
        where r.resource = any(c.resources)) as api_scope,
    array(select r.resource from resources r where r.client_id = c.client_id) as serves,
    ${asOfColumn}
  from clients c left join tenants t on t.tenant_id = c.tenant_id`

const parse = (row: Row): Client => {
  const optional = Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, value ?? undefined]),
  )
  return { ...optional, agent_limits: agentLimitsSchema.parse(row.agent_limits) } as Client
}

export const clientsStore = ({ read }: Database) => {
  const findMany = batchRows(
    async (clientIds) =>
      (await read(`${columns} where c.client_id = any($1::text[])`, [clientIds])).map(parse),
    ({ client_id }) => client_id,
  )
  return {
    findMany,
    find: async (clientId: string): Promise<Client | undefined> => (await findMany([clientId]))[0],
  }
}

/** Writes a client as the configuration has it. */
export const upsertClient = async (drizzle: Drizzle, client: NewClient): Promise<void> => {
  const { clientId: _, ...set } = client
  await drizzle.insert(table).values(client).onConflictDoUpdate({ target: table.clientId, set })
}

export const clientIdsOf = async (drizzle: Drizzle): Promise<Set<string>> => {
  const rows = await drizzle.select({ id: table.clientId }).from(table).orderBy(sql`1`)
  return new Set(rows.map(({ id }) => id))
}
