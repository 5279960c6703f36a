/** Learns from a refusal which resource a URL belongs to. RFC 9728 §5. */
import { isResourceUri, isSecureUrl, OAuthError, readScope } from '@behalf/protocol'
import { bearerChallenge } from './challenge.js'
import { requestJson } from './request-json.js'
import type { Settings } from './settings.js'

/** What to ask a token for. */
export interface Access {
  resource: string
  scope: readonly string[]
}

export interface ResourceDiscovery {
  /** What earlier refusals have taught about this URL. */
  known(url: URL): Access | undefined
  remember(access: Access): void
  /** Reads the challenge of a 401; `undefined` when it does not say where to read on. */
  learn(url: URL, response: Response): Promise<Access | undefined>
}

const maxResources = 100
const ttlMs = 5 * 60_000
const party = 'The resource server'

const refuse = (reason: string, description: string, hint: string): OAuthError =>
  new OAuthError('invalid_target', { description, reason, hint })

/** Is this URL the resource, or below it in whole path segments? */
const covers = (resource: string, url: URL): boolean => {
  const { origin, pathname, search } = new URL(resource)
  if (origin !== url.origin) return false
  if (pathname === url.pathname) return search === '' || search === url.search
  const folder = pathname.endsWith('/') ? pathname : `${pathname}/`
  return search === '' && url.pathname.startsWith(folder)
}

// A document from elsewhere could send us, with our token, to a resource of someone else's choice.
const checkAddress = (metadataUrl: string, url: URL): void => {
  if (isSecureUrl(metadataUrl) && new URL(metadataUrl).origin === url.origin) return
  throw refuse(
    'foreign_resource_metadata',
    'The resource server names metadata of another origin than its own.',
    'Give the resource yourself, if you trust this server: createAgent({ resource }).',
  )
}

// RFC 9728 §3.3: metadata that names another resource MUST NOT be used.
const checkResource = (resource: unknown, url: URL): string => {
  const isUri = typeof resource === 'string' && isResourceUri(resource) && isSecureUrl(resource)
  if (isUri && covers(resource, url)) return resource
  throw refuse(
    'resource_mismatch',
    'The metadata of the resource server is about another resource than the one called.',
    'Ask its operator to name, in `resource`, the public URL that you call.',
  )
}

const checkAuthorizationServer = (servers: unknown, issuer: string): void => {
  if (Array.isArray(servers) && servers.includes(issuer)) return
  throw refuse(
    'authorization_server_mismatch',
    'This resource does not trust the authorization server of this agent.',
    'Make an agent for an issuer that it lists. Credentials of one are never sent to another.',
  )
}

const readMetadata = async (metadataUrl: string, { fetch, timeoutMs }: Settings) => {
  const init = { headers: { accept: 'application/json' } }
  const { status, body } = await requestJson(metadataUrl, { fetch, timeoutMs, init, party })
  if (status === 200 && body) return body
  throw new OAuthError('server_error', {
    description: `The resource server answered ${status}, without its metadata.`,
    reason: 'malformed_metadata',
    hint: 'Open the resource_metadata URL of its challenge and see whether it is RFC 9728 metadata.',
  })
}

const createMemory = ({ now }: Settings): Pick<ResourceDiscovery, 'known' | 'remember'> => {
  const memory = new Map<string, { access: Access; until: number }>()
  const forget = (resource: string | undefined): void => {
    if (resource !== undefined) memory.delete(resource)
  }
  return {
    known: (url) =>
      [...memory.values()]
        .filter(({ access, until }) => now() < until && covers(access.resource, url))
        .sort((one, other) => other.access.resource.length - one.access.resource.length)[0]?.access,
    remember: (access) => {
      forget(access.resource)
      memory.set(access.resource, { access, until: now() + ttlMs })
      if (memory.size > maxResources) forget([...memory.keys()][0])
    },
  }
}

export const createResourceDiscovery = (settings: Settings): ResourceDiscovery => {
  const memory = createMemory(settings)
  return {
    ...memory,
    learn: async (url, response) => {
      const challenge = bearerChallenge(response)
      const metadataUrl = challenge?.params.get('resource_metadata')
      if (metadataUrl === undefined) return undefined
      checkAddress(metadataUrl, url)
      const metadata = await readMetadata(metadataUrl, settings)
      const resource = checkResource(metadata.resource, url)
      checkAuthorizationServer(metadata.authorization_servers, settings.issuer)
      const access = { resource, scope: readScope(challenge?.params.get('scope') ?? '') ?? [] }
      memory.remember(access)
      return access
    },
  }
}
