/** Authorization endpoint: checks, sign-in, consent, code. RFC 6749 §3.1, OAuth 2.1 §4.1. */
import { isOAuthError } from '@behalf/protocol'
import type { Context, Handler } from 'hono'
import {
  authenticateAfter,
  consentRequired,
  coversRequest,
  eligibleTenants,
  hasGrown,
  impliedTenant,
  isFresh,
  loginRequired,
  notAMember,
} from '../authorization/interaction.js'
import { issueCode } from '../authorization/issue-code.js'
import { isRepeatable } from '../authorization/repeatable.js'
import {
  type AuthorizationRequest,
  formOfParameters,
  type Parameters,
  parametersOf,
  type Sender,
} from '../authorization/request.js'
import { codeResponse, errorResponse } from '../authorization/response.js'
import { keepWaiting, resolvePushed, waitedTooLong } from '../authorization/waiting.js'
import { checkRequest, proveSender } from '../authorize-checks.js'
import type { Deps } from '../deps.js'
import { type Form, parseForm } from '../form.js'
import type { Env } from '../middleware/env.js'
import type { PersonSession } from '../people/person.js'
import { hashSecret } from '../secrets.js'
import { basePath, seeOther, signInPath } from './page-paths.js'
import { showConsent } from './show-consent.js'

/** A request on its way to a code. */
interface Passage {
  request: AuthorizationRequest
  parameters: Parameters
  /** The person has to have proved who they are after this. */
  after: Date | undefined
  /** Its secret, once it has been remembered. */
  secret: string | undefined
}

const toSignIn = async (
  c: Context<Env>,
  passage: Passage,
  session: PersonSession | undefined,
  deps: Deps,
): Promise<Response> => {
  const { request, parameters, after } = passage
  if (request.prompt.has('none')) throw loginRequired()
  const wait = { authenticateAfter: after, sessionId: undefined }
  const secret =
    passage.secret ?? (await keepWaiting(parameters, request.client.client_id, wait, deps))
  const returnTo = `${basePath(deps)}/authorize?continue=${secret}`
  // Who is signed in already has to do it again, or as somebody else.
  const hints = { again: session !== undefined, loginHint: request.loginHint }
  return seeOther(c, signInPath(returnTo, hints, deps))
}

/** Only the session that is asked may go on, and of two windows of it only one. */
const answerOnce = async (
  { secret }: Passage,
  session: PersonSession,
  { store, now }: Deps,
): Promise<void> => {
  if (secret === undefined) return
  const hash = hashSecret(secret)
  const isMine = await store.authorizationRequests.show(hash, session.id, now())
  if (isMine && (await store.authorizationRequests.decide(hash, session.id, now()))) return
  throw waitedTooLong()
}

const toConsent = async (
  c: Context<Env>,
  passage: Passage,
  session: PersonSession,
  deps: Deps,
): Promise<Response> => {
  const { request, parameters, after } = passage
  if (request.prompt.has('none')) throw consentRequired()
  const wait = { authenticateAfter: after, sessionId: session.id }
  const secret =
    passage.secret ?? (await keepWaiting(parameters, request.client.client_id, wait, deps))
  const { store, now } = deps
  const isMine = await store.authorizationRequests.show(hashSecret(secret), session.id, now())
  if (!isMine) throw waitedTooLong()
  return showConsent(c, { request, session, secret }, deps)
}

const proceed = async (c: Context<Env>, passage: Passage, deps: Deps): Promise<Response> => {
  const { request, after } = passage
  const session = await deps.people.sessionOf(c.req.raw)
  if (!session || session.person.disabled || !isFresh(session, after)) {
    return toSignIn(c, passage, session, deps)
  }
  const eligible = eligibleTenants(request, session)
  if (eligible.length === 0) throw notAMember()
  const implied = impliedTenant(eligible, session)
  const { client, prompt, granted } = request
  const live =
    implied &&
    (await deps.store.consents.findLive(
      session.person.sub,
      client.client_id,
      implied.tenantId,
      deps.now(),
    ))
  const isAgreed = live && coversRequest(live, granted) && !hasGrown(client, live)
  if (!isAgreed || prompt.has('consent') || !isRepeatable(request)) {
    return toConsent(c, passage, session, deps)
  }
  await answerOnce(passage, session, deps)
  const code = await issueCode(request, live, session, deps)
  return seeOther(c, codeResponse(request, code, deps.issuer))
}

/** What a client got wrong goes back to it; what went wrong on our own page is told there. */
const ofOurPage: readonly (string | undefined)[] = ['request_over', 'malformed_consent']

/** From here on the client is told what is wrong, at its redirect URI. */
export const answerClient = async (
  c: Context<Env>,
  sender: Sender,
  deps: Deps,
  answer: () => Promise<Response>,
): Promise<Response> => {
  try {
    return await answer()
  } catch (error) {
    if (!isOAuthError(error) || ofOurPage.includes(error.reason)) throw error
    deps.log.info({ path: c.req.path, code: error.code, reason: error.reason }, 'refused')
    return seeOther(c, errorResponse(sender, error, deps.issuer))
  }
}

const start = async (c: Context<Env>, form: Form, deps: Deps): Promise<Response> => {
  const parameters = parametersOf(await resolvePushed(form, deps))
  const known = formOfParameters(parameters)
  const sender = await proveSender(known, deps)
  return answerClient(c, sender, deps, async () => {
    const request = await checkRequest(known, sender, deps)
    const after = authenticateAfter(request, deps.now())
    return proceed(c, { request, parameters, after, secret: undefined }, deps)
  })
}

/** Back from sign-in. All checks again: much may have happened meanwhile. */
const resume = async (c: Context<Env>, secret: string, deps: Deps): Promise<Response> => {
  const waiting = await deps.store.authorizationRequests.find(hashSecret(secret), deps.now())
  if (!waiting) throw waitedTooLong()
  const { parameters, authenticate_after: after } = waiting
  const form = formOfParameters(parameters)
  const sender = await proveSender(form, deps)
  return answerClient(c, sender, deps, async () => {
    const request = await checkRequest(form, sender, deps)
    return proceed(c, { request, parameters, after, secret }, deps)
  })
}

/** GET with a query, POST with a form: the same (OpenID Connect Core §3.1.2.1). */
export const authorizeEndpoint = (deps: Deps): Handler<Env> =>
  async function authorizeEndpoint(c) {
    const isPost = c.req.method === 'POST'
    const form = isPost ? c.var.form : parseForm(new URL(c.req.url).search.slice(1))
    const secret = form.get('continue')
    return secret === undefined ? start(c, form, deps) : resume(c, secret, deps)
  }
