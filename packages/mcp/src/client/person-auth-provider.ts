/** A person who signs in, as the `authProvider` of an MCP client's transport, for the SDKs v1 and v2. */
import type { Fetch } from '@behalf/client'
import { isSecureUrl } from '@behalf/protocol'
import type { IssuedTokens, Lock } from './held-token.js'
import { createFlow, type Discovered, type FoundOut, notBegun } from './person-flow.js'
import {
  createPersonStore,
  type KeptClient,
  type PersonStorage,
  type PersonStore,
} from './person-store.js'
import { createPersonTokens, type PersonTokens } from './person-tokens.js'
import { createScopePlan, type ScopePlanOptions } from './scope-plan.js'

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
  /** For metadata and renewals. @defaultValue the platform's */
  fetch?: Fetch | undefined
  /** Milliseconds since 1970. @defaultValue Date.now */
  now?: (() => number) | undefined
}

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
  const { expectedIssuer, lock = (_, run) => run(), fetch, now = Date.now } = options
  const store = createPersonStore(storage, resource)
  const client = async () => registeredClient(options) ?? (await store.client.read())
  const tokens = createPersonTokens({
    store,
    resource,
    client,
    expectedIssuer,
    lock,
    fetch,
    now,
  })
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
