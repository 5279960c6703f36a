/** Where people sign out, sent by an application or on their own. RP-Initiated Logout 1.0. */
import { OAuthError } from '@behalf/protocol'
import type { Context, Handler } from 'hono'
import { redirectOrigin } from '../authorization/redirect-uri.js'
import type { Deps } from '../deps.js'
import { parseForm } from '../form.js'
import { type LogoutRequest, logoutParameters, readLogoutRequest } from '../logout-request.js'
import type { Env } from '../middleware/env.js'
import { checkFormToken, issueFormToken, requireOwnOrigin } from '../middleware/form-token.js'
import type { PersonSession } from '../people/person.js'
import { answerPage } from '../views/answer-page.js'
import { LogoutPage, SignedOutPage } from '../views/logout.js'
import { formTokenField } from '../views/page.js'
import { seeOther } from './page-paths.js'

type PageContext = Context<Env>

/** There is nobody, or nobody any more, to sign out. */
const finish = (c: PageContext, { target }: LogoutRequest, { issuer }: Deps): Response =>
  target === undefined
    ? answerPage(c, <SignedOutPage signIn={`${issuer}/sign-in`} />)
    : seeOther(c, target)

const end = async (c: PageContext, deps: Deps): Promise<void> => {
  const cookies = await deps.people.signOut(c.req.raw)
  for (const cookie of cookies) c.header('Set-Cookie', cookie, { append: true })
}

const ask = (
  c: PageContext,
  request: LogoutRequest,
  session: PersonSession,
  { issuer }: Deps,
): Response => {
  const page = (
    <LogoutPage
      token={issueFormToken(c, issuer, session.id)}
      action={`${issuer}/logout`}
      account={`${issuer}/account`}
      email={session.person.email}
      client={request.client && (request.client.client_name ?? request.client.client_id)}
      parameters={logoutParameters(c.var.form)}
    />
  )
  // The form ends in a redirect, which browsers hold against the policy as well.
  const formTargets = request.target === undefined ? [] : [redirectOrigin(request.target)]
  return answerPage(c, page, { formTargets })
}

/** §2: without a hint that fits, any page could sign a person out. So they are asked. */
const isTheirs = ({ hint }: LogoutRequest, session: PersonSession): boolean =>
  hint?.sub === session.person.sub

/** `GET /logout` */
export const logoutEndpoint = (deps: Deps): Handler<Env> =>
  async function logoutEndpoint(c) {
    c.set('form', parseForm(new URL(c.req.url).search))
    const request = await readLogoutRequest(c.var.form, deps)
    const session = await deps.people.sessionOf(c.req.raw)
    if (!session) return finish(c, request, deps)
    if (!isTheirs(request, session)) return ask(c, request, session, deps)
    await end(c, deps)
    return finish(c, request, deps)
  }

/** A request line with more than this does not arrive everywhere. */
const maxQueryLength = 8192

/**
 * An application may post its request (§2). A browser sends the cookie of a session to where another
 * site posts only when it is sent on by GET, and the answer depends on the session.
 */
const sendOn = (c: PageContext, { issuer }: Deps): Response => {
  const query = new URLSearchParams(logoutParameters(c.var.form)).toString()
  if (query.length > maxQueryLength) {
    throw new OAuthError('invalid_request', {
      status: 413,
      description: 'The request is too long.',
      reason: 'body_too_large',
    })
  }
  return seeOther(c, `${issuer}/logout${query === '' ? '' : `?${query}`}`)
}

/** `POST /logout`: the answer to the question, or the request of an application. */
export const postLogoutEndpoint = (deps: Deps): Handler<Env> => {
  const ownOrigin = requireOwnOrigin(deps.issuer)
  return async function postLogoutEndpoint(c) {
    if (!c.var.form.has(formTokenField)) return sendOn(c, deps)
    await ownOrigin(c, async () => {})
    const request = await readLogoutRequest(c.var.form, deps)
    const session = await deps.people.sessionOf(c.req.raw)
    if (session) {
      checkFormToken(c, deps.issuer, session.id)
      await end(c, deps)
    }
    return seeOther(c, request.target ?? `${deps.issuer}/logout`)
  }
}
