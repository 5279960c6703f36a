/** Makes the authorization code. RFC 6749 §4.1.2. */
import type { Deps } from '../deps.js'
import type { PersonSession } from '../people/person.js'
import { hashSecret, newSecret } from '../secrets.js'
import type { Consent } from '../store/consents.js'
import type { AuthorizationRequest } from './request.js'

/** RFC 6749 §4.1.2 recommends ten minutes at most; a client that is there takes a second. */
export const codeSeconds = 60

/** Its delegation is named now and made when the code is used: so much a replay can find to revoke. */
export const issueCode = async (
  request: AuthorizationRequest,
  consent: Consent,
  session: PersonSession,
  { store, now, newId }: Deps,
): Promise<string> => {
  const code = newSecret('ac')
  const created_at = now()
  await store.authorizationCodes.insert({
    code_hash: hashSecret(code),
    client_id: request.client.client_id,
    redirect_uri: request.redirectUri,
    said_redirect_uri: request.saidRedirectUri,
    code_challenge: request.codeChallenge,
    consent_id: consent.id,
    lineage: [consent.delegation_id, newId('dlg')],
    subject: consent.subject,
    tenant_id: consent.tenant_id,
    scope: request.scope,
    resources: request.resources,
    nonce: request.nonce,
    authenticated_at: session.authenticatedAt,
    created_at,
    expires_at: new Date(created_at.getTime() + codeSeconds * 1000),
  })
  return code
}
