/** What people do about the members of their organizations, one function each. */
import { z } from 'zod'
import { hashSecret, newSecret } from '../secrets.js'
import type { FoundInvitation, OpenInvitation } from '../store/invitations.js'
import { type Member, type MemberChange, membersPerPage } from '../store/members.js'
import type { Store } from '../store/store.js'
import type { PersonPrefix } from './auth.js'
import type { Letters } from './letters.js'
import type { Limits } from './limits.js'
import { invitableRoles, mayManage, orgRoles } from './organization-rights.js'
import type { Membership, Person, PersonSession } from './person.js'
import { refusePerson } from './refusal.js'

export interface OrganizationsOptions {
  store: Store
  letters: Letters
  limits: Limits
  newId: (prefix: PersonPrefix) => string
  now: () => Date
}

/** What owners and admins see. */
export interface MembersView {
  members: readonly Member[]
  invitations: readonly OpenInvitation[]
  page: number
  hasMore: boolean
}

export const invitationLifetimeDays = 7
const lifetimeMs = invitationLifetimeDays * 86_400_000

/** A bound for the number in the address, not for organizations. */
const maxPage = 10_000

const emailSchema = z.email().max(254)
const invitable = z.enum(invitableRoles)
const anyRole = z.enum(orgRoles)

/** @throws OAuthError for what is no role, as for one that they cannot give */
const readRole = <T>(schema: z.ZodType<T>, text: string | undefined): T => {
  const { data, success } = schema.safeParse(text)
  if (!success) throw refusePerson('organization_rights')
  return data
}

/** @throws OAuthError for an organization that is not theirs, or switched off */
const membershipIn = ({ memberships }: PersonSession, tenantId: string | undefined): Membership => {
  const found = memberships.find(({ tenant_id, disabled }) => tenant_id === tenantId && !disabled)
  if (!found) throw refusePerson('organization_rights')
  return found
}

const managedBy = (session: PersonSession, tenantId: string | undefined): Membership => {
  const membership = membershipIn(session, tenantId)
  if (!mayManage(membership.orgRole)) throw refusePerson('organization_rights')
  return membership
}

/** The one that they have chosen, or the only one that they have. */
export const currentMembership = (session: PersonSession): Membership | undefined => {
  const open = session.memberships.filter(({ disabled }) => !disabled)
  if (open.length === 1) return open[0]
  return open.find(({ tenant_id }) => tenant_id === session.activeTenantId)
}

const checkInvitee = ({ email }: FoundInvitation, person: Person): void => {
  if (email !== person.email) throw refusePerson('invitation_for_another')
  if (!person.emailVerified) throw refusePerson('invitation_unconfirmed')
}

interface Posted {
  tenantId: string | undefined
  memberId?: string | undefined
  email?: string | undefined
  role?: string | undefined
}

const managing = ({ store, letters, limits, newId, now }: OrganizationsOptions) => ({
  /** @returns `undefined` for those who manage nobody in it */
  view: async ({ tenant_id, orgRole }: Membership, page = 0): Promise<MembersView | undefined> => {
    if (!mayManage(orgRole)) return undefined
    const at = Number.isInteger(page) ? Math.min(Math.max(page, 0), maxPage) : 0
    const [found, invitations] = await Promise.all([
      store.members.list(tenant_id, at),
      store.invitations.listOpen(tenant_id, now()),
    ])
    const members = found.slice(0, membersPerPage)
    return { members, invitations, page: at, hasMore: found.length > members.length }
  },

  /** Says the same, and takes as long, whether or not somebody has an account with the address. */
  invite: async (session: PersonSession, posted: Posted): Promise<void> => {
    const { tenant_id: tenantId, name: organization } = managedBy(session, posted.tenantId)
    const email = (posted.email ?? '').trim().toLowerCase()
    if (!emailSchema.safeParse(email).success) throw refusePerson('malformed_email')
    const role = readRole(invitable, posted.role)
    await limits.countInvitation(tenantId, email)
    const token = newSecret('il')
    const expiresAt = new Date(now().getTime() + lifetimeMs)
    const { sub: inviter, email: from } = session.person
    const made = { id: newId('inv'), tenantId, email, role, inviter, expiresAt }
    const refusal = await store.invitations.invite({ ...made, tokenHash: hashSecret(token) }, now())
    if (refusal) throw refusePerson(refusal)
    letters.invitation(email, { organization, inviter: from, token })
  },

  cancel: async (session: PersonSession, posted: Posted & { id: string }): Promise<void> => {
    const { tenant_id: tenantId } = managedBy(session, posted.tenantId)
    const isDone = await store.invitations.cancel(posted.id, tenantId, session.person.sub)
    if (!isDone) throw refusePerson('invitation_gone')
  },

  changeRole: async (session: PersonSession, posted: Posted): Promise<void> => {
    const { tenant_id: tenantId } = membershipIn(session, posted.tenantId)
    const role = readRole(anyRole, posted.role)
    const change = { tenantId, actor: session.person.sub, memberId: posted.memberId ?? '' }
    const refusal = await store.members.changeRole(change, role)
    if (refusal) throw refusePerson(refusal)
  },

  remove: async (session: PersonSession, posted: Posted): Promise<void> => {
    const { tenant_id: tenantId } = membershipIn(session, posted.tenantId)
    const change = { tenantId, actor: session.person.sub, memberId: posted.memberId ?? '' }
    const refusal = await store.members.remove(change, now())
    if (refusal) throw refusePerson(refusal)
  },
})

const joining = ({ store, newId, now }: OrganizationsOptions) => ({
  leave: async ({ person }: PersonSession, tenantId: string | undefined): Promise<void> => {
    const memberId = tenantId && (await store.members.idOf(tenantId, person.sub))
    if (!tenantId || !memberId) throw refusePerson('member_gone')
    const change: MemberChange = { tenantId, actor: person.sub, memberId }
    const refusal = await store.members.remove(change, now())
    if (refusal) throw refusePerson(refusal)
  },

  /** For the bearer of the link who is the invited person, and nobody else. */
  findInvitation: async (token: string, person: Person): Promise<FoundInvitation> => {
    const found = await store.invitations.findOpen(hashSecret(token), now())
    if (!found) throw refusePerson('invitation_over')
    checkInvitee(found, person)
    return found
  },

  /** @returns the organization that they are in now */
  accept: async (token: string, person: Person): Promise<string> => {
    const taken = { tokenHash: hashSecret(token), sub: person.sub, memberId: newId('mbr') }
    const tenantId = await store.invitations.accept(taken, now())
    if (tenantId === undefined) throw refusePerson('invitation_over')
    return tenantId
  },
})

export const createOrganizations = (options: OrganizationsOptions) => ({
  ...managing(options),
  ...joining(options),
})

export type Organizations = ReturnType<typeof createOrganizations>
