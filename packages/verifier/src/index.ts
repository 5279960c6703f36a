export { isOAuthError, OAuthError, type OAuthErrorCode } from '@behalf/protocol'
export type { HasHeaders } from './bearer.js'
export type { Charged, Run } from './budgets.js'
export type { Caller } from './caller.js'
export { type ChallengeOptions, challenge, toResponse } from './challenges.js'
export type { Amount, Charge, ChargeOptions } from './charge-options.js'
export type { Streamed } from './charge-stream.js'
export {
  requireAction,
  requireActor,
  requireRole,
  requireScope,
  requireTenant,
} from './guards.js'
export type { Receipt } from './receipt.js'
export type { RevocationStatus } from './revocation-feed.js'
export type { Fetch, JWKSOptions, LedgerCredentials, Logger, VerifierOptions } from './settings.js'
export { createVerifier, type Verifier, type VerifyOptions } from './verifier.js'
