export { isOAuthError, OAuthError, type OAuthErrorCode } from '@behalf/protocol'
export type { HasHeaders } from './bearer.js'
export type { Charge, Charged, ChargeOptions, Receipt } from './budgets.js'
export type { Caller } from './caller.js'
export { type ChallengeOptions, challenge, toResponse } from './challenges.js'
export {
  requireAction,
  requireActor,
  requireRole,
  requireScope,
  requireTenant,
} from './guards.js'
export type { RevocationStatus } from './revocation-feed.js'
export type { Fetch, JWKSOptions, LedgerCredentials, Logger, VerifierOptions } from './settings.js'
export { createVerifier, type Verifier, type VerifyOptions } from './verifier.js'
