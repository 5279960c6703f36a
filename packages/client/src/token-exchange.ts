/** Token exchange in every shape: narrow, hand off, accept, pull and push. RFC 8693. */
import { type AgentLimitsClaim, formatScope, grantTypes, tokenTypes } from '@behalf/protocol'
import { type ExchangedToken, exchangedToken } from './agent-token.js'
import {
  type OneOrMore,
  readAudiences,
  readLimits,
  readResources,
  readScopeOption,
  type ScopeOption,
} from './asked.js'
import type { Form, TokenEndpoint } from './token-endpoint.js'

/** What the new token may do, at most. What is not said stays as it is. */
export interface NarrowOptions {
  resource?: OneOrMore
  audience?: OneOrMore
  scope?: ScopeOption
  /** As spelt on the wire; money as a number or as decimal text. */
  limits?: AgentLimitsClaim | undefined
}

export interface ExchangeParameters extends NarrowOptions {
  subjectToken: string
  actorToken?: string | undefined
  requestedActor?: string | undefined
}

const formOf = (options: ExchangeParameters): Form => {
  const { subjectToken, actorToken, requestedActor } = options
  return [
    ['grant_type', grantTypes.tokenExchange],
    ['subject_token', subjectToken],
    ['subject_token_type', tokenTypes.accessToken],
    ['actor_token', actorToken],
    // RFC 8693 §2.1: MUST NOT be there without an actor token.
    ['actor_token_type', actorToken && tokenTypes.accessToken],
    ['requested_actor', requestedActor],
    ...readResources(options.resource).map((resource) => ['resource', resource] as const),
    ...readAudiences(options.audience).map((audience) => ['audience', audience] as const),
    ['scope', formatScope(readScopeOption(options.scope)) || undefined],
    ['agent_limits', readLimits(options.limits)],
  ]
}

/** Exchanges a token. Naming a requested actor makes it a hand-off. */
export const exchangeToken = async (
  endpoint: TokenEndpoint,
  options: ExchangeParameters,
): Promise<ExchangedToken> => {
  const tokenType = options.requestedActor === undefined ? 'Bearer' : 'N_A'
  const issued = await endpoint.request(formOf(options), tokenType)
  return exchangedToken(issued, {
    resources: readResources(options.resource),
    scope: readScopeOption(options.scope),
  })
}
