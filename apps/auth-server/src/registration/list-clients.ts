/** Clients as admins see them: one, and page by page. */
import { clientId as clientIdSchema, formatScope, formatUsd } from '@behalf/protocol'
import { type Caller, isAdminOf, requireAdmin } from '../delegations/parties.js'
import type { Deps } from '../deps.js'
import type { ListedClient } from '../store/admin-clients.js'
import { malformedQuery, readPageQuery } from './page-query.js'

const periodsOf = (periods: ListedClient['periods']) =>
  periods &&
  Object.fromEntries(Object.entries(periods).map(([name, cap]) => [name, formatUsd(BigInt(cap))]))

const seconds = (date: Date | null): number | null => date && Math.floor(date.getTime() / 1000)

/** With RFC 7591's names where it has them. Never a secret, and no hash of one. */
export const describeClient = (client: ListedClient): Record<string, unknown> => {
  const members = {
    client_id: client.clientId,
    client_id_issued_at: seconds(client.createdAt),
    registered_by: client.registeredBy,
    kind: client.kind,
    tenant_id: client.tenantId,
    client_name: client.clientName,
    agent_type: client.agentType,
    application_type: client.applicationType,
    token_endpoint_auth_method: client.tokenEndpointAuthMethod,
    grant_types: client.grantTypes,
    redirect_uris: client.redirectUris,
    post_logout_redirect_uris: client.postLogoutRedirectUris,
    scope: formatScope(client.scope),
    resources: client.resources,
    agent_limits: client.agentLimits,
    budget_periods: periodsOf(client.periods),
    client_uri: client.clientUri,
    logo_uri: client.logoUri,
    policy_uri: client.policyUri,
    tos_uri: client.tosUri,
    contacts: client.contacts,
    disabled: client.disabled,
    last_used_at: seconds(client.lastUsedAt),
  }
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value != null))
}

const readCursor = (text: string | undefined): string | undefined => {
  if (text === undefined) return undefined
  const id = Buffer.from(text, 'base64url').toString('utf8')
  if (clientIdSchema.safeParse(id).success) return id
  throw malformedQuery('cursor is not one of this listing.')
}

/** `GET /admin/clients`: a page of them, by their ids. */
export const listClients = async (query: Record<string, string[]>, caller: Caller, deps: Deps) => {
  requireAdmin(caller)
  const { tenant_id, limit, cursor } = readPageQuery(query)
  const tenantId = tenant_id ?? caller.client.tenant_id
  // Of a tenant that is not theirs an admin sees nothing, whether or not it exists.
  if (tenantId !== undefined && !isAdminOf(caller, tenantId)) return { clients: [] }
  const after = readCursor(cursor)
  const found = await deps.store.adminClients.list({ tenantId, after, limit: limit + 1 })
  const page = found.slice(0, limit)
  const last = page.at(-1)
  return {
    clients: page.map(describeClient),
    ...(found.length > limit &&
      last && { next_cursor: Buffer.from(last.clientId).toString('base64url') }),
  }
}
