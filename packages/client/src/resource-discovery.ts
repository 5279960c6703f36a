/** What a protected resource says of itself, at the places that its own name gives. RFC 9728 §3. */
import { isResourceUri, isSecureUrl, OAuthError, resourceMetadataUrl } from '@behalf/protocol'
import { requestJson } from './request-json.js'
import { checkTimeout, type Fetch, platformFetch } from './settings.js'

export interface DiscoverResourceOptions {
  /** An authorization server that the resource must name, to the byte. */
  issuer?: string | undefined
  fetch?: Fetch | undefined
  /** @defaultValue 10000 */
  timeoutMs?: number | undefined
}

/** The members that are read here. */
export interface ResourceDocument {
  readonly resource: string
  readonly authorization_servers: readonly string[]
}

const party = 'The resource server'

const refuse = (reason: string, description: string, hint: string): OAuthError =>
  new OAuthError('invalid_target', { description, reason, hint })

const notFound = (resource: string, status: number): OAuthError =>
  new OAuthError(status >= 500 ? 'temporarily_unavailable' : 'server_error', {
    description: `The resource server answered ${status} when asked for its metadata.`,
    reason: status >= 500 ? 'server_failure' : 'metadata_not_found',
    hint: `Open ${resourceMetadataUrl(resource)} and see whether it is RFC 9728 metadata.`,
  })

/** MCP Authorization, "Protected Resource Metadata Discovery": with the path, then at the root. */
const locationsOf = (resource: string): readonly string[] => {
  const own = resourceMetadataUrl(resource)
  const root = `${new URL(resource).origin}/.well-known/oauth-protected-resource`
  return own === root ? [own] : [own, root]
}

const ask = async (resource: string, options: DiscoverResourceOptions) => {
  const { fetch = platformFetch } = options
  const timeoutMs = checkTimeout(options.timeoutMs)
  const init = { headers: { accept: 'application/json' } }
  let status = 404
  for (const url of locationsOf(resource)) {
    const response = await requestJson(url, { fetch, timeoutMs, init, party })
    if (response.status === 200 && response.body) return response.body
    status = response.status
    if (status >= 500) break
  }
  throw notFound(resource, status)
}

const isList = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((one) => typeof one === 'string')

const checkDocument = (resource: string, document: Record<string, unknown>): ResourceDocument => {
  // RFC 9728 §3.3: metadata that names another resource MUST NOT be used.
  if (document.resource !== resource) {
    throw refuse(
      'resource_mismatch',
      'The metadata of the resource server is about another resource than the one called.',
      'Spell the resource as the server does in `resource`, to the slash.',
    )
  }
  const servers = Object.hasOwn(document, 'authorization_servers')
    ? document.authorization_servers
    : []
  return { resource, authorization_servers: isList(servers) ? servers : [] }
}

/**
 * Reads the metadata of a resource and holds it to the resource that was asked. It is looked for where
 * the name of the resource says, and not where a challenge points to: that is for the server to choose.
 *
 * @throws TypeError when it is no resource; OAuthError when its metadata cannot be had or believed, or
 * when it does not name `issuer`
 */
export const discoverResource = async (
  resource: string,
  options: DiscoverResourceOptions = {},
): Promise<ResourceDocument> => {
  if (!isResourceUri(resource) || !isSecureUrl(resource)) {
    throw new TypeError('resource must be an https URL without a fragment (http on loopback).')
  }
  const document = checkDocument(resource, await ask(resource, options))
  const { issuer } = options
  if (issuer === undefined || document.authorization_servers.includes(issuer)) return document
  throw refuse(
    'authorization_server_mismatch',
    'This resource does not trust the authorization server of this agent.',
    'Make an agent for an issuer that it lists. Credentials of one are never sent to another.',
  )
}
