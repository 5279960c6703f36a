/** A person's own settings: their name, password, codes and passkeys. */

import type { Context, Handler } from 'hono'
import type { Deps } from '../deps.js'
import type { Env } from '../middleware/env.js'
import { issueFormToken } from '../middleware/form-token.js'
import type { Try } from '../people/limits.js'
import type { PersonSession } from '../people/person.js'
import { refusePerson } from '../people/refusal.js'
import { answerPage } from '../views/answer-page.js'
import { passkeyAddScript } from '../views/passkey-script.js'
import { ConfirmCodesPage, SecurityPage, SetUpCodesPage } from '../views/security.js'
import { texts } from '../views/texts.js'
import {
  addressOf,
  baseOf,
  type Refused,
  refusedBy,
  seeOther,
  setCookies,
  withSession,
} from './person-page.js'
import { canUsePasskeys } from './sign-in.js'

const securityPath = '/account/security'

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
      name={person.name}
      problem={refused?.text}
      notice={c.req.query('notice') === 'saved' ? texts.security.saved : undefined}
    />
  )
  const script = canAddPasskey ? passkeyAddScript : undefined
  return answerPage(c, page, { status: refused?.status ?? 200, script })
}

export const securityPage = (deps: Deps): Handler<Env> =>
  withSession(securityPath, deps, (c, session) => showSecurity(c, session, deps))

const saved = (c: Context<Env>, deps: Deps): Response =>
  seeOther(c, `${baseOf(deps.issuer)}${securityPath}?notice=saved`)

const maxNameLength = 200

export const changeName = (deps: Deps): Handler<Env> =>
  withSession(securityPath, deps, async (c, session) => {
    const name = (c.var.form.get('name') ?? '').trim().slice(0, maxNameLength)
    if (name === '') {
      return showSecurity(c, session, deps, refusedBy(c, refusePerson('name_missing')))
    }
    await deps.store.people.rename(session.person.sub, name, deps.now())
    return saved(c, deps)
  })

/** Theirs is another session now; what they have chosen in the old one goes along. */
const keepTenant = async (
  { activeTenantId }: PersonSession,
  token: string | undefined,
  { store, now }: Deps,
): Promise<void> => {
  if (activeTenantId === undefined || token === undefined) return
  const session = await store.people.findSession(token, now())
  if (session) await store.people.chooseTenant(session.id, activeTenantId)
}

export const changePassword = (deps: Deps): Handler<Env> =>
  withSession(securityPath, deps, async (c, session) => {
    const { accounts, limits } = deps.signIn
    const { form } = c.var
    const account = session.person.sub
    const one: Try = { kind: 'password', account, address: addressOf(c, deps) }
    try {
      await limits.count(one)
      const words = { current: form.get('current') ?? '', next: form.get('next') ?? '' }
      const { cookies, token } = await accounts.changePassword(c.req.raw.headers, words)
      await limits.clear(one)
      setCookies(c, cookies)
      await keepTenant(session, token, deps)
      return saved(c, deps)
    } catch (error) {
      return showSecurity(c, session, deps, refusedBy(c, error))
    }
  })

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
