/** Who may see and end a delegation: those who hold it, who lent it, for whom it acts, and admins. */
import { OAuthError } from '@behalf/protocol'
import type { Deps } from '../deps.js'
import type { Client } from '../store/clients.js'
import type { Delegation } from '../store/delegations.js'

/** A caller of the server's own API. */
export interface Caller {
  client: Client
  scope: readonly string[]
}

/** An admin without a tenant is everyone's. */
export const isAdminOf = ({ client, scope }: Caller, tenantId: string | undefined): boolean =>
  scope.includes('admin') && (client.tenant_id === undefined || client.tenant_id === tenantId)

/** @throws OAuthError `access_denied` for whoever is no admin of anything */
export const requireAdmin = ({ scope }: Caller): void => {
  if (scope.includes('admin')) return
  throw new OAuthError('access_denied', {
    description: 'This is for administrators.',
    reason: 'not_an_admin',
    hint: 'Use a client that has the scope admin.',
  })
}

/** The holder, anyone above it in the lineage, the subject, or an admin of the tenant. */
export const isParty = async (
  delegation: Delegation,
  caller: Caller,
  deps: Deps,
): Promise<boolean> => {
  const { client_id: id, tenant_id } = caller.client
  if (isAdminOf(caller, delegation.tenant_id)) return true
  // Of what it did in a tenant that it has left, a client is no longer a part.
  if (delegation.tenant_id !== tenant_id) return false
  if (delegation.subject === id) return true
  const lineage = await deps.store.delegations.findMany(delegation.lineage)
  return lineage.some(({ actor }) => actor === id)
}
