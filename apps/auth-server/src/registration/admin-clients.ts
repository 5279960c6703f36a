/** Admins register clients, change and remove them. */
import { randomBytes } from 'node:crypto'
import { clientId as clientIdSchema, OAuthError } from '@behalf/protocol'
import { z } from 'zod'
import { notFound } from '../budgets/charge-rights.js'
import { type Caller, isAdminOf, requireAdmin } from '../delegations/parties.js'
import type { Deps } from '../deps.js'
import { hashSecret, newSecret } from '../secrets.js'
import type { ListedClient } from '../store/admin-clients.js'
import {
  type AdminClient,
  adminColumns,
  checkAdminClient,
  parseAdminClient,
  tenantFor,
} from './admin-metadata.js'
import { invalidMetadata } from './client-metadata.js'
import { secretMembers } from './dynamic-registration.js'
import { describeClient } from './list-clients.js'

/** Of another tenant, and not there at all, look the same. */
const findOwn = async (id: string, caller: Caller, { store }: Deps): Promise<ListedClient> => {
  requireAdmin(caller)
  const client = clientIdSchema.safeParse(id).success
    ? await store.adminClients.find(id)
    : undefined
  if (!client || !isAdminOf(caller, client.tenantId ?? undefined)) throw notFound()
  return client
}

/** The file, the client itself or its document would undo the change. */
const checkOfAdmin = ({ registeredBy }: ListedClient): void => {
  if (registeredBy === 'admin') return
  throw new OAuthError('access_denied', {
    description: 'This client was not registered by an admin.',
    reason: 'not_registered_by_admin',
    hint: 'Change it where it was registered: in the configuration file, or by the client itself.',
  })
}

const standingOf = ({ budget_periods }: AdminClient, { newId, now }: Deps) => ({
  budgetPeriods: budget_periods,
  newId: () => newId('dlg'),
  now: now(),
})

const newSecretFor = ({ token_endpoint_auth_method: method }: AdminClient) =>
  method === 'none' ? undefined : newSecret('cs')

const described = async (id: string, { store }: Deps): Promise<Record<string, unknown>> => {
  const client = await store.adminClients.find(id)
  if (!client) throw notFound()
  return describeClient(client)
}

/** `POST /admin/clients`. @returns the only answer that shows the secret */
export const addClient = async (body: Record<string, unknown>, caller: Caller, deps: Deps) => {
  requireAdmin(caller)
  const client = parseAdminClient(body)
  const tenantId = await tenantFor(client.tenant_id, caller, deps)
  await checkAdminClient(client, tenantId, deps)
  const clientId = client.client_id ?? `cl_${randomBytes(16).toString('base64url')}`
  const secret = newSecretFor(client)
  const row = {
    ...adminColumns(client, tenantId),
    clientId,
    registeredBy: 'admin' as const,
    clientSecretHash: secret === undefined ? null : hashSecret(secret),
    createdAt: deps.now(),
  }
  if (!(await deps.store.adminClients.add(row, standingOf(client, deps)))) {
    throw invalidMetadata('client_id: is taken, or was once.', 'client_id_taken')
  }
  return { ...(await described(clientId, deps)), ...secretMembers(secret) }
}

/** `GET /admin/clients/:client_id` */
export const showClient = async (id: string, caller: Caller, deps: Deps) =>
  describeClient(await findOwn(id, caller, deps))

/** What a client is stays: its tokens and its books are of that kind. */
const checkSame = (client: AdminClient, before: ListedClient): void => {
  if (client.client_id !== undefined && client.client_id !== before.clientId) {
    throw invalidMetadata('client_id must be that of the client.', 'client_id_mismatch')
  }
  if (client.kind !== before.kind) {
    throw invalidMetadata('kind: cannot be changed.', 'kind_mismatch')
  }
}

/** A confidential client keeps its secret. One that becomes confidential gets one. */
const secretChange = (client: AdminClient, before: ListedClient) => {
  if (client.token_endpoint_auth_method === 'none') {
    return { secret: undefined, set: { clientSecretHash: null, previousSecretHash: null } }
  }
  if (before.clientSecretHash !== null) return { secret: undefined, set: {} }
  const secret = newSecret('cs')
  return { secret, set: { clientSecretHash: hashSecret(secret) } }
}

/** `PUT /admin/clients/:client_id`: replaces all that an admin can say. */
export const replaceClient = async (
  id: string,
  body: Record<string, unknown>,
  caller: Caller,
  deps: Deps,
) => {
  const before = await findOwn(id, caller, deps)
  checkOfAdmin(before)
  const client = parseAdminClient(body)
  checkSame(client, before)
  const tenantId = await tenantFor(client.tenant_id, caller, deps)
  await checkAdminClient(client, tenantId, deps)
  const { secret, set } = secretChange(client, before)
  const columns = { ...adminColumns(client, tenantId), ...set }
  if (!(await deps.store.adminClients.replace(id, columns, standingOf(client, deps)))) {
    throw notFound()
  }
  return { ...(await described(id, deps)), ...secretMembers(secret) }
}

const maxGraceSeconds = 30 * 86_400

const rotationSchema = z.strictObject({
  /** How long the secret of before is good as well. */
  grace_seconds: z.int().min(0).max(maxGraceSeconds).default(0),
})

/** `POST /admin/clients/:client_id/secret`. @returns the only answer that shows the new secret */
export const rotateSecret = async (
  id: string,
  body: Record<string, unknown>,
  caller: Caller,
  deps: Deps,
) => {
  const client = await findOwn(id, caller, deps)
  checkOfAdmin(client)
  const wanted = rotationSchema.safeParse(body)
  if (!wanted.success) {
    throw invalidMetadata('grace_seconds: must be a whole number.', 'malformed_metadata_member')
  }
  if (client.clientSecretHash === null) {
    throw invalidMetadata('A public client has no secret.', 'public_client')
  }
  const { grace_seconds: grace } = wanted.data
  const secret = newSecret('cs')
  const until = grace > 0 ? new Date(deps.now().getTime() + grace * 1000) : undefined
  const isDone = await deps.store.adminClients.rotateSecret(id, hashSecret(secret), until)
  if (!isDone) throw notFound()
  return { client_id: id, ...secretMembers(secret) }
}

/** `DELETE /admin/clients/:client_id`: all that it holds, and all that hangs below, ends now. */
export const removeClient = async (id: string, caller: Caller, deps: Deps): Promise<void> => {
  const client = await findOwn(id, caller, deps)
  // The file would bring it back at the next start.
  if (client.registeredBy === 'config') checkOfAdmin(client)
  await deps.store.adminClients.remove(client, deps.now())
}
