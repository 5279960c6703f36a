/** The second step of a sign-in. */

import type { Context, Handler } from 'hono'
import { getCookie } from 'hono/cookie'
import { formTargetsOf } from '../authorization/waiting.js'
import type { Deps } from '../deps.js'
import type { Env } from '../middleware/env.js'
import { checkFormToken, cookieName, issueFormToken } from '../middleware/form-token.js'
import { answerPage } from '../views/answer-page.js'
import { TwoFactorPage } from '../views/sign-in.js'
import {
  addressOf,
  baseOf,
  type Refused,
  refusedBy,
  returnToOf,
  seeOther,
  setCookies,
} from './person-page.js'

const showCode = async (
  c: Context<Env>,
  { returnTo, refused }: { returnTo: string; refused?: Refused },
  deps: Deps,
): Promise<Response> => {
  const token = issueFormToken(c, deps.issuer, undefined)
  const page = { base: baseOf(deps.issuer), token, returnTo, problem: refused?.text }
  const formTargets = await formTargetsOf(returnTo, deps)
  return answerPage(c, <TwoFactorPage {...page} />, { status: refused?.status ?? 200, formTargets })
}

export const twoFactorForm = (deps: Deps): Handler<Env> =>
  function twoFactorForm(c) {
    return showCode(c, { returnTo: returnToOf(c.req.query('return_to'), deps) }, deps)
  }

/** Codes are counted for the sign-in that is under way; better-auth counts for the person as well. */
const attemptOf = (c: Context, { issuer }: Deps): string =>
  getCookie(c, cookieName(issuer, 'two_factor')) ?? ''

export const twoFactorEndpoint = (deps: Deps): Handler<Env> =>
  async function twoFactorEndpoint(c) {
    checkFormToken(c, deps.issuer, undefined)
    const { form } = c.var
    const { accounts, limits } = deps.signIn
    const returnTo = returnToOf(form.get('return_to'), deps)
    try {
      const account = attemptOf(c, deps)
      await limits.count({ kind: 'code', account, address: addressOf(c, deps) })
      const code = (form.get('code') ?? '').replace(/\s/g, '')
      setCookies(c, await accounts.enterCode(c.req.raw.headers, code))
      return seeOther(c, returnTo)
    } catch (error) {
      return showCode(c, { returnTo, refused: refusedBy(c, error) }, deps)
    }
  }
