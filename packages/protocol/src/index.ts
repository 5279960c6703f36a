export {
  type AccessToken,
  type CheckAccessTokenOptions,
  checkAccessToken,
  checkHeader,
  currentActor,
  isAccessTokenType,
  parseAccessToken,
  type SigningAlgorithm,
  signingAlgorithms,
} from './access-token.js'
export { type Actor, actorChain, extendActor, isActor, maxActors } from './actor.js'
export {
  type AgentLimits,
  type AgentLimitsClaim,
  agentLimitsClaim,
  allowsAction,
  coversAction,
  hardDelegationDepth,
  isAction,
  readAgentLimits,
} from './agent-limits.js'
export { agentLimitsClaimSchema, agentLimitsSchema } from './agent-limits-schema.js'
export { basicAuthorization, readBasicAuthorization } from './client-authentication.js'
export {
  chainParties,
  checkNextActor,
  defaultDelegationDepth,
  maxLineage,
} from './delegation.js'
export {
  type Delegation,
  delegationCheckSchema,
  delegationPageSchema,
  delegationSchema,
} from './delegation-messages.js'
export {
  type DelegationMode,
  type DelegationRule,
  type RuleDecision,
  type RuleParty,
  type RuleSelector,
  selectRule,
} from './delegation-rule.js'
export {
  errorDocs,
  isOAuthError,
  isOAuthErrorCode,
  OAuthError,
  type OAuthErrorCode,
  type OAuthErrorOptions,
  oauthErrorFromBody,
} from './errors.js'
export { cleanText, clientId, delegationId, resourceUri, tenantId } from './identifier-schemas.js'
export {
  grantTypes,
  isCleanText,
  isPersonId,
  isResourceUri,
  personPrefix,
  tokenTypes,
} from './identifiers.js'
export {
  type CompactJws,
  decodeBase64url,
  encodeBase64url,
  maxTokenLength,
  parseCompactJws,
  parseJsonObject,
  parseJwsPart,
  splitCompactJws,
} from './jws.js'
export {
  agentBudgetHeader,
  isLease,
  isReservation,
  type Lease,
  type LeaseState,
  leaseStates,
  type Reservation,
  type ReservationState,
  reservationStates,
} from './ledger-answers.js'
export {
  amountUsd,
  type Budget,
  type BudgetMode,
  type BudgetPeriod,
  budgetModes,
  budgetPeriods,
  budgetSchema,
  capRequestSchema,
  leaseRenewalSchema,
  leaseReportSchema,
  leaseRequestSchema,
  onExpiry,
  reservationRequestSchema,
  settleRequestSchema,
  topUpRequestSchema,
} from './ledger-messages.js'
export {
  type IntrospectionResponse,
  introspectionResponseSchema,
  type ProtectedResourceMetadata,
  type TokenResponse,
  tokenResponseSchema,
} from './messages.js'
export {
  type AuthorizationServerMetadata,
  isLoopbackHost,
  isSecureUrl,
  issuerProblem,
  metadataUrl,
  parseMetadata,
  resourceMetadataUrl,
} from './metadata.js'
export { formatUsd, maxMicroUsd, parseUsd, usdClaim } from './money.js'
export { type Authority, type NarrowRequest, type NarrowRule, narrow } from './narrow.js'
export { type NarrowingReport, narrowingReport, narrowingReportSchema } from './narrowing-report.js'
export {
  isRevocationFeed,
  type RevocationFeed,
  revocationFeedType,
} from './revocation-feed.js'
export { formatScope, intersectScope, missingScope, parseScope, readScope } from './scope.js'
