/** Admins write protected resources down, change and remove them. RFC 8707, RFC 9728. */
import { notFound } from '../budgets/charge-rights.js'
import { type Caller, requireAdmin } from '../delegations/parties.js'
import type { Deps } from '../deps.js'
import { tenantFor } from '../registration/admin-metadata.js'
import type { ListedResource } from '../store/admin-resources.js'
import { noteDeed } from './audit.js'
import { checkResourceOfAdmin, findOwnResource } from './find-resource.js'
import { describeResource } from './list-resources.js'
import { resourceIdOf } from './resource-id.js'
import { isKeyClient, makeKey } from './resource-key.js'
import {
  type AdminResource,
  checkNotIssuer,
  checkServer,
  invalidResource,
  parseAdminResource,
  resourceColumns,
} from './resource-metadata.js'

const taken = () =>
  invalidResource('resource: is taken, or was once by another tenant.', 'resource_taken')

/** `POST /admin/resources`. @returns the only answer that shows the secret of its key */
export const addResource = async (body: Record<string, unknown>, caller: Caller, deps: Deps) => {
  requireAdmin(caller)
  const asked = parseAdminResource(body)
  const { resource } = asked
  checkNotIssuer(resource, deps)
  const tenantId = await tenantFor(asked.tenant_id, caller, deps, invalidResource)
  await checkServer(asked.client_id, tenantId, caller, deps)
  const key = asked.with_key ? makeKey(tenantId, deps) : undefined
  const columns = resourceColumns(asked)
  const clientId = key?.row.client.clientId ?? columns.clientId
  const row = { ...columns, clientId, resource, tenantId: tenantId ?? null }
  const registered = { ...row, registeredBy: 'admin' as const }
  if (!(await deps.store.adminResources.add(registered, key?.row))) throw taken()
  noteDeed('resource added', { resource, tenantId, server: clientId ?? undefined }, caller, deps)
  return { ...describeResource(registered), ...key?.members }
}

/** `GET /admin/resources/:resource_id` */
export const showResource = async (id: string, caller: Caller, deps: Deps) =>
  describeResource(await findOwnResource(id, caller, deps))

/** Delegations name it and belong to its tenant: it stays what and whose it is. */
const checkSame = (
  { resource, tenant_id: tenantId, with_key: withKey }: AdminResource,
  id: string,
  home: string | null,
): void => {
  if (resourceIdOf(resource) !== id) {
    throw invalidResource('resource: cannot be changed.', 'resource_mismatch')
  }
  if (tenantId !== undefined && tenantId !== home) {
    throw invalidResource('tenant_id: cannot be changed.', 'tenant_mismatch')
  }
  if (withKey === undefined) return
  const description = 'with_key: is for a new resource. Send POST to its keys.'
  throw invalidResource(description, 'malformed_metadata_member')
}

/** The client that was made as the key of this resource. */
const keyOf = async (
  { clientId }: ListedResource,
  { store }: Deps,
): Promise<string | undefined> => {
  const client = clientId === null ? undefined : await store.adminClients.find(clientId)
  return client && isKeyClient(client) ? client.clientId : undefined
}

/** Keys are changed at their own address: whoever does not speak of them leaves them as they are. */
const replacing = async (asked: AdminResource, before: ListedResource, deps: Deps) => {
  const { clientId, ...set } = resourceColumns(asked)
  const isKept = clientId === null && (await keyOf(before, deps)) === (before.clientId ?? undefined)
  return isKept ? set : { ...set, clientId }
}

/** `PUT /admin/resources/:resource_id`: replaces all that an admin can say. */
export const replaceResource = async (
  id: string,
  body: Record<string, unknown>,
  caller: Caller,
  deps: Deps,
) => {
  const before = await findOwnResource(id, caller, deps)
  checkResourceOfAdmin(before)
  const asked = parseAdminResource(body)
  const { resource, tenantId } = before
  checkSame(asked, id, tenantId)
  await checkServer(asked.client_id, tenantId ?? undefined, caller, deps)
  const set = await replacing(asked, before, deps)
  const row = await deps.store.adminResources.replace(resource, set)
  if (!row) throw notFound()
  const server = row.clientId ?? undefined
  noteDeed('resource replaced', { resource, tenantId, server }, caller, deps)
  return describeResource(row)
}

/** `DELETE /admin/resources/:resource_id`: from now on nobody gets a token for it, and nobody looks into one. */
export const removeResource = async (id: string, caller: Caller, deps: Deps): Promise<void> => {
  const row = await findOwnResource(id, caller, deps)
  checkResourceOfAdmin(row)
  const { resource, tenantId } = row
  const key = await keyOf(row, deps)
  if (!(await deps.store.adminResources.remove(resource, key, deps.now()))) throw notFound()
  noteDeed('resource removed', { resource, tenantId, server: key }, caller, deps)
}
