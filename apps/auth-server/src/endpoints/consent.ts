/** The person's answer: bound to this browser, this session, this client, and given once. */
import { OAuthError } from '@behalf/protocol'
import type { Context, Handler } from 'hono'
import {
  type Answered,
  agree,
  chosenLimits,
  chosenTenant,
  malformedConsent,
} from '../authorization/agreement.js'
import { readLimitFields } from '../authorization/consent-limits.js'
import { isFresh } from '../authorization/interaction.js'
import { issueCode } from '../authorization/issue-code.js'
import { type AuthorizationRequest, formOfParameters } from '../authorization/request.js'
import { codeResponse, errorResponse } from '../authorization/response.js'
import { waitedTooLong } from '../authorization/waiting.js'
import { checkRequest, proveSender } from '../authorize-checks.js'
import type { Deps } from '../deps.js'
import type { Env } from '../middleware/env.js'
import { checkFormToken } from '../middleware/form-token.js'
import { hashSecret } from '../secrets.js'
import { answerClient } from './authorize.js'
import { basePath, seeOther, signInPath } from './page-paths.js'
import { showConsent } from './show-consent.js'

const denied = (): OAuthError =>
  new OAuthError('access_denied', {
    description: 'The person said no.',
    reason: 'consent_denied',
  })

/** What was asked, and who answers. */
interface WaitingAnswer extends Answered {
  request: AuthorizationRequest
  secret: string
}

const decide = async ({ secret, session }: WaitingAnswer, { store, now }: Deps): Promise<void> => {
  const hash = hashSecret(secret)
  if (await store.authorizationRequests.decide(hash, session.id, now())) return
  throw waitedTooLong()
}

const allow = async (c: Context<Env>, answered: WaitingAnswer, deps: Deps): Promise<Response> => {
  const { request, session, secret, form } = answered
  const tenantId = chosenTenant(answered)
  const chosen = chosenLimits(answered, deps.now())
  if (chosen.faults) {
    const again = { fields: readLimitFields(form), faults: chosen.faults, tenantId }
    return showConsent(c, { request, session, secret, again }, deps)
  }
  await decide(answered, deps)
  const consent = await agree(answered, tenantId, chosen, deps)
  const code = await issueCode(request, consent, session, deps)
  return seeOther(c, codeResponse(request, code, deps.issuer))
}

const answer = async (c: Context<Env>, answered: WaitingAnswer, deps: Deps): Promise<Response> => {
  const decision = answered.form.get('decision')
  if (decision === 'allow') return allow(c, answered, deps)
  if (decision !== 'deny') throw malformedConsent('The answer is neither yes nor no.')
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
    if (secret === undefined) throw malformedConsent('The request is missing.')
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
