/** The organization that a person acts in: choosing it, its members, and invitations to it. */

import { OAuthError } from '@behalf/protocol'
import type { Context, Handler } from 'hono'
import { formTargetsOf } from '../authorization/waiting.js'
import type { Deps } from '../deps.js'
import type { Env } from '../middleware/env.js'
import { checkFormToken, issueFormToken } from '../middleware/form-token.js'
import { currentMembership } from '../people/organizations.js'
import type { PersonSession } from '../people/person.js'
import { refusePerson } from '../people/refusal.js'
import { answerPage } from '../views/answer-page.js'
import { InvitationPage, Organization, RefusedInvitationPage } from '../views/organization.js'
import { OrganizationsPage } from '../views/security.js'
import { texts } from '../views/texts.js'
import {
  baseOf,
  type Refused,
  refusedBy,
  returnToOf,
  seeOther,
  sessionOf,
  signInFirst,
  withSession,
} from './person-page.js'

const organizationPath = '/account/organization'

const notices = ['saved', 'invited', 'joined', 'left'] as const
type Notice = (typeof notices)[number]

interface Shown {
  refused?: Refused
  email?: string | undefined
  tenantId?: string | undefined
}

/** After a refusal the one that the form was about, whatever was chosen in another window. */
const membershipShown = (session: PersonSession, tenantId: string | undefined) =>
  session.memberships.find(({ tenant_id, disabled }) => tenant_id === tenantId && !disabled) ??
  currentMembership(session)

const showOrganizations = async (
  c: Context<Env>,
  session: PersonSession,
  { refused, email, tenantId }: Shown,
  deps: Deps,
): Promise<Response> => {
  const { memberships, activeTenantId } = session
  const shared = { base: baseOf(deps.issuer), token: issueFormToken(c, deps.issuer, session.id) }
  const membership = membershipShown(session, tenantId)
  const page = Number(c.req.query('page') ?? 0)
  const view = membership && (await deps.signIn.organizations.view(membership, page))
  const notice = notices.find((one) => one === c.req.query('notice'))
  const returnTo = returnToOf(c.req.query('return_to'), deps)
  return answerPage(
    c,
    <OrganizationsPage
      {...{ ...shared, returnTo, memberships, activeTenantId }}
      problem={refused?.text}
      notice={notice && texts.members[notice]}
    >
      {membership ? <Organization {...{ ...shared, membership, view, email }} /> : null}
    </OrganizationsPage>,
    { status: refused?.status ?? 200, formTargets: await formTargetsOf(returnTo, deps) },
  )
}

export const organizationsPage = (deps: Deps): Handler<Env> =>
  withSession(organizationPath, deps, (c, session) => showOrganizations(c, session, {}, deps))

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

type Change = (c: Context<Env>, session: PersonSession, deps: Deps) => Promise<Notice>

/** Does it and goes on to the page, or says there why not. */
const changing = (change: Change, deps: Deps): Handler<Env> =>
  withSession(organizationPath, deps, async (c, session) => {
    try {
      const notice = await change(c, session, deps)
      return seeOther(c, `${baseOf(deps.issuer)}${organizationPath}?notice=${notice}`)
    } catch (error) {
      const { form } = c.var
      const typed = form.get('id') === undefined ? form.get('email') : undefined
      const shown = { refused: refusedBy(c, error), email: typed, tenantId: form.get('tenant_id') }
      return showOrganizations(c, session, shown, deps)
    }
  })

const changeMember: Change = async ({ var: { form } }, session, { signIn: { organizations } }) => {
  const what = form.get('do')
  const tenantId = form.get('tenant_id')
  const memberId = form.get('member_id')
  if (what === 'leave') {
    if (form.get('sure') !== 'yes') throw refusePerson('not_sure')
    await organizations.leave(session, tenantId)
    return 'left'
  }
  if (what === 'remove') await organizations.remove(session, { tenantId, memberId })
  else await organizations.changeRole(session, { tenantId, memberId, role: what })
  return 'saved'
}

export const changeMembers = (deps: Deps): Handler<Env> => changing(changeMember, deps)

const invite: Change = async ({ var: { form } }, session, { signIn: { organizations } }) => {
  const tenantId = form.get('tenant_id')
  if (form.get('do') === 'cancel') {
    await organizations.cancel(session, { tenantId, id: form.get('id') ?? '' })
    return 'saved'
  }
  const invited = { tenantId, email: form.get('email'), role: form.get('role') }
  await organizations.invite(session, invited)
  return 'invited'
}

export const changeInvitations = (deps: Deps): Handler<Env> => changing(invite, deps)

const invitationPath = (letter: string): string =>
  `/account/invitation?${new URLSearchParams({ token: letter })}`

const showInvitation = async (
  c: Context<Env>,
  { session, letter }: { session: PersonSession; letter: string },
  deps: Deps,
): Promise<Response> => {
  const { person, id } = session
  const shared = { base: baseOf(deps.issuer), token: issueFormToken(c, deps.issuer, id) }
  try {
    const found = await deps.signIn.organizations.findInvitation(letter, person)
    const { organization, role } = found
    const page = { ...shared, letter, organization, role, email: person.email }
    return answerPage(c, <InvitationPage {...page} />)
  } catch (error) {
    const { text: problem, status } = refusedBy(c, error)
    return answerPage(c, <RefusedInvitationPage {...{ ...shared, problem }} />, { status })
  }
}

/** Whoever has no account makes one; only the bearer of the link is told that there is none. */
const enterFirst = async (c: Context<Env>, letter: string, deps: Deps): Promise<Response> => {
  const invited = await deps.signIn.invitedSignUp.find(letter)
  const path = invitationPath(letter)
  if (invited?.hasAccount !== false) return signInFirst(c, path, deps)
  const base = baseOf(deps.issuer)
  return seeOther(c, `${base}/sign-up?${new URLSearchParams({ return_to: `${base}${path}` })}`)
}

export const invitationForm = (deps: Deps): Handler<Env> =>
  async function invitationForm(c) {
    const letter = (c.req.query('token') ?? '').slice(0, 100)
    const session = await sessionOf(c, deps)
    if (!session) return enterFirst(c, letter, deps)
    return showInvitation(c, { session, letter }, deps)
  }

export const invitationEndpoint = (deps: Deps): Handler<Env> =>
  async function invitationEndpoint(c) {
    const letter = c.var.form.get('token') ?? ''
    const session = await sessionOf(c, deps)
    if (!session) return signInFirst(c, invitationPath(letter.slice(0, 100)), deps)
    checkFormToken(c, deps.issuer, session.id)
    try {
      const tenantId = await deps.signIn.organizations.accept(letter, session.person)
      await deps.store.people.chooseTenant(session.id, tenantId)
      return seeOther(c, `${baseOf(deps.issuer)}${organizationPath}?notice=joined`)
    } catch (error) {
      // Of one that they could not take, the page says why.
      refusedBy(c, error)
      return showInvitation(c, { session, letter }, deps)
    }
  }
