/** A person who signs in, as the `authProvider` of an MCP client's transport, for the SDKs v1 and v2. */
import type { Fetch } from '@behalf/client'
import { formatScope, isSecureUrl, OAuthError, readScope } from '@behalf/protocol'
import { readAuthorizationResponse } from './authorization-response.js'
import type { IssuedTokens, Lock } from './held-token.js'
import {
  createPersonStore,
  type KeptClient,
  type KeptDiscovery,
  type KeptFlow,
  type PersonStorage,
  type PersonStore,
} from './person-store.js'
import { createPersonTokens, type PersonTokens } from './person-tokens.js'
import { createScopePlan, type ScopePlan, type ScopePlanOptions } from './scope-plan.js'

export interface PersonAuthProviderOptions extends ScopePlanOptions {
  /** The MCP server, as it names itself in its metadata. */
  resource: string
  /** Where the browser comes back to: https, or loopback (RFC 8252 §7.3). */
  redirectUrl: string
  /** Shows the sign-in page to the person. Never through a shell. */
  open: (url: URL) => void | Promise<void>
  storage: PersonStorage
  /** A client that was registered beforehand. Needs `expectedIssuer`, where it was registered. */
  client?: { client_id: string; client_secret?: string | undefined } | undefined
  /** A client that is named by its document (CIMD). */
  clientMetadataUrl?: string | undefined
  /** @defaultValue 'MCP client' */
  clientName?: string | undefined
  /** The only authorization server that a person is sent to. */
  expectedIssuer?: string | undefined
  /** Around renewals. Give one where processes share the storage. @defaultValue none */
  lock?: Lock | undefined
  /** For renewals. @defaultValue the platform's */
  fetch?: Fetch | undefined
  /** Milliseconds since 1970. @defaultValue Date.now */
  now?: (() => number) | undefined
}

/** What the SDK has found out. */
interface FoundOut {
  authorizationServerUrl: string
  authorizationServerMetadata?: object | undefined
  resourceMetadata?: object | undefined
}

/** What both SDKs take for the state of a discovery. */
type Discovered = KeptDiscovery & { resourceMetadata: { authorization_servers: string[] } }

/** Fits `OAuthClientProvider` of both generations. */
export interface PersonAuthProvider {
  readonly redirectUrl: string
  readonly clientMetadata: {
    client_name: string
    redirect_uris: string[]
    grant_types: string[]
    token_endpoint_auth_method?: string
  }
  readonly clientMetadataUrl?: string
  state(): Promise<string>
  clientInformation(): Promise<KeptClient | undefined>
  saveClientInformation(client: KeptClient): Promise<void>
  tokens(): Promise<
    { access_token: string; token_type: string; scope: string; issuer: string } | undefined
  >
  saveTokens(tokens: IssuedTokens & { refresh_token?: string | undefined }): Promise<void>
  redirectToAuthorization(url: URL): Promise<void>
  saveCodeVerifier(verifier: string): Promise<void>
  codeVerifier(): Promise<string>
  saveDiscoveryState(state: FoundOut): Promise<void>
  discoveryState(): Promise<Discovered | undefined>
  invalidateCredentials(scope: string): Promise<void>
  /**
   * Judges the address that the browser came back to.
   *
   * @returns for `transport.finishAuth`: `code` for the SDK v1, `params` for v2
   */
  answer(callback: string | URL): Promise<{ code: string; params: URLSearchParams }>
}

const misuse = (problem: string): TypeError => new TypeError(`personAuthProvider: ${problem}`)

const refuse = (reason: string, description: string, hint: string): OAuthError =>
  new OAuthError('invalid_target', { description, reason, hint })

const notBegun = (): OAuthError =>
  refuse('no_sign_in', 'No sign-in is under way.', 'Connect first: the server asks for it.')

/** MCP Authorization, "Authorization Code Protection": without S256, clients MUST NOT go on. */
const checkPkce = ({
  code_challenge_methods_supported: methods,
}: Record<string, unknown>): void => {
  if (Array.isArray(methods) && methods.includes('S256')) return
  throw refuse(
    'pkce_not_supported',
    'The authorization server does not say that it supports PKCE with S256.',
    'Its operator has to name S256 in code_challenge_methods_supported.',
  )
}

/** What was found out is held to what was asked for, before anything is sent anywhere. */
const checkFoundOut = (
  { resource, expectedIssuer }: PersonAuthProviderOptions,
  found: FoundOut,
): void => {
  const server: Record<string, unknown> = { ...found.authorizationServerMetadata }
  const document: Record<string, unknown> = { ...found.resourceMetadata }
  if (document.resource !== resource) {
    throw refuse(
      'resource_mismatch',
      'The metadata of the resource server is about another resource than the one called.',
      'Spell the resource as the server does in `resource`, to the slash.',
    )
  }
  // RFC 8414 §3.3. The SDK v1 does not look.
  const issuer = expectedIssuer ?? found.authorizationServerUrl
  if (server.issuer !== issuer || found.authorizationServerUrl !== issuer) {
    throw refuse(
      'issuer_mismatch',
      'The authorization server is another one than expected.',
      'If the server has moved, set expectedIssuer to where it is now.',
    )
  }
  checkPkce(server)
}

const isDiscovered = (value: object): value is Discovered =>
  'authorizationServerMetadata' in value && 'resourceMetadata' in value

/** Only http(s), and only where the metadata says that people sign in. */
const checkPage = (url: URL, flow: KeptFlow): void => {
  const known = flow.discovery?.authorizationServerMetadata.authorization_endpoint
  const endpoint = known !== undefined && URL.canParse(known) ? new URL(known) : undefined
  const isThere = endpoint?.origin === url.origin && endpoint.pathname === url.pathname
  if (isThere && isSecureUrl(url.href)) return
  throw refuse('foreign_page', 'The sign-in page is not that of the server.', 'Connect again.')
}

const limitScope = (url: URL, plan: ScopePlan, had: string | undefined): void => {
  const challenged = url.searchParams.get('scope') ?? undefined
  const words = had === undefined ? undefined : readScope(had)
  const scope = words ? plan.more(words, challenged) : plan.first(challenged)
  if (scope) url.searchParams.set('scope', formatScope(scope))
}

const randomState = (): string => crypto.randomUUID() + crypto.randomUUID()

/** The part of a provider that leads to a sign-in page and back. */
const createFlow = (
  options: PersonAuthProviderOptions,
  { flow, tokens }: PersonStore,
  plan: ScopePlan,
) => {
  const change = async (more: KeptFlow): Promise<void> =>
    flow.write({ ...(await flow.read()), ...more })
  return {
    state: async () => {
      const state = randomState()
      await change({ state })
      return state
    },
    saveCodeVerifier: (verifier: string) => change({ verifier }),
    codeVerifier: async () => {
      const { verifier } = (await flow.read()) ?? {}
      if (verifier === undefined) throw notBegun()
      return verifier
    },
    saveDiscoveryState: async (found: FoundOut) => {
      checkFoundOut(options, found)
      if (isDiscovered(found)) await change({ discovery: found, answered: false })
    },
    // Between visits nothing is believed that was found out before: a server may have moved.
    discoveryState: async () => {
      const { discovery, answered } = (await flow.read()) ?? {}
      return answered && discovery && isDiscovered(discovery) ? discovery : undefined
    },
    redirectToAuthorization: async (url: URL) => {
      checkPage(url, (await flow.read()) ?? {})
      limitScope(url, plan, (await tokens.read())?.scope)
      await options.open(url)
    },
    answer: async (callback: string | URL) => {
      const { state, discovery, ...begun } = (await flow.read()) ?? {}
      const server = discovery?.authorizationServerMetadata
      if (!server) throw notBegun()
      const url = new URL(callback)
      const code = readAuthorizationResponse(url, {
        redirectUrl: options.redirectUrl,
        state,
        issuer: server.issuer,
        sendsIssuer: server.authorization_response_iss_parameter_supported === true,
      })
      // Without the state: an answer counts once.
      await flow.write({ ...begun, discovery, answered: true })
      return { code, params: url.searchParams }
    },
  }
}

/** The part that keeps what the server gives. */
const createKeeper = (
  { client, expectedIssuer }: PersonAuthProviderOptions,
  store: PersonStore,
  tokens: PersonTokens,
) => ({
  saveClientInformation: async (saved: KeptClient) => {
    if (!client) await store.client.write(saved)
  },
  tokens: async () => {
    const kept = await tokens.current()
    if (!kept) return undefined
    const { access_token, scope, issuer } = kept
    // Without the refresh token: renewing is done here, by one at a time.
    return { access_token, scope, issuer, token_type: 'Bearer' }
  },
  saveTokens: async (issued: IssuedTokens & { refresh_token?: string | undefined }) => {
    const server = (await store.flow.read())?.discovery?.authorizationServerMetadata
    if (!server) throw notBegun()
    const { issuer, token_endpoint } = server
    await tokens.save(issued, { issuer: expectedIssuer ?? issuer, token_endpoint })
    await store.flow.write(undefined)
  },
  invalidateCredentials: async (scope: string) => {
    const isAll = scope === 'all'
    if (isAll || scope === 'tokens') await store.tokens.write(undefined)
    if (isAll || scope === 'client') await store.client.write(undefined)
    if (isAll || scope === 'discovery' || scope === 'verifier') await store.flow.write(undefined)
  },
})

const checkOptions = (options: PersonAuthProviderOptions): void => {
  const { resource, redirectUrl, client, expectedIssuer } = options
  if (!URL.canParse(resource)) throw misuse('resource must be the URL of the MCP server.')
  if (!isSecureUrl(redirectUrl)) throw misuse('redirectUrl must be https, or http on loopback.')
  if (client && expectedIssuer === undefined) {
    throw misuse('expectedIssuer is missing: where the client is registered.')
  }
}

const registeredClient = ({
  client,
  expectedIssuer,
}: PersonAuthProviderOptions): KeptClient | undefined => {
  if (!client || expectedIssuer === undefined) return undefined
  const { client_id, client_secret } = client
  return {
    client_id,
    issuer: expectedIssuer,
    ...(client_secret !== undefined && { client_secret }),
  }
}

/**
 * Sends a person to sign in when the server asks for it: authorization code with PKCE. Afterwards the
 * tokens are renewed here, ahead of time and under the lock, so that no two processes that share the
 * storage use one refresh token.
 *
 * @throws TypeError for options that could never work
 */
export const personAuthProvider = (options: PersonAuthProviderOptions): PersonAuthProvider => {
  checkOptions(options)
  const { resource, redirectUrl, storage, clientName = 'MCP client', clientMetadataUrl } = options
  const { lock = (_, run) => run(), fetch, now = Date.now } = options
  const store = createPersonStore(storage, resource)
  const client = async () => registeredClient(options) ?? (await store.client.read())
  const tokens = createPersonTokens({ store, resource, client, lock, fetch, now })
  return Object.freeze<PersonAuthProvider>({
    redirectUrl,
    clientMetadata: {
      client_name: clientName,
      redirect_uris: [redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
    },
    ...(clientMetadataUrl !== undefined && { clientMetadataUrl }),
    clientInformation: client,
    ...createKeeper(options, store, tokens),
    ...createFlow(options, store, createScopePlan(options)),
  })
}
