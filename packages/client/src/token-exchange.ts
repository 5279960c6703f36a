/** Token exchange in every shape: narrow, hand off, accept, pull and push. RFC 8693. */
import {
  type AgentLimitsClaim,
  type BudgetMode,
  formatScope,
  grantTypes,
  tokenTypes,
} from '@behalf/protocol'
import { type ExchangedToken, exchangedToken } from './agent-token.js'
import {
  type OneOrMore,
  readAudiences,
  readBudgetMode,
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
  /**
   * `shared`: what it spends is drawn from the budgets above as it goes. `escrow`: its
   * `cost_budget_usd` is set aside there at once, for it alone. @defaultValue the server's: shared
   */
  budgetMode?: BudgetMode | undefined
}

export interface ExchangeParameters extends NarrowOptions {
  subjectToken: string
  actorToken?: string | undefined
  requestedActor?: string | undefined
}

export const subjectForm = (subjectToken: string): Form => [
  ['subject_token', subjectToken],
  ['subject_token_type', tokenTypes.accessToken],
]

/** What is asked for, whatever it is asked of. */
export const askedForm = (options: Omit<ExchangeParameters, 'subjectToken'>): Form => [
  ['requested_actor', options.requestedActor],
  ...readResources(options.resource).map((resource) => ['resource', resource] as const),
  ...readAudiences(options.audience).map((audience) => ['audience', audience] as const),
  ['scope', formatScope(readScopeOption(options.scope)) || undefined],
  ['agent_limits', readLimits(options.limits)],
  ['budget_mode', readBudgetMode(options.budgetMode)],
]

export const exchangeForm = (options: ExchangeParameters): Form => [
  ['grant_type', grantTypes.tokenExchange],
  ...subjectForm(options.subjectToken),
  ['actor_token', options.actorToken],
  // RFC 8693 §2.1: MUST NOT be there without an actor token.
  ['actor_token_type', options.actorToken && tokenTypes.accessToken],
  ...askedForm(options),
]

/** Exchanges a token. Naming a requested actor makes it a hand-off. */
export const exchangeToken = async (
  endpoint: TokenEndpoint,
  options: ExchangeParameters,
): Promise<ExchangedToken> => {
  const tokenType = options.requestedActor === undefined ? 'Bearer' : 'N_A'
  const issued = await endpoint.request(exchangeForm(options), tokenType)
  return exchangedToken(issued, {
    resources: readResources(options.resource),
    scope: readScopeOption(options.scope),
  })
}
