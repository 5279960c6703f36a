/** The one place where access tokens are made. Every grant decides first and passes through here. */
import {
  type Actor,
  type AgentLimits,
  agentLimitsClaim,
  formatScope,
  type NarrowingReport,
  OAuthError,
  tokenTypes,
} from '@behalf/protocol'
import { grantOver } from './authorization/grant-over.js'
import type { PersonStanding } from './authorization/standing.js'
import { fundEscrow } from './budgets/escrow.js'
import { type Deps, fromSeconds, toSeconds } from './deps.js'
import { idTokenFor } from './id-token.js'
import { customClaims, standingClaims } from './person-claims.js'
import type { Client } from './store/clients.js'
import type { NewDelegation, Recorded, Redemption } from './store/issuances.js'

/** The person that a token is for, when it is their own client that gets it. */
export interface IssuedFor extends PersonStanding {
  /** When they proved who they are. */
  authenticatedAt: Date
  /** OpenID Connect Core §3.1.2.1, for the ID token. */
  nonce: string | undefined
}

/** What a grant has decided. */
export interface Issuance {
  /** A hand-off is good for nothing but being accepted by the actor that `mayAct` names. */
  kind: 'access_token' | 'hand_off'
  subject: string
  /** Who acts with this token; `role` and `agent_type` describe it. */
  actor: Client
  act: Actor | undefined
  mayAct: { sub: string; client_id: string } | undefined
  tenantId: string | undefined
  audience: readonly string[]
  scope: readonly string[]
  limits: AgentLimits
  /** Seconds since 1970. */
  expiresAt: number
  /** The delegations from the root to the token's own. */
  lineage: readonly string[]
  /** Made together with the token: the last of `lineage`. */
  newDelegation: NewDelegation | undefined
  parentJti: string | undefined
  /** What was asked for and cut. */
  narrowed: NarrowingReport | undefined
  /** RFC 8693 §2.2.1 asks for `issued_token_type`; RFC 6749 does not know it. */
  exchanged: boolean
  person?: IssuedFor
  /** The code that is spent in the same breath. */
  redemption?: Redemption | undefined
  refreshToken?: string | undefined
}

const isEmpty = (object: object): boolean => Object.keys(object).length === 0

/** An agent's token describes the agent. Any other client's describes the person who uses it. */
const personPart = ({ actor, person }: Issuance): Record<string, unknown> =>
  person === undefined || actor.kind === 'agent'
    ? {}
    : { ...customClaims(person), ...standingClaims(person) }

const claimsOf = (issuance: Issuance, issuer: string, jti: string, iat: number) => {
  const limits = agentLimitsClaim(issuance.limits)
  const { audience, actor, scope } = issuance
  return {
    // First, so that what follows wins whatever they are called.
    ...personPart(issuance),
    iss: issuer,
    sub: issuance.subject,
    aud: audience.length === 1 ? audience[0] : audience,
    client_id: actor.client_id,
    ...(scope.length > 0 && { scope: formatScope(scope) }),
    iat,
    exp: issuance.expiresAt,
    jti,
    ...(issuance.tenantId !== undefined && { tenant_id: issuance.tenantId }),
    ...(actor.kind === 'agent' && { role: 'agent' }),
    ...(actor.agent_type !== undefined && { agent_type: actor.agent_type }),
    ...(issuance.act && { act: issuance.act }),
    ...(issuance.mayAct && { may_act: issuance.mayAct }),
    ...(!isEmpty(limits) && { agent_limits: limits }),
    agent_lineage: issuance.lineage,
  }
}

/** What was decided, and is written. */
export interface RecordedIssuance {
  issuance: Issuance
  jti: string
  iat: number
}

const record = (
  { issuance, jti, iat }: RecordedIssuance,
  asOf: string | undefined,
  { store }: Deps,
): Promise<Recorded> => {
  const { lineage, newDelegation } = issuance
  return store.issuances.record({
    jti,
    as_of: asOf,
    parent_jti: issuance.parentJti,
    delegation_id: lineage.at(-1) ?? '',
    tenant_id: issuance.tenantId,
    client_id: issuance.actor.client_id,
    subject: issuance.subject,
    actor: issuance.mayAct?.sub ?? issuance.actor.client_id,
    scope: formatScope(issuance.scope),
    aud: issuance.audience,
    issued_at: fromSeconds(iat).toISOString(),
    expires_at: fromSeconds(issuance.expiresAt).toISOString(),
    standing_on: newDelegation ? lineage.slice(0, -1) : lineage,
    delegation: newDelegation,
    redemption: issuance.redemption,
  })
}

export const tooManyChildren = (): OAuthError =>
  new OAuthError('access_denied', {
    description: 'Too many delegations hang from this one, or too many were made just now.',
    reason: 'fan_out',
    hint: 'Wait for some to expire, revoke some, or raise delegation_bounds.',
  })

/** RFC 6749 §4.1.2: a code that comes again takes with it what it bought. */
const refuseReplay = async ({ lineage }: Issuance, { store, now }: Deps): Promise<never> => {
  await store.revocations.revoke({ delegation_id: lineage.at(-1) ?? '' }, 'code_replayed', now())
  throw grantOver('The authorization code was used already.', 'code_replayed')
}

const checkRecorded = async (outcome: Recorded, issuance: Issuance, deps: Deps): Promise<void> => {
  if (outcome === 'replayed') return refuseReplay(issuance, deps)
  if (outcome === 'ended' && issuance.person) {
    throw grantOver('What the person agreed to has ended.', 'consent_over')
  }
  if (outcome === 'ended') {
    throw new OAuthError('invalid_request', {
      description: 'The delegation behind this token is no longer alive.',
      reason: 'delegation_revoked',
    })
  }
  if (outcome === 'fan_out') throw tooManyChildren()
}

/** OpenID Connect Core §3.1.3.3, §12.2: with `openid`, beside an access token for a person. */
const idTokenOf = ({ person, actor, scope }: Issuance, accessToken: string, deps: Deps) =>
  person && idTokenFor({ ...person, client: actor, scope, accessToken }, deps)

/** RFC 8693 §2.2.1: what cannot be used as an access token is of type `N_A`. */
const responseOf = (issuance: Issuance, accessToken: string, iat: number, deps: Deps) => {
  const handOff = issuance.kind === 'hand_off'
  const limits = agentLimitsClaim(issuance.limits)
  const idToken = idTokenOf(issuance, accessToken, deps)
  return {
    access_token: accessToken,
    token_type: handOff ? 'N_A' : 'Bearer',
    expires_in: issuance.expiresAt - iat,
    // RFC 6749 §5.1 asks for it when it differs from the request; saying it always is clearer.
    ...(issuance.scope.length > 0 && { scope: formatScope(issuance.scope) }),
    ...(issuance.exchanged && {
      issued_token_type: handOff ? tokenTypes.jwt : tokenTypes.accessToken,
    }),
    ...(issuance.refreshToken !== undefined && { refresh_token: issuance.refreshToken }),
    ...(idToken !== undefined && { id_token: idToken }),
    ...(!isEmpty(limits) && { agent_limits: limits }),
    ...(issuance.narrowed && { narrowed: issuance.narrowed }),
    ...(issuance.newDelegation?.set_aside !== undefined && { budget_mode: 'escrow' }),
  }
}

/**
 * Records the token durably. The record and the check that everything it stands on is alive are one
 * statement, so a revocation that was committed first always wins.
 *
 * @param asOf the version of the registry that this was decided on: refused if it has moved since.
 * `undefined` for what was decided on what was read for this request
 * @throws OAuthError and then nothing has been written
 */
export const recordIssuance = async (
  issuance: Issuance,
  deps: Deps,
  asOf?: string,
): Promise<RecordedIssuance> => {
  const recorded = { issuance, jti: deps.newId('at'), iat: toSeconds(deps.now()) }
  await checkRecorded(await record(recorded, asOf, deps), issuance, deps)
  return recorded
}

/**
 * Signs what is recorded.
 *
 * @returns the body of a token response (RFC 6749 §5.1, RFC 8693 §2.2.1)
 */
export const signIssuance = async ({ issuance, jti, iat }: RecordedIssuance, deps: Deps) => {
  if (issuance.newDelegation) await fundEscrow(issuance.newDelegation, deps)
  const accessToken = deps.keys.sign('at+jwt', claimsOf(issuance, deps.issuer, jti, iat))
  return responseOf(issuance, accessToken, iat, deps)
}
