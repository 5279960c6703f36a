/** The resource that an admin speaks of. */
import { OAuthError } from '@behalf/protocol'
import { notFound } from '../budgets/charge-rights.js'
import { type Caller, isAdminOf, requireAdmin } from '../delegations/parties.js'
import type { Deps } from '../deps.js'
import type { ListedResource } from '../store/admin-resources.js'
import { readResourceId } from './resource-id.js'

/** Of another tenant, and not there at all, look the same. */
export const findOwnResource = async (
  id: string,
  caller: Caller,
  { store }: Deps,
): Promise<ListedResource> => {
  requireAdmin(caller)
  const uri = readResourceId(id)
  const resource = uri === undefined ? undefined : await store.adminResources.find(uri)
  if (!resource || !isAdminOf(caller, resource.tenantId ?? undefined)) throw notFound()
  return resource
}

/** The file would undo the change at the next start. */
export const checkResourceOfAdmin = ({ registeredBy }: ListedResource): void => {
  if (registeredBy === 'admin') return
  throw new OAuthError('access_denied', {
    description: 'This resource was not registered by an admin.',
    reason: 'not_registered_by_admin',
    hint: 'Change it where it was registered: in the configuration file.',
  })
}
