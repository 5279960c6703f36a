/** Authorization server metadata and where it lives. RFC 8414, RFC 9728. */
import { OAuthError } from './errors.js'
import { isText, listOf, objectOf, optional } from './shape.js'

/** The members that we read. A document may have others. @see RFC 8414 §2 */
export interface AuthorizationServerMetadata {
  issuer: string
  authorization_endpoint?: string | undefined
  token_endpoint: string
  jwks_uri?: string | undefined
  introspection_endpoint?: string | undefined
  revocation_endpoint?: string | undefined
  grant_types_supported?: string[] | undefined
  code_challenge_methods_supported?: string[] | undefined
  /** Base of the ledger's endpoints. */
  agent_budget_endpoint?: string | undefined
  /** The signed list of what was revoked. */
  agent_revocation_feed_endpoint?: string | undefined
  /** Base of the live tree: list and revoke. */
  delegations_endpoint?: string | undefined
  /** Explains a yes or a no to a delegation. */
  delegation_check_endpoint?: string | undefined
}

const isUrl = (value: unknown): value is string => isText(value) && URL.canParse(value)
const endpoint = optional(isUrl)
const texts = optional(listOf(isText))

const isMetadata = objectOf<AuthorizationServerMetadata>({
  issuer: isText,
  authorization_endpoint: endpoint,
  token_endpoint: isUrl,
  jwks_uri: endpoint,
  introspection_endpoint: endpoint,
  revocation_endpoint: endpoint,
  grant_types_supported: texts,
  code_challenge_methods_supported: texts,
  agent_budget_endpoint: endpoint,
  agent_revocation_feed_endpoint: endpoint,
  delegations_endpoint: endpoint,
  delegation_check_endpoint: endpoint,
})

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

export const isLoopbackHost = (hostname: string): boolean => loopback.test(hostname)

/** TLS everywhere; plain HTTP only to this very machine. @see RFC 9700 §2.6, RFC 8252 §8.3 */
export const isSecureUrl = (value: string): boolean => {
  if (!URL.canParse(value)) return false
  const url = new URL(value)
  if (url.username !== '' || url.password !== '') return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopbackHost(url.hostname))
}

/**
 * What is wrong with an issuer identifier, in words; `undefined` when nothing is. The string is
 * compared to the byte everywhere, so one that a URL parser would write otherwise is refused here.
 *
 * @see RFC 8414 §2
 */
export const issuerProblem = (issuer: string): string | undefined => {
  if (!URL.canParse(issuer)) return 'is not a URL'
  if (!isSecureUrl(issuer)) return 'must use https (plain http only on loopback)'
  if (/[?#]/.test(issuer)) return 'must have no query and no fragment'
  if (issuer.endsWith('/')) return 'must not end with "/"'
  const url = new URL(issuer)
  const canonical = url.origin + (url.pathname === '/' ? '' : url.pathname)
  return canonical === issuer ? undefined : `should be written "${canonical}"`
}

/** RFC 8414 §3.1: the well-known name goes between the host and the path of the issuer. */
export const metadataUrl = (issuer: string): string =>
  wellKnown(issuer, 'oauth-authorization-server')

/** RFC 9728 §3.1: the same for a protected resource. */
export const resourceMetadataUrl = (resource: string): string =>
  wellKnown(resource, 'oauth-protected-resource')

const wellKnown = (identifier: string, name: string): string => {
  const { origin, pathname, search } = new URL(identifier)
  return `${origin}/.well-known/${name}${pathname === '/' ? '' : pathname}${search}`
}

/**
 * Reads a metadata document and holds it to the issuer that it was asked of.
 *
 * @throws OAuthError `server_error` with reason `issuer_mismatch`, `insecure_endpoint` or
 * `malformed_metadata`
 * @see RFC 8414 §3.3
 */
export const parseMetadata = (issuer: string, document: unknown): AuthorizationServerMetadata => {
  if (!isMetadata(document) || Object.hasOwn(document, '__proto__')) {
    throw new OAuthError('server_error', {
      description: 'The metadata of the authorization server is malformed.',
      reason: 'malformed_metadata',
      hint: `Open ${metadataUrl(issuer)} and see whether it is OAuth metadata.`,
    })
  }
  if (document.issuer !== issuer) {
    throw new OAuthError('server_error', {
      description: 'The metadata names another issuer than the one asked.',
      reason: 'issuer_mismatch',
      hint: 'Use the issuer exactly as the server spells it, to the slash.',
    })
  }
  for (const [name, value] of Object.entries(document)) {
    if (/(_endpoint|_uri)$/.test(name) && typeof value === 'string' && !isSecureUrl(value)) {
      throw new OAuthError('server_error', {
        description: `The ${name} of the authorization server is not https.`,
        reason: 'insecure_endpoint',
      })
    }
  }
  return document
}
