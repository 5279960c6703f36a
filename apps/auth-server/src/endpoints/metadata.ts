/** Authorization server metadata. RFC 8414. */
import { grantTypes, signingAlgorithms } from '@behalf/protocol'
import type { Handler } from 'hono'
import type { Deps } from '../deps.js'
import { registrationMetadata } from '../registration/registration.js'
import { createPublished } from '../resources/published.js'

const secretMethods = ['client_secret_basic', 'client_secret_post']
/** A public client brings a code or a refresh token, which prove enough. */
const authMethods = [...secretMethods, 'none']

export const metadataCache = { 'Cache-Control': 'public, max-age=300' }

/** @see RFC 8414 §2, and the additions that the ledger and the verifier look up here */
export const serverMetadata = ({
  issuer,
  registration,
}: Pick<Deps, 'issuer' | 'registration'>) => ({
  issuer,
  authorization_endpoint: `${issuer}/authorize`,
  pushed_authorization_request_endpoint: `${issuer}/par`,
  token_endpoint: `${issuer}/token`,
  // RFC 8628 §4
  device_authorization_endpoint: `${issuer}/device_authorization`,
  jwks_uri: `${issuer}/jwks`,
  introspection_endpoint: `${issuer}/introspect`,
  revocation_endpoint: `${issuer}/revoke`,
  response_types_supported: ['code'],
  response_modes_supported: ['query'],
  // RFC 9207 §3
  authorization_response_iss_parameter_supported: true,
  grant_types_supported: Object.values(grantTypes),
  code_challenge_methods_supported: ['S256'],
  token_endpoint_auth_methods_supported: authMethods,
  introspection_endpoint_auth_methods_supported: secretMethods,
  revocation_endpoint_auth_methods_supported: authMethods,
  access_token_signing_alg_values_supported: signingAlgorithms,
  agent_budget_endpoint: `${issuer}/ledger`,
  agent_revocation_feed_endpoint: `${issuer}/revocations`,
  delegation_check_endpoint: `${issuer}/delegations/check`,
  delegations_endpoint: `${issuer}/delegations`,
  ...registrationMetadata(issuer, registration),
})

export const metadataEndpoint = (deps: Deps): Handler => {
  const document = serverMetadata(deps)
  const published = createPublished(deps)
  return async function metadataEndpoint(c) {
    return c.json({ ...document, ...(await published()) }, 200, metadataCache)
  }
}
