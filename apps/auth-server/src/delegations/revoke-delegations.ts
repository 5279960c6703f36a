/** Takes authority back: one delegation, or all that a client, a subject or a tenant stands on. */
import { cleanText, clientId, OAuthError, tenantId } from '@behalf/protocol'
import { z } from 'zod'
import { notFound } from '../budgets/charge-rights.js'
import type { Deps } from '../deps.js'
import { type Caller, isAdminOf, isParty, requireAdmin } from './parties.js'

/** `POST /delegations/{id}/revoke`. Said again, it is still revoked. @throws OAuthError `not_found` */
export const revokeDelegation = async (id: string, caller: Caller, deps: Deps) => {
  const delegation = await deps.store.delegations.find(id)
  if (!delegation || !(await isParty(delegation, caller, deps))) throw notFound()
  const cause = isAdminOf(caller, delegation.tenant_id) ? 'revoked_by_admin' : 'revoked_by_party'
  await deps.store.revocations.revoke({ delegation_id: id }, cause, deps.now())
  return { delegation_id: id, revoked: true }
}

const targetSchema = z.union([
  z.strictObject({ client_id: clientId }),
  z.strictObject({ subject: cleanText(255) }),
  z.strictObject({ tenant_id: tenantId }),
])

const parseTarget = (json: unknown) => {
  const result = targetSchema.safeParse(json)
  if (result.success) return result.data
  throw new OAuthError('invalid_request', {
    description: 'Name exactly one of client_id, subject and tenant_id.',
    reason: 'malformed_body',
  })
}

/**
 * `POST /revocations`, for admins. Revokes what the target stands on: all that hangs below dies with
 * it, without a walk. A client that is not switched off can get a new token afterwards.
 *
 * @throws OAuthError `access_denied` for whoever is no admin, `invalid_request`
 */
export const revokeAllOf = async (json: unknown, caller: Caller, deps: Deps) => {
  requireAdmin(caller)
  const target = parseTarget(json)
  const within = caller.client.tenant_id
  const count = await deps.store.revocations.revoke(target, 'revoked_by_admin', deps.now(), within)
  return { revoked: count }
}
