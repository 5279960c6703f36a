/** A new account, and the letter that confirms its address. One that was invited has had its letter. */

import type { Context, Handler } from 'hono'
import { formTargetsOf } from '../authorization/waiting.js'
import type { Deps } from '../deps.js'
import type { Env } from '../middleware/env.js'
import { checkFormToken, issueFormToken } from '../middleware/form-token.js'
import { refusePerson } from '../people/refusal.js'
import type { InvitedAddress } from '../store/invitations.js'
import { answerPage } from '../views/answer-page.js'
import { MessagePage, SignUpPage, VerifyEmailPage } from '../views/sign-in.js'
import { texts } from '../views/texts.js'
import {
  addressOf,
  baseOf,
  invitationOf,
  type Refused,
  refusedBy,
  returnToOf,
  seeOther,
  setCookies,
} from './person-page.js'

interface Shown {
  returnTo: string
  email?: string | undefined
  name?: string | undefined
  invited?: boolean
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
  const { title, closed, closedButInvited } = texts.signUp
  const text = deps.signIn.config.sign_up === 'invited' ? closedButInvited : closed
  const links = [signInLink(returnTo, deps)]
  return answerPage(c, <MessagePage title={title} text={text} links={links} />, { status: 403 })
}

/** They came by the link of an invitation that leads nowhere any more. */
const showOver = (c: Context<Env>, returnTo: string, deps: Deps): Response => {
  const { text, status } = refusedBy(c, refusePerson('invitation_over'))
  const links = [signInLink(returnTo, deps)]
  const page = <MessagePage title={texts.invitation.titleOver} text={text} links={links} />
  return answerPage(c, page, { status })
}

/** For whoever has no invitation that counts: in an open house they need none. */
const showUninvited = (c: Context<Env>, returnTo: string, deps: Deps) => {
  const mode = deps.signIn.config.sign_up
  if (mode === 'open') return undefined
  const isLate = mode === 'invited' && invitationOf(returnTo, deps) !== undefined
  return isLate ? showOver(c, returnTo, deps) : showClosed(c, returnTo, deps)
}

export const signUpForm = (deps: Deps): Handler<Env> =>
  async function signUpForm(c) {
    const returnTo = returnToOf(c.req.query('return_to'), deps)
    const invited = await deps.signIn.invitedSignUp.find(invitationOf(returnTo, deps))
    if (invited?.hasAccount) return seeOther(c, signInLink(returnTo, deps)[0])
    if (invited) return showSignUp(c, { returnTo, email: invited.email, invited: true }, deps)
    return showUninvited(c, returnTo, deps) ?? showSignUp(c, { returnTo }, deps)
  }

const readName = ({ var: { form } }: Context<Env>, email: string): string =>
  (form.get('name') ?? '').trim().slice(0, 200) || email

/** Of the form only the name and the password count: the address is the one that the letter went to. */
const signUpInvited = async (
  c: Context<Env>,
  { email, returnTo }: InvitedAddress & { returnTo: string },
  deps: Deps,
): Promise<Response> => {
  const { accounts, invitedSignUp, limits } = deps.signIn
  const name = readName(c, email)
  const password = c.var.form.get('password') ?? ''
  try {
    await limits.count({ kind: 'sign-up', account: email, address: addressOf(c, deps) })
    await invitedSignUp.signUp(invitationOf(returnTo, deps) ?? '', { name, password })
    const { cookies } = await accounts.signIn(c.req.raw.headers, { email, password, returnTo })
    setCookies(c, await deps.people.signOut(c.req.raw))
    setCookies(c, cookies)
    return seeOther(c, returnTo)
  } catch (error) {
    const refused = refusedBy(c, error)
    return showSignUp(c, { returnTo, email, name, invited: true, refused }, deps)
  }
}

export const signUpEndpoint = (deps: Deps): Handler<Env> =>
  async function signUpEndpoint(c) {
    checkFormToken(c, deps.issuer, undefined)
    const { form } = c.var
    const { accounts, limits, config, invitedSignUp } = deps.signIn
    const returnTo = returnToOf(form.get('return_to'), deps)
    const invited = await invitedSignUp.find(invitationOf(returnTo, deps))
    if (invited) return signUpInvited(c, { ...invited, returnTo }, deps)
    const uninvited = showUninvited(c, returnTo, deps)
    if (uninvited) return uninvited
    const email = (form.get('email') ?? '').trim().toLowerCase().slice(0, 254)
    const name = readName(c, email)
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
