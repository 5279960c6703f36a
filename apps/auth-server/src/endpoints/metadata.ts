/** Authorization server metadata. RFC 8414. */
import { grantTypes, signingAlgorithms } from '@behalf/protocol'
import type { Handler } from 'hono'
import type { Deps } from '../deps.js'
import { registrationMetadata } from '../registration/registration.js'

export const authMethods = ['client_secret_basic', 'client_secret_post']

/** @see RFC 8414 §2, and the additions that the ledger and the verifier look up here */
export const serverMetadata = (issuer: string) => ({
  issuer,
  // Stock MCP clients refuse metadata without it; it answers that nobody can sign in yet.
  authorization_endpoint: `${issuer}/authorize`,
  token_endpoint: `${issuer}/token`,
  jwks_uri: `${issuer}/jwks`,
  introspection_endpoint: `${issuer}/introspect`,
  revocation_endpoint: `${issuer}/revoke`,
  response_types_supported: ['code'],
  grant_types_supported: Object.values(grantTypes),
  code_challenge_methods_supported: ['S256'],
  token_endpoint_auth_methods_supported: authMethods,
  introspection_endpoint_auth_methods_supported: authMethods,
  revocation_endpoint_auth_methods_supported: authMethods,
  access_token_signing_alg_values_supported: signingAlgorithms,
  agent_budget_endpoint: `${issuer}/ledger`,
  agent_revocation_feed_endpoint: `${issuer}/revocations`,
  delegation_check_endpoint: `${issuer}/delegations/check`,
  delegations_endpoint: `${issuer}/delegations`,
})

export const metadataEndpoint = ({ issuer, registration }: Deps): Handler => {
  const document = { ...serverMetadata(issuer), ...registrationMetadata(issuer, registration) }
  return function metadataEndpoint(c) {
    return c.json(document, 200, { 'Cache-Control': 'public, max-age=300' })
  }
}
