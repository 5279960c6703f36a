/** Authorization server metadata. RFC 8414. */
import { grantTypes, signingAlgorithms } from '@behalf/protocol'
import type { Handler } from 'hono'

export const authMethods = ['client_secret_basic', 'client_secret_post']

export const metadataCache = { 'Cache-Control': 'public, max-age=300' }

/** @see RFC 8414 §2, and the additions that the ledger and the verifier look up here */
export const serverMetadata = (issuer: string) => ({
  issuer,
  // Stock MCP clients refuse metadata without it; it answers that nobody can sign in yet.
  authorization_endpoint: `${issuer}/authorize`,
  token_endpoint: `${issuer}/token`,
  // RFC 8628 §4
  device_authorization_endpoint: `${issuer}/device_authorization`,
  jwks_uri: `${issuer}/jwks`,
  introspection_endpoint: `${issuer}/introspect`,
  revocation_endpoint: `${issuer}/revoke`,
  response_types_supported: ['code'],
  grant_types_supported: Object.values(grantTypes),
  code_challenge_methods_supported: ['S256'],
  token_endpoint_auth_methods_supported: authMethods,
  introspection_endpoint_auth_methods_supported: authMethods,
  // A public client takes its own tokens back by its client_id (RFC 7009 §2.1).
  revocation_endpoint_auth_methods_supported: [...authMethods, 'none'],
  access_token_signing_alg_values_supported: signingAlgorithms,
  agent_budget_endpoint: `${issuer}/ledger`,
  agent_revocation_feed_endpoint: `${issuer}/revocations`,
  delegation_check_endpoint: `${issuer}/delegations/check`,
  delegations_endpoint: `${issuer}/delegations`,
})

export const metadataEndpoint = (issuer: string): Handler => {
  const document = serverMetadata(issuer)
  return function metadataEndpoint(c) {
    return c.json(document, 200, metadataCache)
  }
}
