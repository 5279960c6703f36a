/** The page about what may act for somebody, and taking it back. */
import { OAuthError } from '@behalf/protocol'
import type { Context, Handler } from 'hono'
import { actingFor, stopDelegation } from '../authorization/acting-for.js'
import type { Deps } from '../deps.js'
import type { Env } from '../middleware/env.js'
import { checkFormToken, issueFormToken } from '../middleware/form-token.js'
import type { PersonSession } from '../people/person.js'
import { AccountPage, type AccountPageProps } from '../views/account.js'
import { answerPage } from '../views/answer-page.js'
import { texts } from '../views/texts.js'
import { basePath, seeOther, signInPath } from './page-paths.js'

const findSession = async (c: Context<Env>, deps: Deps): Promise<PersonSession | undefined> => {
  const session = await deps.people.sessionOf(c.req.raw)
  return session?.person.disabled ? undefined : session
}

const toSignIn = (c: Context<Env>, deps: Deps): Response =>
  seeOther(c, signInPath(`${basePath(deps)}/account`, { again: false }, deps))

const noticeOf = (c: Context<Env>): AccountPageProps['notice'] => {
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

export const accountEndpoint = (deps: Deps): Handler<Env> =>
  async function accountEndpoint(c) {
    const session = await findSession(c, deps)
    if (!session) return toSignIn(c, deps)
    const page = (
      <AccountPage
        action={`${basePath(deps)}/account/revoke`}
        token={issueFormToken(c, deps.issuer, session.id)}
        email={session.person.email}
        links={linksOf(session, deps)}
        consents={await actingFor(session, deps)}
        notice={noticeOf(c)}
      />
    )
    return answerPage(c, page)
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

/** Only ever of the person's own: somebody else's and what is gone look alike. */
export const revokeConsentEndpoint = (deps: Deps): Handler<Env> =>
  async function revokeConsentEndpoint(c) {
    const session = await findSession(c, deps)
    if (!session) return toSignIn(c, deps)
    checkFormToken(c, deps.issuer, session.id)
    const notice = (await revoke(c, session, deps)) ? 'done' : 'gone'
    return seeOther(c, `${basePath(deps)}/account?notice=${notice}`)
  }
