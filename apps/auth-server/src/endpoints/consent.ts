/** The person's answer: bound to this browser, this session, this client, and given once. */
import { OAuthError } from '@behalf/protocol'
import type { Context, Handler } from 'hono'
import {
  type ChosenLimits,
  chooseLimits,
  readLimitFields,
  withinClient,
} from '../authorization/consent-limits.js'
import { eligibleTenants, isFresh } from '../authorization/interaction.js'
import { issueCode } from '../authorization/issue-code.js'
import { actOf } from '../authorization/person-issuance.js'
import { type AuthorizationRequest, formOfParameters } from '../authorization/request.js'
import { codeResponse, errorResponse } from '../authorization/response.js'
import { waitedTooLong } from '../authorization/waiting.js'
import { checkRequest, proveSender } from '../authorize-checks.js'
import type { Deps } from '../deps.js'
import type { Form } from '../form.js'
import type { Env } from '../middleware/env.js'
import { checkFormToken } from '../middleware/form-token.js'
import type { PersonSession } from '../people/person.js'
import { hashSecret } from '../secrets.js'
import type { Consent } from '../store/consents.js'
import { answerClient } from './authorize.js'
import { basePath, seeOther, signInPath } from './page-paths.js'
import { showConsent } from './show-consent.js'

const denied = (): OAuthError =>
  new OAuthError('access_denied', {
    description: 'The person said no.',
    reason: 'consent_denied',
  })

const malformed = (description: string): OAuthError =>
  new OAuthError('invalid_request', { description, reason: 'malformed_consent' })

/** What was asked, and who answers. */
interface Answered {
  request: AuthorizationRequest
  session: PersonSession
  secret: string
  form: Form
}

/** The organization that was chosen: one that the page offered, since others are no member's. */
const tenantOf = ({ request, session, form }: Answered): string | undefined => {
  const eligible = eligibleTenants(request, session)
  const chosen = form.get('tenant_id')
  if (chosen === undefined && eligible.length === 1) return eligible[0]
  if (chosen !== undefined && eligible.includes(chosen)) return chosen
  throw malformed('The organization is not one that this can be done in.')
}

/** An application acts as the person, until they take it back. An agent has limits. */
const limitsOf = ({ request, form }: Answered, now: Date): ChosenLimits =>
  request.client.kind === 'agent'
    ? chooseLimits(readLimitFields(form), now)
    : { limits: {}, expiresAt: undefined, faults: undefined }

const decide = async ({ secret, session }: Answered, { store, now }: Deps): Promise<void> => {
  const hash = hashSecret(secret)
  if (await store.authorizationRequests.decide(hash, session.id, now())) return
  throw waitedTooLong()
}

const agree = async (
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
    expires_at: chosen.expiresAt,
  }
  const ids = { consent: deps.newId('cns'), delegation: deps.newId('dlg') }
  return deps.store.consents.agree(agreement, ids, deps.now())
}

const allow = async (c: Context<Env>, answered: Answered, deps: Deps): Promise<Response> => {
  const { request, session, secret, form } = answered
  const tenantId = tenantOf(answered)
  const chosen = limitsOf(answered, deps.now())
  if (chosen.faults) {
    const again = { fields: readLimitFields(form), faults: chosen.faults, tenantId }
    return showConsent(c, { request, session, secret, again }, deps)
  }
  await decide(answered, deps)
  const consent = await agree(answered, tenantId, chosen, deps)
  const code = await issueCode(request, consent, session, deps)
  return seeOther(c, codeResponse(request, code, deps.issuer))
}

const answer = async (c: Context<Env>, answered: Answered, deps: Deps): Promise<Response> => {
  const decision = answered.form.get('decision')
  if (decision === 'allow') return allow(c, answered, deps)
  if (decision !== 'deny') throw malformed('The answer is neither yes nor no.')
  await decide(answered, deps)
  return seeOther(c, errorResponse(answered.request, denied(), deps.issuer))
}

const toSignIn = (c: Context<Env>, secret: string, again: boolean, deps: Deps): Response => {
  const returnTo = `${basePath(deps)}/authorize?continue=${encodeURIComponent(secret)}`
  return seeOther(c, signInPath(returnTo, { again }, deps))
}

export const consentEndpoint = (deps: Deps): Handler<Env> =>
  async function consentEndpoint(c) {
    const { form } = c.var
    const secret = form.get('request')
    if (secret === undefined) throw malformed('The request is missing.')
    const session = await deps.people.sessionOf(c.req.raw)
    if (!session || session.person.disabled) return toSignIn(c, secret, false, deps)
    checkFormToken(c, deps.issuer, session.id)
    const { store, now } = deps
    const waiting = await store.authorizationRequests.show(hashSecret(secret), session.id, now())
    if (!waiting) throw waitedTooLong()
    if (!isFresh(session, waiting.authenticate_after)) return toSignIn(c, secret, true, deps)
    const asked = formOfParameters(waiting.parameters)
    const sender = await proveSender(asked, deps)
    return answerClient(c, sender, deps, async () => {
      const request = await checkRequest(asked, sender, deps)
      return answer(c, { request, session, secret, form }, deps)
    })
  }
