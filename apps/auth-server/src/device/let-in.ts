/** The yes of a person becomes an authorization code, which the device redeems by its device code. */
import type { Deps } from '../deps.js'
import type { PersonSession } from '../people/person.js'
import type { Consent } from '../store/consents.js'
import type { DeviceCode } from '../store/device-codes.js'
import type { AskedByDevice } from './device-request.js'

/**
 * Under the hash of the device code, so that the same statement spends it, and a replay ends what it
 * bought. No redirect URI and no challenge: as an authorization code it cannot be used, since no
 * request says an empty redirect URI and no verifier has an empty challenge.
 */
export const letIn = async (
  code: DeviceCode,
  asked: AskedByDevice,
  consent: Consent,
  session: PersonSession,
  { store, now, newId }: Deps,
): Promise<void> => {
  await store.authorizationCodes.insert({
    code_hash: code.deviceCodeHash,
    client_id: code.clientId,
    redirect_uri: '',
    said_redirect_uri: true,
    code_challenge: '',
    consent_id: consent.id,
    lineage: [consent.delegation_id, newId('dlg')],
    subject: consent.subject,
    tenant_id: consent.tenant_id,
    scope: asked.scope,
    resources: asked.resources,
    nonce: undefined,
    authenticated_at: session.authenticatedAt,
    created_at: now(),
    expires_at: code.expiresAt,
  })
}
