/** What an admin says of a client, read like the clients of the configuration file. */
import { agentLimitsClaim, agentLimitsSchema, OAuthError } from '@behalf/protocol'
import { z } from 'zod'
import { clientSchema } from '../config.js'
import { type Caller, isAdminOf } from '../delegations/parties.js'
import type { Deps } from '../deps.js'
import { grantTypesOf } from '../store/apply-config.js'
import { checkRedirectUris, displayMembers, invalidMetadata } from './client-metadata.js'
import { looksLikeDocumentUrl } from './metadata-document-url.js'
import { applicationTypes } from './redirect-uri.js'

/** Of clients that are made as the keys of a resource. */
export const keyPrefix = 'rs_'

/** Strict, unlike RFC 7591 §2: a limit that is misspelt and ignored is authority widened. */
const adminClientSchema = clientSchema.omit({ client_secret: true }).extend({
  client_id: clientSchema.shape.client_id
    .refine((id) => !looksLikeDocumentUrl(id), 'must not be a URL: that is a document')
    .refine((id) => !id.startsWith('dyn_'), 'must not begin with "dyn_"')
    .refine((id) => !id.startsWith(keyPrefix), `must not begin with "${keyPrefix}"`)
    .optional(),
  application_type: z.enum(applicationTypes).optional(),
  ...displayMembers,
})

export type AdminClient = z.output<typeof adminClientSchema>

/** @throws OAuthError `invalid_client_metadata` that names the member */
export const parseAdminClient = (body: Record<string, unknown>): AdminClient => {
  const result = adminClientSchema.safeParse(body)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const path = issue?.path.join('.') || 'body'
  throw invalidMetadata(
    `${path}: ${issue?.message ?? 'is malformed'}.`,
    'malformed_metadata_member',
  )
}

/** An admin of a tenant registers for that one; an admin of all says for which, or for none. */
export const tenantFor = async (
  stated: string | undefined,
  caller: Caller,
  { store }: Deps,
  refuse = invalidMetadata,
): Promise<string | undefined> => {
  const tenantId = stated ?? caller.client.tenant_id
  if (!isAdminOf(caller, tenantId)) {
    throw new OAuthError('access_denied', {
      description: 'This is for administrators of that tenant.',
      reason: 'other_tenant',
    })
  }
  if (tenantId !== undefined && !(await store.adminClients.hasTenant(tenantId))) {
    throw refuse('tenant_id: is not known.', 'unknown_tenant')
  }
  return tenantId
}

const checkResources = async (
  uris: readonly string[],
  tenantId: string | undefined,
  { store }: Deps,
): Promise<void> => {
  const known = await store.resources.findMany(uris)
  const isMine = (uri: string): boolean =>
    known.some(
      (one) => one.resource === uri && (one.tenant_id === undefined || one.tenant_id === tenantId),
    )
  // What belongs to another tenant looks like what is not there.
  if (!uris.every(isMine)) {
    throw invalidMetadata('resources: one of them is not known.', 'unknown_resource')
  }
}

/** What a schema cannot say. */
export const checkAdminClient = async (
  client: AdminClient,
  tenantId: string | undefined,
  deps: Deps,
): Promise<void> => {
  if (client.token_endpoint_auth_method === 'none' && client.kind !== 'app') {
    throw invalidMetadata('Only an app may be public.', 'public_client')
  }
  checkRedirectUris(client.redirect_uris ?? [], client.application_type)
  await checkResources(client.resources ?? [], tenantId, deps)
}

/** The columns that follow from what the admin says. */
export const adminColumns = (client: AdminClient, tenantId: string | undefined) => ({
  kind: client.kind,
  tenantId: tenantId ?? null,
  clientName: client.client_name ?? null,
  agentType: client.agent_type ?? null,
  tokenEndpointAuthMethod: client.token_endpoint_auth_method ?? 'client_secret_basic',
  grantTypes: grantTypesOf(client),
  redirectUris: client.redirect_uris ?? [],
  postLogoutRedirectUris: client.post_logout_redirect_uris ?? [],
  scope: client.scope ? client.scope.split(' ') : [],
  resources: client.resources ?? [],
  agentLimits: agentLimitsClaim(agentLimitsSchema.parse(client.agent_limits ?? {})),
  disabled: client.disabled ?? false,
  applicationType: client.application_type ?? null,
  clientUri: client.client_uri ?? null,
  logoUri: client.logo_uri ?? null,
  policyUri: client.policy_uri ?? null,
  tosUri: client.tos_uri ?? null,
  contacts: client.contacts ?? null,
})
