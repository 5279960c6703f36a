/** An agent as the `authProvider` of an MCP client's transport, for the SDKs v1 and v2. */
import { discover, discoverResource, type Fetch } from '@behalf/client'
import { formatScope, OAuthError } from '@behalf/protocol'
import { createHeldToken, type HeldToken, type IssuedTokens, type Lock } from './held-token.js'
import { createScopePlan, type ScopePlanOptions } from './scope-plan.js'
import {
  type ActingAgent,
  type ActingAs,
  createTokenSource,
  type TokenSource,
} from './token-source.js'
import { createTransportFetch, type TransportFetch } from './transport-fetch.js'

export interface AgentAuthProviderOptions extends ScopePlanOptions, ActingAs {
  agent: ActingAgent
  /** The MCP server, as it names itself in its metadata. Tokens are asked for it, and for no other. */
  resource: string
  /** The authorization server you expect. @defaultValue that of the agent; another is a TypeError */
  expectedIssuer?: string | undefined
  /** Around requests for tokens, so that processes ask one after the other. @defaultValue none */
  lock?: Lock | undefined
  /** For metadata, and below {@link AgentAuthProvider.fetch}. @defaultValue the platform's */
  fetch?: Fetch | undefined
  /** Milliseconds since 1970. @defaultValue Date.now */
  now?: (() => number) | undefined
}

/** Fits `OAuthClientProvider` of both generations. */
export interface AgentAuthProvider {
  /** None: nobody has to sign in. */
  readonly redirectUrl: undefined
  /**
   * For the transport, beside the provider. Without it each request that was refused asks for a token
   * of its own, since the SDKs post that request themselves; what the authorization server refuses is
   * remembered for some seconds either way.
   */
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>
  readonly clientMetadata: { client_name: string; redirect_uris: string[]; grant_types: string[] }
  clientInformation(): { client_id: string; issuer: string }
  tokens(): Promise<{ access_token: string; token_type: string; scope: string } | undefined>
  saveTokens(tokens: IssuedTokens): void
  discoveryState(): Promise<DiscoveryState>
  validateResourceURL(serverUrl: string | URL, resource?: string): Promise<URL>
  prepareTokenRequest(scope?: string): URLSearchParams
  addClientAuthentication(
    headers: Headers,
    params: URLSearchParams,
    url: string | URL,
  ): Promise<void>
  invalidateCredentials(scope: string): void
  redirectToAuthorization(): never
  saveCodeVerifier(): never
  codeVerifier(): never
}

/** What the SDK would find out by itself, had it not been found out and checked here. */
interface DiscoveryState {
  authorizationServerUrl: string
  authorizationServerMetadata: {
    issuer: string
    authorization_endpoint: string
    token_endpoint: string
    response_types_supported: string[]
  }
  resourceMetadata: { resource: string; authorization_servers: string[] }
}

const ttlMs = 5 * 60_000

const misuse = (problem: string): TypeError => new TypeError(`agentAuthProvider: ${problem}`)

const refuse = (reason: string, description: string, hint: string): OAuthError =>
  new OAuthError('invalid_target', { description, reason, hint })

/** Is this the server, or an address below it in whole path segments? */
const covers = (resource: string, serverUrl: string | URL): boolean => {
  const [own, url] = [new URL(resource), new URL(serverUrl)]
  const folder = own.pathname.endsWith('/') ? own.pathname : `${own.pathname}/`
  return own.origin === url.origin && `${url.pathname}/`.startsWith(folder)
}

const createDiscoveryState = (
  { agent: { issuer }, resource, fetch }: AgentAuthProviderOptions,
  now: () => number,
): (() => Promise<DiscoveryState>) => {
  let known: { state: Promise<DiscoveryState>; until: number } | undefined
  // The resource first: until it has named the issuer, the issuer has nothing to do with it.
  const find = async (): Promise<DiscoveryState> => {
    await discoverResource(resource, { issuer, fetch })
    const { token_endpoint, authorization_endpoint } = await discover(issuer, { fetch })
    return {
      authorizationServerUrl: issuer,
      authorizationServerMetadata: {
        issuer,
        token_endpoint,
        // Never used by a client that signs nobody in, and wanted by the types of both SDKs.
        authorization_endpoint: authorization_endpoint ?? token_endpoint,
        response_types_supported: [],
      },
      // Without scopes_supported: what to ask for is not the server's to say.
      resourceMetadata: { resource, authorization_servers: [issuer] },
    }
  }
  return () => {
    if (known && now() < known.until) return known.state
    const state = find()
    known = { state, until: now() + ttlMs }
    state.catch(() => {
      known = undefined
    })
    return state
  }
}

const requireServer = (resource: string, serverUrl: string | URL): URL => {
  if (covers(resource, serverUrl)) return new URL(resource)
  throw refuse(
    'wrong_origin',
    'The transport calls another server than the provider is for.',
    'Make a provider for each server, with `resource` as the server names itself.',
  )
}

/** The last thing before the SDK posts: what goes out is what the agent asks, to whom it asks it. */
const writeRequest = async (
  source: TokenSource,
  { held, transport }: { held: HeldToken; transport: TransportFetch },
  { headers, params, url }: { headers: Headers; params: URLSearchParams; url: string | URL },
): Promise<void> => {
  const scope = params.get('scope')?.split(' ')
  await held.mayAsk(scope)
  const request = await source.request(scope)
  if (new URL(request.url).href !== new URL(url).href) {
    throw refuse(
      'foreign_token_endpoint',
      'The credentials of this agent are not for this token endpoint.',
      'Use the provider with servers that trust the issuer of the agent.',
    )
  }
  for (const name of [...params.keys()]) params.delete(name)
  for (const [name, value] of request.form) params.append(name, value)
  for (const [name, value] of Object.entries(request.headers)) headers.set(name, value)
  transport.mark(params, scope)
}

const prepare = (held: HeldToken, challenged: string | undefined): URLSearchParams => {
  const scope = held.ask(challenged)
  return new URLSearchParams(scope ? { scope: formatScope(scope) } : {})
}

const signsNobodyIn = (): never => {
  throw new TypeError('agentAuthProvider: an agent signs nobody in.')
}

const createHeld = (options: AgentAuthProviderOptions, source: TokenSource) => {
  const { agent, resource, lock = (_, run) => run(), now = Date.now } = options
  const { fetch: carry = (input, init) => fetch(input, init) } = options
  const plan = createScopePlan(options)
  const lockName = `behalf:${agent.issuer}:${agent.clientId}:${resource}`
  const held = createHeldToken({ source, plan, lock, lockName, now })
  return { held, transport: createTransportFetch({ held, lock, lockName, fetch: carry, now }) }
}

/**
 * Nothing is asked for, and nothing sent, before the server has named itself and the agent's issuer in
 * its metadata. Then the token goes with every request, and is renewed before it expires.
 *
 * @throws TypeError for options that could never work
 */
export const agentAuthProvider = (options: AgentAuthProviderOptions): AgentAuthProvider => {
  const { agent, resource, expectedIssuer = agent.issuer } = options
  const { issuer, clientId } = agent
  if (expectedIssuer !== issuer) throw misuse('the agent belongs to another issuer.')
  if (!URL.canParse(resource)) throw misuse('resource must be the URL of the MCP server.')
  const source = createTokenSource(agent, resource, options)
  const { held, transport } = createHeld(options, source)
  return Object.freeze<AgentAuthProvider>({
    redirectUrl: undefined,
    fetch: transport.fetch,
    clientMetadata: { client_name: clientId, redirect_uris: [], grant_types: [] },
    clientInformation: () => ({ client_id: clientId, issuer }),
    tokens: async () => {
      const token = await held.current()
      return (
        token && {
          access_token: token.accessToken,
          token_type: 'Bearer',
          scope: formatScope(token.scope),
        }
      )
    },
    saveTokens: held.save,
    discoveryState: createDiscoveryState(options, options.now ?? Date.now),
    validateResourceURL: async (serverUrl) => requireServer(resource, serverUrl),
    prepareTokenRequest: (challenged) => prepare(held, challenged),
    addClientAuthentication: (headers, params, url) =>
      writeRequest(source, { held, transport }, { headers, params, url }),
    invalidateCredentials: (scope) => {
      if (scope === 'all' || scope === 'tokens') held.drop()
    },
    redirectToAuthorization: signsNobodyIn,
    saveCodeVerifier: signsNobodyIn,
    codeVerifier: signsNobodyIn,
  })
}
