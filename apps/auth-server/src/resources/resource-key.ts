/** The key of a resource server: a client that is made for its resource, and can do nothing else. */
import { randomBytes } from 'node:crypto'
import type { ApiScope } from '../api-scopes.js'
import type { Deps } from '../deps.js'
import { keyPrefix } from '../registration/admin-metadata.js'
import { secretMembers } from '../registration/dynamic-registration.js'
import { hashSecret, newSecret } from '../secrets.js'
import type { ListedClient } from '../store/admin-clients.js'
import type { NewKey } from '../store/admin-resources.js'

/** To introspect needs no word; to charge, and to read what is left, does. */
const keyScope: ApiScope[] = ['budgets:charge', 'delegations:read']

/** Those that admins name themselves do not begin so. */
export const isKeyClient = ({ clientId, registeredBy }: ListedClient): boolean =>
  registeredBy === 'admin' && clientId.startsWith(keyPrefix)

const rowOf = (tenantId: string | undefined, secretHash: string, now: Date) => ({
  clientId: `${keyPrefix}${randomBytes(16).toString('base64url')}`,
  registeredBy: 'admin' as const,
  kind: 'resource_server' as const,
  tenantId: tenantId ?? null,
  clientSecretHash: secretHash,
  tokenEndpointAuthMethod: 'client_secret_basic',
  grantTypes: [],
  redirectUris: [],
  scope: [...keyScope],
  resources: [],
  agentLimits: {},
  createdAt: now,
})

/** @returns the rows to write, and what the answer shows this once */
export const makeKey = (
  tenantId: string | undefined,
  { now, newId }: Deps,
): { row: NewKey; members: Record<string, unknown> } => {
  const secret = newSecret('cs')
  const client = rowOf(tenantId, hashSecret(secret), now())
  const standing = { budgetPeriods: undefined, newId: () => newId('dlg'), now: now() }
  return {
    row: { client, standing },
    members: { client_id: client.clientId, ...secretMembers(secret) },
  }
}
