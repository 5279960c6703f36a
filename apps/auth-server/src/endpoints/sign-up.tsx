/** A new account, and the letter that confirms its address. */

import type { Context, Handler } from 'hono'
import { formTargetsOf } from '../authorization/waiting.js'
import type { Deps } from '../deps.js'
import type { Env } from '../middleware/env.js'
import { checkFormToken, issueFormToken } from '../middleware/form-token.js'
import { answerPage } from '../views/answer-page.js'
import { MessagePage, SignUpPage, VerifyEmailPage } from '../views/sign-in.js'
import { texts } from '../views/texts.js'
import { addressOf, baseOf, type Refused, refusedBy, returnToOf } from './person-page.js'

interface Shown {
  returnTo: string
  email?: string | undefined
  name?: string | undefined
  refused?: Refused
}

const signInLink = (returnTo: string, { issuer }: Deps): readonly [string, string] => [
  `${baseOf(issuer)}/sign-in?${new URLSearchParams({ return_to: returnTo })}`,
  texts.people.signIn,
]

const showSignUp = async (
  c: Context<Env>,
  { refused, ...shown }: Shown,
  deps: Deps,
): Promise<Response> => {
  const token = issueFormToken(c, deps.issuer, undefined)
  const base = baseOf(deps.issuer)
  const page = <SignUpPage base={base} token={token} problem={refused?.text} {...shown} />
  const formTargets = await formTargetsOf(shown.returnTo, deps)
  return answerPage(c, page, { status: refused?.status ?? 200, formTargets })
}

const showClosed = (c: Context<Env>, returnTo: string, deps: Deps): Response => {
  const { title, closed } = texts.signUp
  const links = [signInLink(returnTo, deps)]
  return answerPage(c, <MessagePage title={title} text={closed} links={links} />, { status: 403 })
}

export const signUpForm = (deps: Deps): Handler<Env> =>
  function signUpForm(c) {
    const returnTo = returnToOf(c.req.query('return_to'), deps)
    if (deps.signIn.config.sign_up === 'closed') return showClosed(c, returnTo, deps)
    return showSignUp(c, { returnTo }, deps)
  }

export const signUpEndpoint = (deps: Deps): Handler<Env> =>
  async function signUpEndpoint(c) {
    checkFormToken(c, deps.issuer, undefined)
    const { form } = c.var
    const { accounts, limits, config } = deps.signIn
    const returnTo = returnToOf(form.get('return_to'), deps)
    if (config.sign_up === 'closed') return showClosed(c, returnTo, deps)
    const email = (form.get('email') ?? '').trim().toLowerCase().slice(0, 254)
    const name = (form.get('name') ?? '').trim().slice(0, 200) || email
    try {
      await limits.count({ kind: 'sign-up', account: email, address: addressOf(c, deps) })
      await accounts.signUp({ email, name, password: form.get('password') ?? '', returnTo })
    } catch (error) {
      return showSignUp(c, { returnTo, email, name, refused: refusedBy(c, error) }, deps)
    }
    const { doneTitle, done, doneOpen, title } = texts.signUp
    const page = config.require_verified_email
      ? { title: doneTitle, text: done(email) }
      : { title, text: doneOpen(email) }
    return answerPage(c, <MessagePage {...page} links={[signInLink(returnTo, deps)]} />)
  }

interface Confirmation {
  letter: string
  returnTo: string
  refused?: Refused
}

const showConfirm = async (c: Context<Env>, shown: Confirmation, deps: Deps): Promise<Response> => {
  const token = issueFormToken(c, deps.issuer, undefined)
  const { letter, returnTo, refused } = shown
  const base = baseOf(deps.issuer)
  const page = { base, token, letter, returnTo, problem: refused?.text }
  const formTargets = await formTargetsOf(returnTo, deps)
  const status = refused?.status ?? 200
  return answerPage(c, <VerifyEmailPage {...page} />, { status, formTargets })
}

export const verifyEmailForm = (deps: Deps): Handler<Env> =>
  function verifyEmailForm(c) {
    const returnTo = returnToOf(c.req.query('return_to'), deps)
    return showConfirm(c, { letter: c.req.query('token') ?? '', returnTo }, deps)
  }

export const verifyEmailEndpoint = (deps: Deps): Handler<Env> =>
  async function verifyEmailEndpoint(c) {
    checkFormToken(c, deps.issuer, undefined)
    const { form } = c.var
    const letter = form.get('token') ?? ''
    const returnTo = returnToOf(form.get('return_to'), deps)
    try {
      await deps.signIn.accounts.verifyEmail(letter)
    } catch (error) {
      return showConfirm(c, { letter, returnTo, refused: refusedBy(c, error) }, deps)
    }
    const { title, done } = texts.verifyEmail
    return answerPage(
      c,
      <MessagePage title={title} text={done} links={[signInLink(returnTo, deps)]} />,
    )
  }
