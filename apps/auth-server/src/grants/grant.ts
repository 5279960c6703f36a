/** A grant type answers one question: may this be granted? It never mints and knows no HTTP. */
import { OAuthError } from '@behalf/protocol'
import type { Deps } from '../deps.js'
import type { Form } from '../form.js'
import type { Issuance } from '../issue-tokens.js'
import type { Client } from '../store/clients.js'

export interface GrantRequest {
  /** The client that has authenticated. */
  client: Client
  form: Form
}

export type Grant = (request: GrantRequest, deps: Deps) => Promise<Issuance>

/** RFC 6749 §5.2: the client has to be registered for the grant type. */
export const checkGrantType = (client: Client, grantType: string): void => {
  if (client.grant_types.includes(grantType)) return
  throw new OAuthError('unauthorized_client', {
    description: 'This client may not use this grant type.',
    reason: 'grant_type_not_allowed',
    hint: 'Add the grant type to grant_types of the client.',
  })
}

/** RFC 6749 §4.4, RFC 8693 §5: a public client has no credential, so there is nothing to grant on. */
export const checkConfidential = (client: Client): void => {
  if (client.token_endpoint_auth_method !== 'none') return
  throw new OAuthError('unauthorized_client', {
    description: 'A public client cannot use this grant type.',
    reason: 'public_client',
  })
}
