/** What an MCP client keeps between its steps. Both generations of the SDK take it as it is. */
import { randomUUID } from 'node:crypto'
import type {
  OAuthClientMetadata,
  OAuthClientProvider,
  OAuthDiscoveryState,
  StoredOAuthClientInformation,
  StoredOAuthTokens,
} from '@modelcontextprotocol/client'
import { redirectUri } from './place.js'

export interface ClientStateOptions {
  /** Registered by the operator, at the server of this issuer. */
  registered?: { client_id: string; issuer: string }
  /** Used where the server fetches documents of clients. */
  clientMetadataUrl?: string
}

type Droppable = 'all' | 'client' | 'tokens' | 'verifier' | 'discovery'

export class ClientState implements OAuthClientProvider {
  client: StoredOAuthClientInformation | undefined
  kept: StoredOAuthTokens | undefined
  /** Where the person was sent, each time. */
  readonly sentTo: URL[] = []
  /** What the SDK has thrown away, each time. */
  readonly dropped: Droppable[] = []
  readonly clientMetadataUrl?: string
  readonly redirectUrl = redirectUri
  readonly clientMetadata: OAuthClientMetadata = {
    client_name: 'An MCP client',
    redirect_uris: [redirectUri],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  }
  readonly #state = randomUUID()
  #verifier = ''
  #discovered: OAuthDiscoveryState | undefined

  constructor({ registered, clientMetadataUrl }: ClientStateOptions = {}) {
    this.client = registered
    if (clientMetadataUrl !== undefined) this.clientMetadataUrl = clientMetadataUrl
  }

  state = (): string => this.#state
  clientInformation = () => this.client
  saveClientInformation = (client: StoredOAuthClientInformation): void => {
    this.client = client
  }
  tokens = () => this.kept
  saveTokens = (tokens: StoredOAuthTokens): void => {
    this.kept = tokens
  }
  codeVerifier = (): string => this.#verifier
  saveCodeVerifier = (verifier: string): void => {
    this.#verifier = verifier
  }
  discoveryState = () => this.#discovered
  saveDiscoveryState = (state: OAuthDiscoveryState): void => {
    this.#discovered = state
  }
  redirectToAuthorization = (url: URL): void => {
    this.sentTo.push(url)
  }
  invalidateCredentials = (what: Droppable): void => {
    this.dropped.push(what)
    if (what === 'all' || what === 'tokens') this.kept = undefined
    if (what === 'all' || what === 'client') this.client = undefined
  }
}
