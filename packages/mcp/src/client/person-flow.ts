/** One sign-in: what may be believed before it, the page it leads to, and what comes back. */
import { discover, type Fetch } from '@behalf/client'
import {
  formatScope,
  isOAuthError,
  isSecureUrl,
  issuerProblem,
  OAuthError,
  readScope,
} from '@behalf/protocol'
import { readAuthorizationResponse } from './authorization-response.js'
import type { KeptDiscovery, KeptFlow, PersonStore } from './person-store.js'
import type { ScopePlan } from './scope-plan.js'

export interface FlowOptions {
  resource: string
  redirectUrl: string
  open: (url: URL) => void | Promise<void>
  expectedIssuer?: string | undefined
  fetch?: Fetch | undefined
}

/** What the SDK has found out. */
export interface FoundOut {
  authorizationServerUrl: string
  authorizationServerMetadata?: object | undefined
  resourceMetadata?: object | undefined
}

/** What both SDKs take for the state of a discovery. */
export type Discovered = KeptDiscovery & { resourceMetadata: { authorization_servers: string[] } }

const refuse = (reason: string, description: string, hint: string): OAuthError =>
  new OAuthError('invalid_target', { description, reason, hint })

export const notBegun = (): OAuthError =>
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
const checkFoundOut = ({ resource, expectedIssuer }: FlowOptions, found: FoundOut): void => {
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

/**
 * The SDKs take the last of two members of one name. Where RFC 8414 metadata is at its own place, it is
 * read again here, where a member that is there twice makes it unreadable.
 */
const checkReading = async (issuer: string, fetch: Fetch | undefined): Promise<void> => {
  if (issuerProblem(issuer) !== undefined) return
  try {
    await discover(issuer, { fetch })
  } catch (error) {
    if (isOAuthError(error) && error.reason === 'metadata_not_found') return
    throw error
  }
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
export const createFlow = (
  options: FlowOptions,
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
      await checkReading(found.authorizationServerUrl, options.fetch)
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
      const answer = readAuthorizationResponse(callback, {
        redirectUrl: options.redirectUrl,
        state,
        issuer: server.issuer,
        sendsIssuer: server.authorization_response_iss_parameter_supported === true,
      })
      // Without the state: an answer counts once.
      await flow.write({ ...begun, discovery, answered: true })
      return answer
    },
  }
}
