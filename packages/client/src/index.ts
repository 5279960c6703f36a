export {
  type Actor,
  type AgentLimitsClaim,
  type AuthorizationServerMetadata,
  type BudgetMode,
  type BudgetPeriod,
  type Delegation,
  isOAuthError,
  type NarrowingReport,
  OAuthError,
  type OAuthErrorCode,
} from '@behalf/protocol'
export {
  type AcceptOptions,
  type Agent,
  createAgent,
  type DelegateOptions,
  type ExchangeOptions,
  type FetchOptions,
  type PullOptions,
  type TokenOptions,
} from './agent.js'
export type { AgentToken, ExchangedToken } from './agent-token.js'
export type { CarriedBy } from './authorized-fetch.js'
export type { AgentBudget, PeriodBudget } from './budget.js'
export type { AssertionAlgorithm, ClientKey } from './client-assertion.js'
export type { DelegatedToken } from './delegated-token.js'
export type { DelegationPage, Delegations, ListOptions } from './delegations.js'
export { type DiscoverOptions, discover } from './discovery.js'
export type { ExplainOptions } from './explain.js'
export type { DelegationAllowed, DelegationAnswer, DelegationRefused } from './explanation.js'
export type { HandOff } from './hand-off.js'
export {
  BudgetError,
  type BudgetErrorCode,
  isBudgetError,
  isRateLimitError,
  type LimitError,
  RateLimitError,
} from './limit-error.js'
export { limitErrorFromBody } from './limit-refusal.js'
export { type LimitErrorOfOptions, type LimitOptions, limitErrorOf } from './limit-response.js'
export {
  type RefreshedTokens,
  type RefreshTokensOptions,
  refreshTokens,
} from './refresh-token.js'
export { type JsonResponse, type RequestJsonOptions, requestJson } from './request-json.js'
export {
  type DiscoverResourceOptions,
  discoverResource,
  type ResourceDocument,
} from './resource-discovery.js'
export type { AgentOptions, Fetch, LimitErrors } from './settings.js'
export type { DelegationLike, TokenLike } from './token-like.js'
export type { TokenRequest } from './token-request.js'
