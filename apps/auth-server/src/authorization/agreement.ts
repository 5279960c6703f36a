/** What a person answers: yes, as a member of which organization, and within which limits. */
import { OAuthError } from '@behalf/protocol'
import type { Deps } from '../deps.js'
import type { Form } from '../form.js'
import type { PersonSession } from '../people/person.js'
import type { Consent } from '../store/consents.js'
import { type ChosenLimits, chooseLimits, readLimitFields, withinClient } from './consent-limits.js'
import { eligibleTenants } from './interaction.js'
import { actOf } from './person-issuance.js'
import type { AuthorizationRequest } from './request.js'

/** What is asked, by whichever endpoint it came. */
export type Asked = Pick<AuthorizationRequest, 'client' | 'granted' | 'tenantIds'>

/** What was asked, and who answers. */
export interface Answered {
  request: Asked
  session: PersonSession
  form: Form
}

export const malformedConsent = (description: string): OAuthError =>
  new OAuthError('invalid_request', { description, reason: 'malformed_consent' })

/** The organization that was chosen: one that the page offered, since others are no member's. */
export const chosenTenant = ({ request, session, form }: Answered): string | undefined => {
  const eligible = eligibleTenants(request, session)
  const chosen = form.get('tenant_id')
  if (chosen === undefined && eligible.length === 1) return eligible[0]
  if (chosen !== undefined && eligible.includes(chosen)) return chosen
  throw malformedConsent('The organization is not one that this can be done in.')
}

/** An application acts as the person, until they take it back. An agent has limits. */
export const chosenLimits = ({ request, form }: Answered, now: Date): ChosenLimits =>
  request.client.kind === 'agent'
    ? chooseLimits(readLimitFields(form), now)
    : { limits: {}, expiresAt: undefined, faults: undefined }

/** Records it. Spending so far stays, and what was agreed before is added to. */
export const agree = async (
  { request, session }: Answered,
  tenantId: string | undefined,
  chosen: Exclude<ChosenLimits, { faults: object }>,
  deps: Deps,
): Promise<Consent> => {
  const { client, granted } = request
  const agreement = {
    subject: session.person.sub,
    client_id: client.client_id,
    tenant_id: tenantId,
    act: actOf(client, deps),
    granted,
    issuer: deps.issuer,
    limits: withinClient(chosen.limits, granted, client),
    client_limits: client.agent_limits,
    expires_at: chosen.expiresAt,
  }
  const ids = { consent: deps.newId('cns'), delegation: deps.newId('dlg') }
  return deps.store.consents.agree(agreement, ids, deps.now())
}
