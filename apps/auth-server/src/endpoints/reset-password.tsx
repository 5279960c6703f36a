/** A new password for whoever can read the mail of the account. */

import type { Context, Handler } from 'hono'
import type { Deps } from '../deps.js'
import type { Env } from '../middleware/env.js'
import { checkFormToken, issueFormToken } from '../middleware/form-token.js'
import { answerPage } from '../views/answer-page.js'
import { AskResetPage, MessagePage, ResetPage } from '../views/sign-in.js'
import { texts } from '../views/texts.js'
import { addressOf, baseOf, type Refused, refusedBy } from './person-page.js'

/** With a letter the form for the new password, without one the form that asks for a letter. */
const showReset = (
  c: Context<Env>,
  { letter, refused }: { letter: string | undefined; refused?: Refused },
  { issuer }: Deps,
): Response => {
  const token = issueFormToken(c, issuer, undefined)
  const shared = { base: baseOf(issuer), token, problem: refused?.text }
  const page = letter ? <ResetPage {...shared} letter={letter} /> : <AskResetPage {...shared} />
  return answerPage(c, page, { status: refused?.status ?? 200 })
}

export const resetPasswordForm = (deps: Deps): Handler<Env> =>
  function resetPasswordForm(c) {
    return showReset(c, { letter: c.req.query('token') }, deps)
  }

const requestLetter = async (c: Context<Env>, deps: Deps): Promise<Response> => {
  const { accounts, limits } = deps.signIn
  const email = (c.var.form.get('email') ?? '').trim().toLowerCase()
  await limits.count({ kind: 'letter', account: email, address: addressOf(c, deps) })
  await accounts.requestReset(email)
  const { sentTitle, sent } = texts.reset
  return answerPage(c, <MessagePage title={sentTitle} text={sent(email)} />)
}

const setPassword = async (c: Context<Env>, letter: string, deps: Deps): Promise<Response> => {
  await deps.signIn.accounts.reset(letter, c.var.form.get('password') ?? '')
  const links = [[`${baseOf(deps.issuer)}/sign-in`, texts.people.signIn]] as const
  return answerPage(
    c,
    <MessagePage title={texts.reset.title} text={texts.reset.done} links={links} />,
  )
}

export const resetPasswordEndpoint = (deps: Deps): Handler<Env> =>
  async function resetPasswordEndpoint(c) {
    checkFormToken(c, deps.issuer, undefined)
    const letter = c.var.form.get('token')
    try {
      return letter === undefined
        ? await requestLetter(c, deps)
        : await setPassword(c, letter, deps)
    } catch (error) {
      const refused = refusedBy(c, error)
      // A link that is over leads back to asking for another.
      const again = refused.reason === 'link_expired' ? undefined : letter
      return showReset(c, { letter: again, refused }, deps)
    }
  }
