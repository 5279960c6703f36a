/** What has to happen before a code: sign-in, a yes, or nothing any more. Pure. */
import { OAuthError } from '@behalf/protocol'
import type { PersonSession } from '../people/person.js'
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
