/** What an admin says of a protected resource, read like the resources of the configuration file. */
import { OAuthError } from '@behalf/protocol'
import { z } from 'zod'
import { resourceSchema } from '../config.js'
import { type Caller, isAdminOf } from '../delegations/parties.js'
import type { Deps } from '../deps.js'

const adminResourceSchema = resourceSchema.extend({
  /** A client of its own for the resource server, with its secret in the answer. */
  with_key: z.boolean().optional(),
})

export type AdminResource = z.output<typeof adminResourceSchema>

export const invalidResource = (description: string, reason: string): OAuthError =>
  new OAuthError('invalid_request', { description, reason })

/** @throws OAuthError `invalid_request` that names the member */
export const parseAdminResource = (body: Record<string, unknown>): AdminResource => {
  const result = adminResourceSchema.safeParse(body)
  if (!result.success) {
    const issue = result.error.issues[0]
    const path = issue?.path.join('.') || 'body'
    const description = `${path}: ${issue?.message ?? 'is malformed'}.`
    throw invalidResource(description, 'malformed_metadata_member')
  }
  const { with_key: withKey, client_id: clientId } = result.data
  if (withKey && clientId !== undefined) {
    const description = 'with_key: makes the client that client_id names. Send one of the two.'
    throw invalidResource(description, 'malformed_metadata_member')
  }
  return result.data
}

/** Tokens for the issuer are for this server's own API, and nobody else may look into them. */
export const checkNotIssuer = (resource: string, { issuer }: Deps): void => {
  if (resource !== issuer && resource !== `${issuer}/`) return
  throw invalidResource('resource: is this server itself.', 'resource_is_issuer')
}

/** Whoever serves a resource sees its tokens and charges for it: a client of the same tenant. */
export const checkServer = async (
  clientId: string | undefined,
  tenantId: string | undefined,
  caller: Caller,
  { store }: Deps,
): Promise<void> => {
  if (clientId === undefined) return
  const client = await store.adminClients.find(clientId)
  const home = client?.tenantId ?? undefined
  const isOthers = home !== undefined && tenantId !== undefined && home !== tenantId
  // What belongs to another tenant looks like what is not there.
  if (!client || isOthers || !isAdminOf(caller, home)) {
    throw invalidResource('client_id: is not known.', 'unknown_resource_server')
  }
  if (client.kind === 'resource_server') return
  const description = 'client_id: is not a client of kind "resource_server".'
  throw invalidResource(description, 'not_a_resource_server')
}

/** The columns that an admin decides on. */
export const resourceColumns = (resource: AdminResource) => ({
  scopesSupported: [...new Set(resource.scopes_supported)],
  scopeDescriptions: resource.scope_descriptions ?? {},
  clientId: resource.client_id ?? null,
})
