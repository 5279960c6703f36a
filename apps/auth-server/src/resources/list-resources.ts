/** Protected resources as admins see them: one, and page by page. */
import { type Caller, isAdminOf, requireAdmin } from '../delegations/parties.js'
import type { Deps } from '../deps.js'
import { malformedQuery, readPageQuery } from '../registration/page-query.js'
import type { ListedResource } from '../store/admin-resources.js'
import { readResourceId, resourceIdOf } from './resource-id.js'

/** With RFC 9728's names where it has them. */
export const describeResource = (row: ListedResource): Record<string, unknown> => {
  const members = {
    resource_id: resourceIdOf(row.resource),
    resource: row.resource,
    registered_by: row.registeredBy,
    tenant_id: row.tenantId,
    scopes_supported: row.scopesSupported,
    scope_descriptions: row.scopeDescriptions,
    client_id: row.clientId,
  }
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value != null))
}

const readCursor = (text: string | undefined): string | undefined => {
  if (text === undefined) return undefined
  const resource = readResourceId(text)
  if (resource !== undefined) return resource
  throw malformedQuery('cursor is not one of this listing.')
}

/** `GET /admin/resources`: a page of them, by their URIs. */
export const listResources = async (
  query: Record<string, string[]>,
  caller: Caller,
  deps: Deps,
) => {
  requireAdmin(caller)
  const { tenant_id, limit, cursor } = readPageQuery(query)
  const tenantId = tenant_id ?? caller.client.tenant_id
  // Of a tenant that is not theirs an admin sees nothing, whether or not it exists.
  if (tenantId !== undefined && !isAdminOf(caller, tenantId)) return { resources: [] }
  const after = readCursor(cursor)
  const found = await deps.store.adminResources.list({ tenantId, after, limit: limit + 1 })
  const page = found.slice(0, limit)
  const last = page.at(-1)
  return {
    resources: page.map(describeResource),
    ...(found.length > limit && last && { next_cursor: resourceIdOf(last.resource) }),
  }
}
