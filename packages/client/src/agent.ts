/** An agent: its own tokens, what it lends to others, and what others lend to it. */
import { intersectScope, missingScope } from '@behalf/protocol'
import { createParts, forget, type Parts, resourcesOf } from './agent-parts.js'
import { type AgentToken, type ExchangedToken, readToken, unreadableToken } from './agent-token.js'
import { type OneOrMore, readResources, readScopeOption, type ScopeOption } from './asked.js'
import {
  authorizedFetch,
  type CarriedBy,
  checkOrigin,
  type TokenSource,
} from './authorized-fetch.js'
import { type AgentBudget, readBudget } from './budget.js'
import { lendOwnToken, ownForm } from './client-credentials.js'
import { createDelegatedToken, type DelegatedToken } from './delegated-token.js'
import { createDelegations, type Delegations } from './delegations.js'
import { createHandOff, type HandOff, parseHandOff } from './hand-off.js'
import { type LimitOptions, limitErrorsOf, passLimit } from './limit-response.js'
import { revokeToken } from './revocation.js'
import type { AgentOptions } from './settings.js'
import {
  type ExchangeParameters,
  exchangeForm,
  exchangeToken,
  type NarrowOptions,
} from './token-exchange.js'
import {
  type DelegationLike,
  delegationIdOf,
  freshText,
  knownText,
  notAToken,
  type TokenLike,
} from './token-like.js'
import { createTokenRequest, type TokenRequest } from './token-request.js'

export interface TokenOptions {
  /** RFC 8707. @defaultValue that of `createAgent`, else the server's choice */
  resource?: string | undefined
  /** Absent: all that the agent may have there. */
  scope?: ScopeOption
}

export interface FetchOptions extends TokenOptions, LimitOptions, CarriedBy {
  /** The most that a challenge of the resource can make the agent ask for. @defaultValue no bound */
  maxScope?: ScopeOption
}

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

export interface PullOptions extends Pick<NarrowOptions, 'scope' | 'limits'> {
  /** The token that this server was called with. */
  token: TokenLike
  /** The resource that it calls next. */
  resource: string
}

export interface Agent {
  readonly issuer: string
  readonly clientId: string
  readonly delegations: Delegations
  /** The agent's own token for a resource, kept until shortly before it expires. */
  token(options?: TokenOptions): Promise<AgentToken>
  /** As `fetch`, with the agent's own token for the resource. */
  fetch(
    input: string | URL | Request,
    init?: RequestInit,
    options?: FetchOptions,
  ): Promise<Response>
  /**
   * What {@link Agent.token}, or {@link Agent.exchange} where a subject token is named, would post:
   * for a library that posts it itself. Nothing is posted here, and nothing kept.
   */
  tokenRequest(options?: TokenOptions | ExchangeOptions): Promise<TokenRequest>
  /** Lends another agent a part of what this one may do. */
  delegate(options: DelegateOptions): Promise<HandOff>
  /** Takes what another agent lends. */
  accept(handOff: HandOff | string, options?: AcceptOptions): Promise<DelegatedToken>
  /** Token exchange as RFC 8693 has it, for what `delegate` and `accept` do not cover. */
  exchange(options: ExchangeOptions): Promise<ExchangedToken>
  /**
   * For a server that was called with a token and calls another for the same caller: a token for that
   * one, in which this server acts and the caller's chain goes on. The token it came with stays here.
   */
  pull(options: PullOptions): Promise<DelegatedToken>
  /** Takes a token back, and with it all that was lent from it. */
  revoke(token: TokenLike): Promise<void>
  /** What is left to spend. @defaultValue the agent's own */
  budget(delegation?: DelegationLike): Promise<AgentBudget>
}

/** What may be asked for, and what is asked for where no challenge says. */
const scopesOf = ({ scope, maxScope }: FetchOptions) => {
  const wanted = readScopeOption(scope)
  const most = readScopeOption(maxScope)
  const ceiling = maxScope === undefined ? undefined : most
  if (ceiling && missingScope(wanted, ceiling).length > 0) {
    throw new TypeError('maxScope must hold every word of scope.')
  }
  return { wanted, ceiling, first: wanted.length > 0 ? wanted : most }
}

/** Where an agent's own tokens for one call of `fetch` come from. */
const ownSource = (parts: Parts, options: FetchOptions): TokenSource => {
  const [resource] = resourcesOf(parts, options.resource)
  const { wanted, ceiling, first } = scopesOf(options)
  // What the caller asks for stands above what a challenge taught. An empty scope would be all.
  const asked = <T extends { scope: readonly string[] }>(access: T): T => {
    const learned = ceiling ? intersectScope(access.scope, ceiling) : access.scope
    return { ...access, scope: wanted.length === 0 && learned.length > 0 ? learned : first }
  }
  const source: TokenSource = {
    fetch: options.fetch ?? parts.settings.fetch,
    ceiling,
    token: (access) => parts.ownToken({ resources: [access.resource], scope: access.scope }),
    drop: ({ accessToken }) => parts.cache.drop(accessToken),
    access: (url) => {
      if (resource === undefined) {
        const known = parts.resources.known(url)
        return known && asked(known)
      }
      checkOrigin(resource, url)
      return { resource, scope: first }
    },
    widened: (access) => {
      if (resource === undefined && wanted.length === 0) parts.resources.remember(access)
    },
  }
  if (resource !== undefined) return source
  const learn: TokenSource['learn'] = async (url, response) => {
    const learned = await parts.resources.learn(url, response)
    return learned && asked(learned)
  }
  return { ...source, learn }
}

const tokenRequest = async (
  parts: Parts,
  options: TokenOptions | ExchangeOptions,
): Promise<TokenRequest> => {
  if ('subjectToken' in options) {
    return createTokenRequest(parts.endpoint, exchangeForm(await freshOptions(parts, options)))
  }
  const { resource, scope } = options
  const asked = { resources: resourcesOf(parts, resource), scope: readScopeOption(scope) }
  return createTokenRequest(parts.endpoint, ownForm(asked))
}

/** Tokens as text, renewed first where they can be. */
const freshOptions = async (
  { settings: { issuer } }: Parts,
  { subjectToken, actorToken, ...rest }: ExchangeOptions,
): Promise<ExchangeParameters> => ({
  ...rest,
  subjectToken: await freshText(subjectToken, issuer),
  actorToken: actorToken === undefined ? undefined : await freshText(actorToken, issuer),
})

const delegate = async (parts: Parts, options: DelegateOptions): Promise<HandOff> => {
  const { to, token, scope, limits, budgetMode } = options
  const { issuer } = parts.settings
  if (typeof to !== 'string' || to === '') {
    throw new TypeError('delegate: `to` must be the client_id of an agent.')
  }
  const resources =
    token === undefined ? resourcesOf(parts, options.resource) : readResources(options.resource)
  const handOff = async (subjectToken: string): Promise<HandOff> => {
    const narrowed = { requestedActor: to, resource: resources, scope, limits, budgetMode }
    const issued = await exchangeToken(parts.endpoint, { subjectToken, ...narrowed })
    return createHandOff(issued, { issuer, to, resources })
  }
  if (token !== undefined) return handOff(await freshText(token, issuer))
  return lendOwnToken(parts, { resources, scope: [] }, { use: handOff })
}

const accept = async (
  { settings, endpoint, takenBack }: Parts,
  handOff: HandOff | string,
  { resource, scope }: AcceptOptions,
): Promise<DelegatedToken> => {
  const text = typeof handOff === 'string' ? handOff : handOff?.text
  if (typeof text !== 'string') throw notAToken()
  const { token: subjectToken, expiresAt } = parseHandOff(text, settings.issuer)
  const asked = { subjectToken, resource, scope }
  const again = () => exchangeToken(endpoint, asked)
  const request = () => createTokenRequest(endpoint, exchangeForm(asked))
  const first = await again()
  const lent = { settings, takenBack, first, accept: again, tokenRequest: request }
  return createDelegatedToken({ ...lent, handOffExpiresAt: expiresAt })
}

/** @see RFC 8693 §1.1: the resource server is the client that exchanges what it was presented. */
const pull = async (
  { settings, endpoint, takenBack }: Parts,
  { token, resource, scope, limits }: PullOptions,
): Promise<DelegatedToken> => {
  const subjectToken = knownText(token, settings.issuer)
  const [target] = readResources(resource)
  if (target === undefined) throw new TypeError('pull: `resource` names the server to call next.')
  const asked = { subjectToken, resource: target, scope, limits }
  const again = () => exchangeToken(endpoint, asked)
  const request = () => createTokenRequest(endpoint, exchangeForm(asked))
  const first = await again()
  const lent = { settings, takenBack, first, accept: again, tokenRequest: request }
  // Renewed for as long as the caller's own token lives; a token that cannot be read is not.
  const handOffExpiresAt = readToken(subjectToken)?.expiresAt ?? 0
  return createDelegatedToken({ ...lent, handOffExpiresAt })
}

const revoke = async (parts: Parts, token: TokenLike): Promise<void> => {
  const accessToken = knownText(token, parts.settings.issuer)
  parts.cache.drop(accessToken)
  await revokeToken(parts.endpoint, accessToken)
  const id = readToken(accessToken)?.lineage.at(-1)
  if (id !== undefined) forget(parts, id)
}

const budget = async (parts: Parts, delegation?: DelegationLike): Promise<AgentBudget> => {
  const { resource, issuer } = parts.settings
  if (delegation !== undefined) {
    return readBudget(parts.endpoint, delegationIdOf(delegation, issuer))
  }
  // The agent's own delegation is one, whatever its tokens are for.
  const own = await parts.ownToken({ resources: [resource ?? issuer], scope: [] })
  if (own.delegationId === undefined) throw unreadableToken()
  return readBudget(parts.endpoint, own.delegationId)
}

/** @throws TypeError when an option could never work */
export const createAgent = (options: AgentOptions): Agent => {
  const parts = createParts(options)
  const { issuer, clientId } = parts.settings
  return Object.freeze<Agent>({
    issuer,
    clientId,
    delegations: createDelegations(parts),
    token: async ({ resource, scope } = {}) =>
      parts.ownToken({ resources: resourcesOf(parts, resource), scope: readScopeOption(scope) }),
    fetch: async (input, init, fetchOptions = {}) => {
      const limitErrors = limitErrorsOf(parts.settings, fetchOptions)
      const response = await authorizedFetch(ownSource(parts, fetchOptions), input, init)
      return passLimit(response, limitErrors, parts.settings)
    },
    delegate: (delegateOptions) => delegate(parts, delegateOptions),
    accept: (handOff, acceptOptions = {}) => accept(parts, handOff, acceptOptions),
    tokenRequest: (tokenOptions = {}) => tokenRequest(parts, tokenOptions),
    exchange: async (exchangeOptions) =>
      exchangeToken(parts.endpoint, await freshOptions(parts, exchangeOptions)),
    pull: (pullOptions) => pull(parts, pullOptions),
    revoke: (token) => revoke(parts, token),
    budget: (delegation) => budget(parts, delegation),
  })
}
