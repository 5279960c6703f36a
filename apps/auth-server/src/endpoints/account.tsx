/** The pages about what may act for somebody, and taking it back. */
import { OAuthError } from '@behalf/protocol'
import type { Context, Handler } from 'hono'
import { actingFor, actingUnder, stopDelegation } from '../authorization/acting-for.js'
import type { Deps } from '../deps.js'
import type { Env } from '../middleware/env.js'
import { checkFormToken, issueFormToken } from '../middleware/form-token.js'
import type { PersonSession } from '../people/person.js'
import {
  AccountConsentPage,
  type AccountNotice,
  AccountPage,
  type AccountPageProps,
} from '../views/account.js'
import { answerPage } from '../views/answer-page.js'
import { texts } from '../views/texts.js'
import { basePath, readPage, seeOther, signInPath } from './page-paths.js'

const findSession = async (c: Context<Env>, deps: Deps): Promise<PersonSession | undefined> => {
  const session = await deps.people.sessionOf(c.req.raw)
  return session?.person.disabled ? undefined : session
}

const toSignIn = (c: Context<Env>, deps: Deps): Response =>
  seeOther(c, signInPath(`${basePath(deps)}/account`, { again: false }, deps))

const noticeOf = (c: Context<Env>): AccountNotice | undefined => {
  const said = c.req.query('notice')
  return said === 'done' || said === 'gone' ? said : undefined
}

const linksOf = ({ memberships }: PersonSession, deps: Deps): AccountPageProps['links'] => {
  const base = basePath(deps)
  const words = texts.account
  const isInMany = memberships.filter(({ disabled }) => !disabled).length > 1
  return [
    ...(isInMany ? [[`${base}/account/organization`, words.organization] as const] : []),
    [`${base}/account/security`, words.security],
    [`${base}/logout`, words.signOut],
  ]
}

const formOf = (c: Context<Env>, session: PersonSession, deps: Deps) => ({
  path: `${basePath(deps)}/account`,
  token: issueFormToken(c, deps.issuer, session.id),
})

export const accountEndpoint = (deps: Deps): Handler<Env> =>
  async function accountEndpoint(c) {
    const session = await findSession(c, deps)
    if (!session) return toSignIn(c, deps)
    const page = readPage(c.req.query('page'))
    const { email } = session.person
    const shown = { page, ...(await actingFor(session, page, deps)), notice: noticeOf(c) }
    const props = { ...formOf(c, session, deps), ...shown, email, links: linksOf(session, deps) }
    return answerPage(c, <AccountPage {...props} />)
  }

/** What no consent can be called is not looked up: a database may not even take it. */
const readConsentId = (text = ''): string => /^cns_[\w-]{1,64}$/.exec(text)?.[0] ?? ''

/** Somebody else's and one that is over look alike: the list says so. */
export const accountConsentEndpoint = (deps: Deps): Handler<Env> =>
  async function accountConsentEndpoint(c) {
    const session = await findSession(c, deps)
    if (!session) return toSignIn(c, deps)
    const page = readPage(c.req.query('page'))
    const consent = await actingUnder(readConsentId(c.req.query('id')), session, page, deps)
    if (!consent) return seeOther(c, `${basePath(deps)}/account?notice=${noticeOf(c) ?? 'gone'}`)
    const shown = { page, consent, notice: noticeOf(c) }
    return answerPage(c, <AccountConsentPage {...formOf(c, session, deps)} {...shown} />)
  }

const revoke = async (c: Context<Env>, { person }: PersonSession, deps: Deps): Promise<boolean> => {
  const consentId = c.var.form.get('consent_id')
  if (consentId !== undefined) return deps.store.consents.revoke(consentId, person.sub, deps.now())
  const delegationId = c.var.form.get('delegation_id')
  if (delegationId !== undefined) return stopDelegation(delegationId, person.sub, deps)
  throw new OAuthError('invalid_request', {
    description: 'What is to be taken back is missing.',
    reason: 'missing_parameter',
  })
}

/** Back to the page that the form was on, of the list or of one consent. */
const backTo = ({ var: { form } }: Context<Env>, notice: AccountNotice, deps: Deps): string => {
  const page = readPage(form.get('page'))
  const id = form.get('of')
  const query = { ...(id !== undefined && { id }), ...(page > 0 && { page: String(page) }), notice }
  const path = `${basePath(deps)}/account${id === undefined ? '' : '/consent'}`
  return `${path}?${new URLSearchParams(query)}`
}

/** Only ever of the person's own: somebody else's and what is gone look alike. */
export const revokeConsentEndpoint = (deps: Deps): Handler<Env> =>
  async function revokeConsentEndpoint(c) {
    const session = await findSession(c, deps)
    if (!session) return toSignIn(c, deps)
    checkFormToken(c, deps.issuer, session.id)
    const notice = (await revoke(c, session, deps)) ? 'done' : 'gone'
    return seeOther(c, backTo(c, notice, deps))
  }
