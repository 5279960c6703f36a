/** OpenID provider metadata: what RFC 8414 says of this server, and what OpenID adds. */
import type { SigningAlgorithm } from '@behalf/protocol'
import type { Handler } from 'hono'
import type { Deps } from '../deps.js'
import type { Keys } from '../keys.js'
import { createPublished } from '../resources/published.js'
import { metadataCache, serverMetadata } from './metadata.js'

/** Those of the published keys: while one algorithm gives way to another, both are in use. */
const algorithmsOf = (keys: Keys): SigningAlgorithm[] => [
  ...new Set(keys.jwks().keys.map(({ alg }) => alg as SigningAlgorithm)),
]

const claims = [
  ...['iss', 'sub', 'aud', 'exp', 'iat', 'auth_time', 'nonce', 'at_hash'],
  ...['name', 'picture', 'email', 'email_verified'],
  ...['role', 'tenant_id', 'org_role', 'organization_ids'],
]

/**
 * What both documents have is taken from the other, so that the two can never disagree.
 *
 * @see OpenID Connect Discovery 1.0 §3, OpenID Connect RP-Initiated Logout 1.0 §2.1
 */
export const openidConfiguration = ({
  issuer,
  keys,
  registration,
}: Pick<Deps, 'issuer' | 'keys' | 'registration'>) => ({
  userinfo_endpoint: `${issuer}/userinfo`,
  end_session_endpoint: `${issuer}/logout`,
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: algorithmsOf(keys),
  scopes_supported: ['openid', 'profile', 'email'],
  claim_types_supported: ['normal'],
  claims_supported: claims,
  claims_parameter_supported: false,
  request_parameter_supported: false,
  // The default is true where nothing is said.
  request_uri_parameter_supported: false,
  ...serverMetadata({ issuer, registration }),
})

export const openidConfigurationEndpoint = (deps: Deps): Handler => {
  const published = createPublished(deps)
  return async function openidConfigurationEndpoint(c) {
    return c.json({ ...openidConfiguration(deps), ...(await published()) }, 200, metadataCache)
  }
}
