/**
 * Holds the options of a guard to what the issuer says of itself, before the first caller finds out
 * that they do not fit. Everything is told at once. RFC 8414, RFC 9728.
 */
import { requestJson } from '@behalf/client'
import {
  basicAuthorization,
  grantTypes,
  isOAuthError,
  isSecureUrl,
  metadataUrl,
  missingScope,
} from '@behalf/protocol'
import type { Fetch } from '@behalf/verifier'
import type { ClientCredentials } from './downstream.js'
import { compare, type Mismatch, shown, throwMismatches } from './mismatch.js'
import { untilAborted } from './until-aborted.js'

export interface VerifyConfigurationOptions {
  /** Reads this server's own RFC 9728 document too, at its public URL: it has to be up by then. */
  ownMetadata?: boolean | undefined
  signal?: AbortSignal | undefined
}

export interface Configuration {
  issuer: string
  resource: string
  resourceMetadataUrl: string
  scopes: readonly string[]
  usesLedger: boolean
  followsRevocations: boolean
  client: ClientCredentials | undefined
  fetch: Fetch
  timeoutMs: number
}

type Document = Record<string, unknown>

/** A document of JSON, or what kept it from being one. */
type Read = { document: Document } | { mismatch: Mismatch }

interface Place {
  name: string
  url: string
  party: string
  init?: RequestInit
}

const failure = ({ name, url }: Place, error: unknown): Mismatch => {
  if (!isOAuthError(error)) throw error
  const silence = error.code === 'temporarily_unavailable' ? { unanswered: true as const } : {}
  return { name, expected: `JSON at ${url}`, found: error.reason ?? error.code, ...silence }
}

const read = async (place: Place, { fetch, timeoutMs }: Configuration): Promise<Read> => {
  const { name, url, party, init = { headers: { accept: 'application/json' } } } = place
  try {
    const { status, body } = await requestJson(url, { fetch, timeoutMs, init, party })
    if (status === 200 && body) return { document: body }
    const silence = status >= 500 ? { unanswered: true as const } : {}
    const found = body ? `status ${status}` : `status ${status} without JSON`
    return { mismatch: { name, expected: `JSON at ${url}`, found, ...silence } }
  } catch (error) {
    return { mismatch: failure(place, error) }
  }
}

const endpoint = (document: Document, name: string): Mismatch[] => {
  const found = document[name]
  if (typeof found === 'string' && isSecureUrl(found)) return []
  return [{ name, expected: 'a URL, https or on loopback', found: shown(found) }]
}

/** The words of a member that lists them; `undefined` where the issuer keeps them to itself. */
const listed = (document: Document, name: string): string[] | undefined => {
  const value = document[name]
  return Array.isArray(value) ? value.map(String) : undefined
}

const covers = (document: Document, name: string, wanted: readonly string[]): Mismatch[] => {
  const known = listed(document, name)
  const missing = known ? missingScope(wanted, known) : []
  return missing.length === 0
    ? []
    : [{ name, expected: `with ${shown(missing.join(' '))}`, found: shown(known) }]
}

/** RFC 8414 §2, RFC 9728 §4: an issuer MAY keep some to itself. One that says it does is not blamed. */
const inLists = (document: Document, { scopes, resource }: Configuration): Mismatch[] =>
  document.protected_resources_partial === true
    ? []
    : [
        ...covers(document, 'scopes_supported', scopes),
        ...covers(document, 'protected_resources', [resource]),
      ]

const inMetadata = (document: Document, configuration: Configuration): Mismatch[] => [
  ...compare('issuer', configuration.issuer, document.issuer),
  ...endpoint(document, 'jwks_uri'),
  ...(configuration.followsRevocations ? endpoint(document, 'agent_revocation_feed_endpoint') : []),
  ...(configuration.usesLedger ? endpoint(document, 'agent_budget_endpoint') : []),
  ...inLists(document, configuration),
  ...(configuration.client
    ? [
        ...endpoint(document, 'token_endpoint'),
        ...covers(document, 'grant_types_supported', [grantTypes.tokenExchange]),
      ]
    : []),
]

const inKeys = async (document: Document, configuration: Configuration): Promise<Mismatch[]> => {
  const { jwks_uri: url } = document
  if (typeof url !== 'string' || !isSecureUrl(url)) return []
  const place = { name: 'jwks_uri', url, party: 'The authorization server' }
  const answer = await read(place, configuration)
  if ('mismatch' in answer) return [answer.mismatch]
  const { keys } = answer.document
  if (Array.isArray(keys) && keys.length > 0) return []
  return [{ name: 'jwks_uri', expected: 'keys', found: shown(keys) }]
}

/** RFC 7662 §2.1: a question about no token at all, which only a client that is known gets answered. */
const inCredentials = async (
  document: Document,
  configuration: Configuration,
): Promise<Mismatch[]> => {
  const { introspection_endpoint: url } = document
  const { client } = configuration
  if (!client || typeof url !== 'string' || !isSecureUrl(url)) return []
  const init = {
    method: 'POST',
    headers: {
      accept: 'application/json',
      authorization: basicAuthorization(client.clientId, client.clientSecret),
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: 'token=none',
  }
  const place = { name: 'client', url, party: 'The authorization server', init }
  const answer = await read(place, configuration)
  return 'mismatch' in answer
    ? [{ ...answer.mismatch, expected: `the credentials of ${shown(client.clientId)}` }]
    : []
}

const ofIssuer = async (configuration: Configuration): Promise<Mismatch[]> => {
  const { issuer } = configuration
  const place = { name: 'issuer', url: metadataUrl(issuer), party: 'The authorization server' }
  const answer = await read(place, configuration)
  if ('mismatch' in answer) return [answer.mismatch]
  const { document } = answer
  const found = inMetadata(document, configuration)
  // RFC 8414 §3.3: metadata of another issuer MUST NOT be used. Its endpoints get no credentials.
  if (document.issuer !== issuer) return found
  return [
    ...found,
    ...(await inKeys(document, configuration)),
    ...(await inCredentials(document, configuration)),
  ]
}

/** As a client reads it: through whatever proxy stands before this server. */
const ofResource = async (configuration: Configuration): Promise<Mismatch[]> => {
  const { issuer, resource, resourceMetadataUrl: url, scopes } = configuration
  const place = { name: 'resource_metadata', url, party: 'This server' }
  const answer = await read(place, configuration)
  if ('mismatch' in answer) return [answer.mismatch]
  const { document } = answer
  const servers = document.authorization_servers
  return [
    ...compare('resource', resource, document.resource),
    ...compare('authorization_servers', issuer, Array.isArray(servers) ? servers[0] : servers),
    ...covers(document, 'scopes_supported', scopes),
  ]
}

/** @throws OAuthError with every mismatch in `details.mismatches` */
export const verifyConfiguration = async (
  configuration: Configuration,
  { ownMetadata = false, signal }: VerifyConfigurationOptions = {},
): Promise<void> => {
  signal?.throwIfAborted()
  const work = Promise.all([ofIssuer(configuration), ownMetadata ? ofResource(configuration) : []])
  throwMismatches((await untilAborted(work, signal)).flat())
}
