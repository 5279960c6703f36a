/** A person's own settings: codes, passkeys, and the organization that they act in. */
import { OAuthError } from '@behalf/protocol'
import type { Context, Handler } from 'hono'
import { formTargetsOf } from '../authorization/waiting.js'
import type { Deps } from '../deps.js'
import type { Env } from '../middleware/env.js'
import { checkFormToken, issueFormToken } from '../middleware/form-token.js'
import type { PersonSession } from '../people/person.js'
import { answerPage } from '../views/answer-page.js'
import { passkeyAddScript } from '../views/passkey-script.js'
import {
  ConfirmCodesPage,
  OrganizationsPage,
  SecurityPage,
  SetUpCodesPage,
} from '../views/security.js'
import { texts } from '../views/texts.js'
import {
  addressOf,
  baseOf,
  type Refused,
  refusedBy,
  returnToOf,
  seeOther,
  sessionOf,
  setCookies,
  signInFirst,
} from './person-page.js'
import { canUsePasskeys } from './sign-in.js'

type SessionHandler = (c: Context<Env>, session: PersonSession) => Response | Promise<Response>

const securityPath = '/account/security'

/** For those who have a session; the others are sent to sign in and back to `path`. */
const withSession = (path: string, deps: Deps, handler: SessionHandler): Handler<Env> =>
  async function withSession(c) {
    const session = await sessionOf(c, deps)
    if (!session) return signInFirst(c, path, deps)
    if (c.req.method === 'POST') checkFormToken(c, deps.issuer, session.id)
    return handler(c, session)
  }

const showSecurity = async (
  c: Context<Env>,
  session: PersonSession,
  deps: Deps,
  refused?: Refused,
): Promise<Response> => {
  const canAddPasskey = canUsePasskeys(deps)
  const { person, id } = session
  const passkeys = canAddPasskey ? await deps.signIn.accounts.passkeys(c.req.raw.headers) : []
  const record = await deps.store.people.find(person.sub)
  const page = (
    <SecurityPage
      base={baseOf(deps.issuer)}
      token={issueFormToken(c, deps.issuer, id)}
      email={person.email}
      hasCodes={record?.twoFactorEnabled ?? false}
      passkeys={passkeys.map((one) => ({
        id: one.id,
        name: one.name || texts.security.passkeyOf(one.createdAt),
      }))}
      canAddPasskey={canAddPasskey}
      problem={refused?.text}
    />
  )
  const script = canAddPasskey ? passkeyAddScript : undefined
  return answerPage(c, page, { status: refused?.status ?? 200, script })
}

export const securityPage = (deps: Deps): Handler<Env> =>
  withSession(securityPath, deps, (c, session) => showSecurity(c, session, deps))

const startCodes = async (c: Context<Env>, session: PersonSession, deps: Deps) => {
  const password = c.var.form.get('password') ?? ''
  const { accounts } = deps.signIn
  const { cookies, uri, backupCodes } = await accounts.startTwoFactor(c.req.raw.headers, password)
  setCookies(c, cookies)
  const token = issueFormToken(c, deps.issuer, session.id)
  const base = baseOf(deps.issuer)
  const page = { base, token, uri, backupCodes }
  return answerPage(c, <SetUpCodesPage {...page} />)
}

const confirmCodes = async (c: Context<Env>, session: PersonSession, deps: Deps) => {
  const base = baseOf(deps.issuer)
  try {
    const code = (c.var.form.get('code') ?? '').replace(/\s/g, '')
    setCookies(c, await deps.signIn.accounts.enterCode(c.req.raw.headers, code))
    return seeOther(c, `${base}${securityPath}`)
  } catch (error) {
    const { text: problem, status } = refusedBy(c, error)
    const token = issueFormToken(c, deps.issuer, session.id)
    return answerPage(c, <ConfirmCodesPage {...{ base, token, problem }} />, { status })
  }
}

const stopCodes = async (c: Context<Env>, deps: Deps) => {
  const password = c.var.form.get('password') ?? ''
  setCookies(c, await deps.signIn.accounts.stopTwoFactor(c.req.raw.headers, password))
  return seeOther(c, `${baseOf(deps.issuer)}${securityPath}`)
}

/** Asks for the password again: a browser left open must not be enough. */
export const twoFactorSettings = (deps: Deps): Handler<Env> =>
  withSession(securityPath, deps, async (c, session) => {
    try {
      const account = session.person.sub
      await deps.signIn.limits.count({ kind: 'code', account, address: addressOf(c, deps) })
      const what = c.var.form.get('do')
      if (what === 'confirm') return await confirmCodes(c, session, deps)
      if (what === 'stop') return await stopCodes(c, deps)
      return await startCodes(c, session, deps)
    } catch (error) {
      return showSecurity(c, session, deps, refusedBy(c, error))
    }
  })

export const removePasskey = (deps: Deps): Handler<Env> =>
  withSession(securityPath, deps, async (c) => {
    await deps.signIn.accounts.removePasskey(c.req.raw.headers, c.var.form.get('id') ?? '')
    return seeOther(c, `${baseOf(deps.issuer)}${securityPath}`)
  })

const organizationPath = '/account/organization'

export const organizationsPage = (deps: Deps): Handler<Env> =>
  withSession(organizationPath, deps, async (c, session) => {
    const { memberships, activeTenantId } = session
    const returnTo = returnToOf(c.req.query('return_to'), deps)
    const token = issueFormToken(c, deps.issuer, session.id)
    const base = baseOf(deps.issuer)
    const page = { base, token, returnTo, memberships, activeTenantId }
    const formTargets = await formTargetsOf(returnTo, deps)
    return answerPage(c, <OrganizationsPage {...page} />, { formTargets })
  })

/** The switcher. */
export const chooseOrganization = (deps: Deps): Handler<Env> =>
  withSession(organizationPath, deps, async (c, session) => {
    const { form } = c.var
    const wanted = form.get('tenant_id')
    const isOpen = session.memberships.some(
      ({ tenant_id, disabled }) => tenant_id === wanted && !disabled,
    )
    if (!isOpen || wanted === undefined) {
      const description = texts.organizations.none
      throw new OAuthError('access_denied', { description, reason: 'not_a_member' })
    }
    await deps.store.people.chooseTenant(session.id, wanted)
    return seeOther(c, returnToOf(form.get('return_to'), deps))
  })
