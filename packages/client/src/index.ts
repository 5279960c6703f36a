export {
  type Actor,
  type AgentLimitsClaim,
  type AuthorizationServerMetadata,
  isOAuthError,
  OAuthError,
  type OAuthErrorCode,
} from '@behalf/protocol'
export {
  type AcceptOptions,
  type Agent,
  createAgent,
  type DelegateOptions,
  type ExchangeOptions,
  type TokenLike,
  type TokenOptions,
} from './agent.js'
export type { AgentToken, ExchangedToken } from './agent-token.js'
export type { DelegatedToken } from './delegated-token.js'
export { type DiscoverOptions, discover } from './discovery.js'
export type { HandOff } from './hand-off.js'
export type { AgentOptions, Fetch } from './settings.js'
