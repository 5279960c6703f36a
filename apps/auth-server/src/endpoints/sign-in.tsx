/** Sign-in, with a password or with an account elsewhere, and sign-out. */
import { isIP } from 'node:net'
import { OAuthError } from '@behalf/protocol'
import type { Context, Handler } from 'hono'
import { formTargetsOf } from '../authorization/waiting.js'
import type { Deps } from '../deps.js'
import type { Env } from '../middleware/env.js'
import { checkFormToken, issueFormToken } from '../middleware/form-token.js'
import type { Try } from '../people/limits.js'
import type { PeopleConfig } from '../people/people-config.js'
import { answerPage } from '../views/answer-page.js'
import { passkeySignInScript } from '../views/passkey-script.js'
import { SignInPage } from '../views/sign-in.js'
import { texts } from '../views/texts.js'
import {
  addressOf,
  baseOf,
  invitationOf,
  type Refused,
  refusedBy,
  returnToOf,
  seeOther,
  sessionOf,
  setCookies,
} from './person-page.js'

const upperFirst = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

const providersOf = ({ social, oidc, sso }: PeopleConfig): (readonly [string, string])[] => [
  ...Object.keys(social).map((id) => [id, upperFirst(id)] as const),
  ...oidc.map(({ provider_id: id, name }) => [id, name ?? upperFirst(id)] as const),
  ...sso.map(({ provider_id: id, domain }) => [id, domain] as const),
]

interface Shown {
  returnTo: string
  email?: string | undefined
  refused?: Refused
}

/** No browser makes a passkey for an IP address. WebAuthn §5.1.3. */
export const canUsePasskeys = ({ issuer }: Deps): boolean =>
  isIP(new URL(issuer).hostname.replace(/^\[|\]$/g, '')) === 0

const canSignUp = async (returnTo: string, deps: Deps): Promise<boolean> => {
  const { config, invitedSignUp } = deps.signIn
  if (config.sign_up === 'open') return true
  return (await invitedSignUp.find(invitationOf(returnTo, deps)))?.hasAccount === false
}

const showSignIn = async (c: Context<Env>, shown: Shown, deps: Deps): Promise<Response> => {
  const passkeys = canUsePasskeys(deps)
  const { config } = deps.signIn
  const page = (
    <SignInPage
      base={baseOf(deps.issuer)}
      token={issueFormToken(c, deps.issuer, undefined)}
      returnTo={shown.returnTo}
      email={shown.email}
      problem={shown.refused?.text}
      providers={providersOf(config)}
      canSignUp={await canSignUp(shown.returnTo, deps)}
      passkeys={passkeys}
    />
  )
  const status = shown.refused?.status ?? 200
  const formTargets = await formTargetsOf(shown.returnTo, deps)
  const script = passkeys ? passkeySignInScript : undefined
  return answerPage(c, page, { status, formTargets, script })
}

/** What comes back from elsewhere with an error. Theirs are not shown: anybody can write them. */
const failedElsewhere = (code: string | undefined): { refused: Refused } | undefined =>
  code === undefined ? undefined : { refused: { text: texts.signIn.elsewhereFailed, status: 400 } }

export const signInForm = (deps: Deps): Handler<Env> =>
  function signInForm(c) {
    const returnTo = returnToOf(c.req.query('return_to'), deps)
    const email = c.req.query('login_hint')?.slice(0, 254)
    return showSignIn(c, { returnTo, email, ...failedElsewhere(c.req.query('error')) }, deps)
  }

const twoFactorPath = (base: string, returnTo: string): string =>
  `${base}/two-factor?${new URLSearchParams({ return_to: returnTo })}`

export const signInEndpoint = (deps: Deps): Handler<Env> =>
  async function signInEndpoint(c) {
    checkFormToken(c, deps.issuer, undefined)
    const { form } = c.var
    const { accounts, limits } = deps.signIn
    const returnTo = returnToOf(form.get('return_to'), deps)
    const email = (form.get('email') ?? '').trim().toLowerCase()
    const one: Try = { kind: 'sign-in', account: email, address: addressOf(c, deps) }
    try {
      await limits.count(one)
      const body = { email, password: form.get('password') ?? '', returnTo }
      const { cookies, needsCode } = await accounts.signIn(c.req.raw.headers, body)
      await limits.clear(one)
      // Whoever sat here before has left, also where a code is still to come.
      setCookies(c, await deps.people.signOut(c.req.raw))
      setCookies(c, cookies)
      return seeOther(c, needsCode ? twoFactorPath(baseOf(deps.issuer), returnTo) : returnTo)
    } catch (error) {
      return showSignIn(c, { returnTo, email, refused: refusedBy(c, error) }, deps)
    }
  }

/** Off to another site, which sends the browser back to `/auth/callback/…`. */
export const signInElsewhere = (deps: Deps): Handler<Env> =>
  async function signInElsewhere(c) {
    const provider = c.req.param('provider') ?? ''
    const { config, accounts, limits } = deps.signIn
    if (!providersOf(config).some(([id]) => id === provider)) {
      throw new OAuthError('not_found', { description: texts.refusals.provider_unknown })
    }
    await limits.count({ kind: 'sign-in', account: undefined, address: addressOf(c, deps) })
    const { origin } = new URL(deps.issuer)
    const callback = origin + returnToOf(c.req.query('return_to'), deps)
    const isUpstream = config.sso.some(({ provider_id }) => provider_id === provider)
    const start = isUpstream ? accounts.signInUpstream : accounts.signInElsewhere
    const { cookies, url } = await start(c.req.raw.headers, provider, callback)
    setCookies(c, cookies)
    return seeOther(c, url)
  }

export const signOutEndpoint = (deps: Deps): Handler<Env> =>
  async function signOutEndpoint(c) {
    const session = await sessionOf(c, deps)
    if (session) checkFormToken(c, deps.issuer, session.id)
    setCookies(c, await deps.people.signOut(c.req.raw))
    return seeOther(c, `${baseOf(deps.issuer)}/sign-in`)
  }
