/**
 * Who may change what about the members of an organization, as better-auth's own rules have it: owners
 * and admins manage members and admins, and whatever is about an owner only an owner does.
 */
import type { Membership } from './person.js'

export type OrgRole = Membership['orgRole']

export const orgRoles = ['owner', 'admin', 'member'] as const

/** A letter makes nobody an owner: one who is a member already can be made one. */
export const invitableRoles = ['member', 'admin'] as const
export type InvitableRole = (typeof invitableRoles)[number]

/** @param roles those that are taken or given */
export const mayManage = (actor: OrgRole | undefined, ...roles: readonly OrgRole[]): boolean =>
  actor === 'owner' || (actor === 'admin' && !roles.includes('owner'))
