/** What has to happen before a code: sign-in, a yes, or nothing any more. Pure. */
import { type AgentLimits, coversAction, OAuthError } from '@behalf/protocol'
import type { PersonSession } from '../people/person.js'
import type { Client } from '../store/clients.js'
import type { Consent } from '../store/consents.js'
import type { AuthorizationRequest, Granted } from './request.js'

/**
 * The moment after which the person has to have proved who they are. OpenID Connect Core §3.1.2.1:
 * `prompt=login` and `select_account` mean again, `max_age` not longer ago than this.
 */
export const authenticateAfter = (
  { prompt, maxAgeSeconds }: Pick<AuthorizationRequest, 'prompt' | 'maxAgeSeconds'>,
  now: Date,
): Date | undefined => {
  if (prompt.has('login') || prompt.has('select_account')) return now
  return maxAgeSeconds === undefined ? undefined : new Date(now.getTime() - maxAgeSeconds * 1000)
}

export const isFresh = ({ authenticatedAt }: PersonSession, after: Date | undefined): boolean =>
  after === undefined || authenticatedAt >= after

export const loginRequired = (): OAuthError =>
  new OAuthError('login_required', {
    description: 'The person has to sign in first.',
    reason: 'login_required',
  })

export const consentRequired = (): OAuthError =>
  new OAuthError('consent_required', {
    description: 'The person has to agree first.',
    reason: 'consent_required',
  })

export const notAMember = (): OAuthError =>
  new OAuthError('access_denied', {
    description: 'The person is no member of the organization that this belongs to.',
    reason: 'not_a_member',
  })

/**
 * The organizations that the person could do this in: the one that client and resources belong to, or
 * any of their own. `[undefined]` for who belongs to none, where none is needed.
 */
export const eligibleTenants = (
  { tenantIds }: Pick<AuthorizationRequest, 'tenantIds'>,
  { memberships }: Pick<PersonSession, 'memberships'>,
): (string | undefined)[] => {
  const mine = memberships.flatMap(({ tenant_id, disabled }) => (disabled ? [] : [tenant_id]))
  if (tenantIds.length > 0) return mine.filter((id) => tenantIds.includes(id))
  return mine.length > 0 ? mine : [undefined]
}

/** The one that is meant when nobody is asked; `undefined` when the person has to say. */
export const impliedTenant = (
  eligible: readonly (string | undefined)[],
  { activeTenantId }: Pick<PersonSession, 'activeTenantId'>,
): { tenantId: string | undefined } | undefined => {
  if (eligible.length === 1) return { tenantId: eligible[0] }
  if (activeTenantId === undefined || !eligible.includes(activeTenantId)) return undefined
  return { tenantId: activeTenantId }
}

/** Has the person agreed to all of this before? For each thing by itself, word by word. */
export const coversRequest = ({ granted }: Pick<Consent, 'granted'>, asked: Granted): boolean =>
  Object.entries(asked).every(([target, words]) => {
    const agreed = granted[target]
    return agreed !== undefined && words.every((word) => agreed.includes(word))
  })

const isMore = <Limit extends number | bigint>(now: Limit | undefined, then: Limit | undefined) =>
  then !== undefined && (now === undefined || now > then)

const areMore = (now: AgentLimits['allowedActions'], then: AgentLimits['allowedActions']) =>
  then !== undefined &&
  !now?.every((action) => then.some((pattern) => coversAction(pattern, action)))

/**
 * May the client do or spend more by itself than when the person agreed? Nothing of it is theirs by that,
 * but whoever trusted it with some had it before them with less.
 */
export const hasGrown = (
  { agent_limits: now }: Pick<Client, 'agent_limits'>,
  { client_limits: then }: Pick<Consent, 'client_limits'>,
): boolean =>
  isMore(now.costBudget, then.costBudget) ||
  isMore(now.maxCostPerAction, then.maxCostPerAction) ||
  isMore(now.requestsPerHour, then.requestsPerHour) ||
  isMore(now.maxDelegationDepth, then.maxDelegationDepth) ||
  areMore(now.allowedActions, then.allowedActions)
