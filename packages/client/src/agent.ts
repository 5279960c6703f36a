/** An agent: its own tokens, what it lends to others, and what others lend to it. */
import { isOAuthError } from '@behalf/protocol'
import type { AgentToken, Asked, ExchangedToken } from './agent-token.js'
import { type OneOrMore, readResources, readScopeOption, type ScopeOption } from './asked.js'
import { authorizedFetch, checkOrigin, type TokenSource } from './authorized-fetch.js'
import { createOwnToken } from './client-credentials.js'
import { createDelegatedToken, type DelegatedToken } from './delegated-token.js'
import { createDiscovery } from './discovery.js'
import { createHandOff, type HandOff, isHandOffText, parseHandOff } from './hand-off.js'
import { createResourceDiscovery } from './resource-metadata.js'
import { revokeToken } from './revocation.js'
import { type AgentOptions, checkSettings } from './settings.js'
import { createTokenCache } from './token-cache.js'
import { createTokenEndpoint } from './token-endpoint.js'
import { exchangeToken, type NarrowOptions } from './token-exchange.js'

export interface TokenOptions {
  /** RFC 8707. @defaultValue that of `createAgent`, else the server's choice */
  resource?: string | undefined
  /** Absent: all that the agent may have there. */
  scope?: ScopeOption
}

/** A token in any of the forms in which this package gives one out. */
export type TokenLike = string | { readonly accessToken: string } | DelegatedToken | HandOff

export interface ExchangeOptions extends NarrowOptions {
  subjectToken: TokenLike
  /** The other agent's own token, meant for the issuer. */
  actorToken?: TokenLike | undefined
  /** The `client_id` of the agent to hand off to. The answer is then good for accepting only. */
  requestedActor?: string | undefined
}

export interface DelegateOptions extends Omit<NarrowOptions, 'audience'> {
  /** The `client_id` of the agent that shall do the work. */
  to: string
  /** What to hand on. Absent: the agent's own authority. */
  token?: TokenLike | undefined
}

export interface AcceptOptions {
  resource?: OneOrMore
  scope?: ScopeOption
}

export interface Agent {
  readonly issuer: string
  readonly clientId: string
  /** The agent's own token for a resource, kept until shortly before it expires. */
  token(options?: TokenOptions): Promise<AgentToken>
  /** As `fetch`, with the agent's own token for the resource. */
  fetch(
    input: string | URL | Request,
    init?: RequestInit,
    options?: TokenOptions,
  ): Promise<Response>
  /** Lends another agent a part of what this one may do. */
  delegate(options: DelegateOptions): Promise<HandOff>
  /** Takes what another agent lends. */
  accept(handOff: HandOff | string, options?: AcceptOptions): Promise<DelegatedToken>
  /** Token exchange as RFC 8693 has it, for what `delegate` and `accept` do not cover. */
  exchange(options: ExchangeOptions): Promise<ExchangedToken>
  /** Takes a token back, and with it all that was lent from it. */
  revoke(token: TokenLike): Promise<void>
}

const notAToken = (): TypeError =>
  new TypeError('A token is text, a hand-off, or what token(), accept() or exchange() gave.')

const textIn = (token: TokenLike, issuer: string): string => {
  const text = typeof token === 'string' ? token : 'text' in token ? token.text : token.accessToken
  if (typeof text !== 'string' || text === '') throw notAToken()
  return isHandOffText(text) ? parseHandOff(text, issuer).token : text
}

/** The text of a token to be used, renewed first where it can be. */
const freshText = async (token: TokenLike, issuer: string): Promise<string> => {
  if (typeof token === 'object' && token !== null && 'token' in token) {
    return (await token.token()).accessToken
  }
  return knownText(token, issuer)
}

/** The text of a token as it is. */
const knownText = (token: TokenLike, issuer: string): string => {
  if (typeof token === 'string' || (typeof token === 'object' && token !== null)) {
    return textIn(token, issuer)
  }
  throw notAToken()
}

const createParts = (options: AgentOptions) => {
  const settings = checkSettings(options)
  const endpoint = createTokenEndpoint(settings, createDiscovery(settings))
  const cache = createTokenCache<AgentToken>(settings)
  const resources = createResourceDiscovery(settings)
  return { settings, endpoint, cache, resources, ownToken: createOwnToken(endpoint, cache) }
}

type Parts = ReturnType<typeof createParts>

const resourcesOf = ({ settings }: Parts, resource: OneOrMore): readonly string[] =>
  readResources(resource ?? settings.resource)

/** Where an agent's own tokens for one call of `fetch` come from. */
const ownSource = (parts: Parts, options: TokenOptions): TokenSource => {
  const [resource] = resourcesOf(parts, options.resource)
  const scope = readScopeOption(options.scope)
  // What the caller asks for stands above what a challenge taught.
  const asked = <T extends { scope: readonly string[] }>(access: T): T =>
    scope.length > 0 ? { ...access, scope } : access
  const source: TokenSource = {
    fetch: parts.settings.fetch,
    token: (access) => parts.ownToken({ resources: [access.resource], scope: access.scope }),
    drop: ({ accessToken }) => parts.cache.drop(accessToken),
    access: (url) => {
      if (resource === undefined) {
        const known = parts.resources.known(url)
        return known && asked(known)
      }
      checkOrigin(resource, url)
      return { resource, scope }
    },
    widened: (access) => {
      if (resource === undefined && scope.length === 0) parts.resources.remember(access)
    },
  }
  if (resource !== undefined) return source
  const learn: TokenSource['learn'] = async (url, response) => {
    const learned = await parts.resources.learn(url, response)
    return learned && asked(learned)
  }
  return { ...source, learn }
}

/**
 * Uses the agent's own token, and once more a new one: a kept token may have been revoked, or the
 * server may have new keys, which it tells as `invalid_request` (RFC 8693 §2.2.2).
 */
const withOwnToken = async <T>(
  { ownToken, cache }: Parts,
  asked: Asked,
  use: (accessToken: string) => Promise<T>,
): Promise<T> => {
  const { accessToken } = await ownToken(asked)
  try {
    return await use(accessToken)
  } catch (error) {
    if (!isOAuthError(error) || error.code !== 'invalid_request') throw error
    cache.drop(accessToken)
    return use((await ownToken(asked)).accessToken)
  }
}

const delegate = async (parts: Parts, options: DelegateOptions): Promise<HandOff> => {
  const { to, token, scope, limits } = options
  const { issuer } = parts.settings
  if (typeof to !== 'string' || to === '') {
    throw new TypeError('delegate: `to` must be the client_id of an agent.')
  }
  const resources =
    token === undefined ? resourcesOf(parts, options.resource) : readResources(options.resource)
  const handOff = async (subjectToken: string): Promise<HandOff> => {
    const narrowed = { requestedActor: to, resource: resources, scope, limits }
    const issued = await exchangeToken(parts.endpoint, { subjectToken, ...narrowed })
    return createHandOff(issued, { issuer, to, resources })
  }
  if (token !== undefined) return handOff(await freshText(token, issuer))
  return withOwnToken(parts, { resources, scope: [] }, handOff)
}

/** Accepts hand-offs, and remembers how to forget what each one gave. */
const createAcceptance = ({ settings, endpoint }: Parts) => {
  const drops = new WeakMap<object, (accessToken: string) => void>()
  return {
    accept: async (handOff: HandOff | string, options: AcceptOptions = {}) => {
      const text = typeof handOff === 'string' ? handOff : handOff?.text
      if (typeof text !== 'string') throw notAToken()
      const { token: subjectToken, expiresAt } = parseHandOff(text, settings.issuer)
      const { resource, scope } = options
      const accept = () => exchangeToken(endpoint, { subjectToken, resource, scope })
      const session = { settings, accept, first: await accept(), handOffExpiresAt: expiresAt }
      const { delegated, drop } = createDelegatedToken(session)
      drops.set(delegated, drop)
      return delegated
    },
    forget: (token: TokenLike, accessToken: string): void => {
      if (typeof token === 'object') drops.get(token)?.(accessToken)
    },
  }
}

/** @throws TypeError when an option could never work */
export const createAgent = (options: AgentOptions): Agent => {
  const parts = createParts(options)
  const { settings, endpoint, cache } = parts
  const { issuer, clientId } = settings
  const { accept, forget } = createAcceptance(parts)
  return Object.freeze<Agent>({
    issuer,
    clientId,
    token: async ({ resource, scope } = {}) =>
      parts.ownToken({ resources: resourcesOf(parts, resource), scope: readScopeOption(scope) }),
    fetch: async (input, init, tokenOptions = {}) =>
      authorizedFetch(ownSource(parts, tokenOptions), input, init),
    delegate: (delegateOptions) => delegate(parts, delegateOptions),
    accept,
    exchange: async ({ subjectToken, actorToken, ...rest }) =>
      exchangeToken(endpoint, {
        ...rest,
        subjectToken: await freshText(subjectToken, issuer),
        actorToken: actorToken === undefined ? undefined : await freshText(actorToken, issuer),
      }),
    revoke: async (token) => {
      const accessToken = knownText(token, issuer)
      cache.drop(accessToken)
      forget(token, accessToken)
      await revokeToken(endpoint, accessToken)
    },
  })
}
