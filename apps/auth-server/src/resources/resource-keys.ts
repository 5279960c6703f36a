/** Keys of resource servers: made, rotated with an overlap, listed, revoked. */
import { OAuthError } from '@behalf/protocol'
import { z } from 'zod'
import { notFound } from '../budgets/charge-rights.js'
import type { Caller } from '../delegations/parties.js'
import { type Deps, toSeconds } from '../deps.js'
import { secretMembers } from '../registration/dynamic-registration.js'
import { hashSecret, newSecret } from '../secrets.js'
import type { ListedClient } from '../store/admin-clients.js'
import type { ListedResource } from '../store/admin-resources.js'
import { noteDeed } from './audit.js'
import { checkResourceOfAdmin, findOwnResource } from './find-resource.js'
import { isKeyClient, makeKey } from './resource-key.js'
import { invalidResource } from './resource-metadata.js'

/** A client that was removed serves nothing any more. */
const serverOf = async ({ clientId }: ListedResource, { store }: Deps) =>
  clientId === null ? undefined : store.adminClients.find(clientId)

/** Its secret is changed where it was registered: here only what was made here. */
const checkMadeHere = (server: ListedClient): void => {
  if (isKeyClient(server)) return
  throw new OAuthError('access_denied', {
    description: 'The client that serves this resource was not made as its key.',
    reason: 'not_a_resource_key',
    hint: 'Change its secret where it was registered: at /admin/clients, or in the configuration file.',
  })
}

const maxGraceSeconds = 30 * 86_400

const wishSchema = z.strictObject({
  /** How long the secret of before is good as well. */
  grace_seconds: z.int().min(0).max(maxGraceSeconds).default(0),
})

const readGrace = (body: Record<string, unknown>): number => {
  const wish = wishSchema.safeParse(body)
  if (wish.success) return wish.data.grace_seconds
  const description = `grace_seconds: must be a whole number, ${maxGraceSeconds} at most.`
  throw invalidResource(description, 'malformed_metadata_member')
}

const firstKey = async (row: ListedResource, caller: Caller, deps: Deps) => {
  const { resource, tenantId, clientId } = row
  const key = makeKey(tenantId ?? undefined, deps)
  if (!(await deps.store.adminResources.addKey(resource, clientId, key.row))) {
    const description = 'Somebody else has given this resource a key at the same moment.'
    throw new OAuthError('invalid_request', {
      status: 409,
      description,
      reason: 'key_made_already',
    })
  }
  const server = key.row.client.clientId
  noteDeed('resource key made', { resource, tenantId, server }, caller, deps)
  return key.members
}

const nextKey = async (
  { resource, tenantId }: ListedResource,
  { clientId: server }: ListedClient,
  grace: number,
  caller: Caller,
  deps: Deps,
) => {
  const secret = newSecret('cs')
  const until = grace > 0 ? new Date(deps.now().getTime() + grace * 1000) : undefined
  const isDone = await deps.store.adminClients.rotateSecret(server, hashSecret(secret), until)
  if (!isDone) throw notFound()
  noteDeed('resource key rotated', { resource, tenantId, server }, caller, deps)
  return { client_id: server, ...secretMembers(secret) }
}

/**
 * `POST /admin/resources/:resource_id/keys`: the first key, or the next one of the same client.
 *
 * @returns the only answer that shows the secret
 */
export const addKey = async (
  id: string,
  body: Record<string, unknown>,
  caller: Caller,
  deps: Deps,
): Promise<Record<string, unknown>> => {
  const row = await findOwnResource(id, caller, deps)
  checkResourceOfAdmin(row)
  const grace = readGrace(body)
  const server = await serverOf(row, deps)
  if (!server) return firstKey(row, caller, deps)
  checkMadeHere(server)
  return nextKey(row, server, grace, caller, deps)
}

const keysOf = (server: ListedClient, now: Date) => {
  const { previousSecretHash, previousSecretExpiresAt: until } = server
  const isOverlapping = previousSecretHash !== null && until !== null && until > now
  return [
    ...(server.clientSecretHash === null ? [] : [{ state: 'current', expires_at: 0 }]),
    ...(isOverlapping ? [{ state: 'previous', expires_at: toSeconds(until) }] : []),
  ]
}

/** `GET /admin/resources/:resource_id/keys`: which there are, and until when. Never one of them. */
export const listKeys = async (id: string, caller: Caller, deps: Deps) => {
  const server = await serverOf(await findOwnResource(id, caller, deps), deps)
  if (!server) return { keys: [] }
  return { client_id: server.clientId, keys: keysOf(server, deps.now()) }
}

/** `DELETE /admin/resources/:resource_id/keys`: all of them, and the tokens that they have bought, end now. */
export const revokeKeys = async (id: string, caller: Caller, deps: Deps): Promise<void> => {
  const row = await findOwnResource(id, caller, deps)
  checkResourceOfAdmin(row)
  const server = await serverOf(row, deps)
  if (!server) throw notFound()
  checkMadeHere(server)
  const { resource, tenantId } = row
  await deps.store.adminResources.removeKeys(server.clientId, deps.now())
  noteDeed('resource keys revoked', { resource, tenantId, server: server.clientId }, caller, deps)
}
