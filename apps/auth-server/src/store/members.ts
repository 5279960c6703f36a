/**
 * Members of organizations. Every change locks the organization's row first: of two owners who leave at
 * once, the second sees that it is the last.
 */
import { type SQL, sql } from 'drizzle-orm'
import { mayManage, type OrgRole } from '../people/organization-rights.js'
import { type Database, type Drizzle, rowsOf } from './database.js'
import { revokeStandingOf } from './revocations.js'
import { transactions } from './transactions.js'

export interface Member {
  /** `mbr_…` */
  id: string
  sub: string
  email: string
  name: string
  role: OrgRole
}

/** Who changes whom, and where. */
export interface MemberChange {
  tenantId: string
  /** The person who does it. */
  actor: string
  memberId: string
}

export type MemberRefusal = 'organization_rights' | 'last_owner' | 'member_gone'

/** Nobody else changes the members of it until the end of the transaction. */
export const lockTenant = async (drizzle: Drizzle, tenantId: string): Promise<void> => {
  await drizzle.execute(sql`select 1 from tenants where tenant_id = ${tenantId} for no key update`)
}

export const roleOf = async (
  drizzle: Drizzle,
  tenantId: string,
  userId: string,
): Promise<OrgRole | undefined> => {
  const result = await drizzle.execute(
    sql`select role from members where tenant_id = ${tenantId} and user_id = ${userId}`,
  )
  return rowsOf(result)[0]?.role as OrgRole | undefined
}

interface Target {
  sub: string
  role: OrgRole
  /** Without them there would be no owner who can still sign in. */
  isLastOwner: boolean
}

const findTarget = async (
  drizzle: Drizzle,
  { tenantId, memberId }: MemberChange,
): Promise<Target | undefined> => {
  const result = await drizzle.execute(sql`
    select m.user_id, m.role, m.role = 'owner' and not exists (
      select from members other join users u on u.id = other.user_id
      where other.tenant_id = m.tenant_id and other.id <> m.id and other.role = 'owner'
        and not u.disabled) as is_last_owner
    from members m where m.id = ${memberId} and m.tenant_id = ${tenantId}`)
  const [row] = rowsOf(result)
  if (!row) return undefined
  const isLastOwner = row.is_last_owner === true
  return { sub: String(row.user_id), role: row.role as OrgRole, isLastOwner }
}

const cancelInvitations = async (drizzle: Drizzle, tenantId: string, which: SQL): Promise<void> => {
  await drizzle.execute(sql`
    update invitations set status = 'canceled'
    where tenant_id = ${tenantId} and status = 'pending' and (${which})`)
}

/** What they have lent in the name of the organization ends now, and their word in it. */
const endStanding = async (
  drizzle: Drizzle,
  tenantId: string,
  sub: string,
  now: Date,
): Promise<void> => {
  await cancelInvitations(
    drizzle,
    tenantId,
    sql`inviter_id = ${sub} or email = (select u.email from users u where u.id = ${sub})`,
  )
  await drizzle.execute(sql`
    update sessions set active_tenant_id = null
    where user_id = ${sub} and active_tenant_id = ${tenantId}`)
  await drizzle.execute(sql`
    update consents set revoked_at = ${now.toISOString()}::text::timestamptz
    where subject = ${sub} and tenant_id = ${tenantId} and revoked_at is null`)
  await revokeStandingOf(drizzle, { subject: sub }, tenantId, 'membership_ended', now)
}

/** More than anybody reads on one page. */
export const membersPerPage = 50

export const membersStore = ({ drizzle, urgent, read }: Database) => ({
  /** Owners first. @returns one more than a page when there is a next one */
  list: async (tenantId: string, page: number): Promise<Member[]> => {
    const rows = await read(
      `select m.id, u.id as sub, u.email, u.name, m.role
       from members m join users u on u.id = m.user_id where m.tenant_id = $1
       order by array_position(array['owner', 'admin', 'member'], m.role), m.created_at, m.id
       limit $2::text::int offset $3::text::int`,
      [tenantId, String(membersPerPage + 1), String(page * membersPerPage)],
    )
    return rows as unknown as Member[]
  },

  changeRole: (change: MemberChange, role: OrgRole): Promise<MemberRefusal | undefined> =>
    transactions(drizzle)(async (transaction) => {
      const { tenantId, actor, memberId } = change
      await lockTenant(transaction, tenantId)
      const target = await findTarget(transaction, change)
      const actorRole = await roleOf(transaction, tenantId, actor)
      if (!mayManage(actorRole)) return 'organization_rights'
      if (!target) return 'member_gone'
      if (!mayManage(actorRole, target.role, role)) return 'organization_rights'
      if (target.isLastOwner && role !== 'owner') return 'last_owner'
      await transaction.execute(sql`update members set role = ${role} where id = ${memberId}`)
      // Who may invite nobody any more has invited nobody.
      if (role === 'member') {
        await cancelInvitations(transaction, tenantId, sql`inviter_id = ${target.sub}`)
      }
      return undefined
    }),

  /** Anybody may take themselves out. */
  remove: (change: MemberChange, now: Date): Promise<MemberRefusal | undefined> =>
    transactions(urgent)(async (transaction) => {
      const { tenantId, actor, memberId } = change
      await lockTenant(transaction, tenantId)
      const target = await findTarget(transaction, change)
      const actorRole = await roleOf(transaction, tenantId, actor)
      const isSelf = target !== undefined && target.sub === actor
      if (!isSelf && !mayManage(actorRole)) return 'organization_rights'
      if (!target) return 'member_gone'
      if (!isSelf && !mayManage(actorRole, target.role)) return 'organization_rights'
      if (target.isLastOwner) return 'last_owner'
      await transaction.execute(sql`delete from members where id = ${memberId}`)
      await endStanding(transaction, tenantId, target.sub, now)
      return undefined
    }),

  /** Their own row in it, to leave by. */
  idOf: async (tenantId: string, sub: string): Promise<string | undefined> => {
    const text = 'select id from members where tenant_id = $1 and user_id = $2'
    const [row] = await read(text, [tenantId, sub])
    return row && String(row.id)
  },
})
