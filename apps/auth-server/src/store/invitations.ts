/** Invitations to organizations, by the hash of the link that was sent. */
import { eq, lte, sql } from 'drizzle-orm'
import { type InvitableRole, mayManage } from '../people/organization-rights.js'
import { type Database, type Drizzle, rowsOf } from './database.js'
import { lockTenant, roleOf } from './members.js'
import { invitations as table } from './schema.js'
import { transactions } from './transactions.js'

export interface NewInvitation {
  /** `inv_…` */
  id: string
  tenantId: string
  email: string
  role: InvitableRole
  /** The person who invites. */
  inviter: string
  tokenHash: string
  expiresAt: Date
}

export interface OpenInvitation {
  id: string
  email: string
  role: InvitableRole
  expiresAt: Date
}

export type InviteRefusal = 'organization_rights' | 'already_member' | 'too_many_invitations'

/** Letters that wait for an answer, of one organization. */
export const maxOpenInvitations = 100

/** What the bearer of a link learns of it. */
export interface FoundInvitation {
  email: string
  role: InvitableRole
  organization: string
}

/** Whom a link is for, and whether they need an account first. */
export interface InvitedAddress {
  email: string
  hasAccount: boolean
}

/** Alive: pending, not too old, and whoever sent it may still invite. */
const isOpen = `i.status = 'pending' and i.expires_at > $2::text::timestamptz and not t.disabled
  and exists (select from members m join users inviter on inviter.id = m.user_id
    where m.tenant_id = i.tenant_id and m.user_id = i.inviter_id and m.role in ('owner', 'admin')
      and not inviter.disabled)`

/** One statement: of those who come at once with one link, one finds it pending. */
const accept = `
  with taken as (
    update invitations i set status = 'accepted'
    from tenants t, users u
    where i.token_hash = $1 and t.tenant_id = i.tenant_id and ${isOpen}
      and u.id = $3 and u.email = i.email and u.email_verified and not u.disabled
    returning i.tenant_id, i.role, u.id as user_id
  ), joined as (
    insert into members (id, tenant_id, user_id, role, created_at)
    select $4, tenant_id, user_id, role, $2::text::timestamptz from taken
    on conflict do nothing
  )
  select tenant_id from taken`

/** One statement: with an account of that address, or a dead link, nothing is made. */
const signUp = `
  with made as (
    insert into users (id, email, email_verified, name, created_at, updated_at)
    select $3, i.email, true, $4, $2::text::timestamptz, $2::text::timestamptz
    from invitations i join tenants t on t.tenant_id = i.tenant_id
    where i.token_hash = $1 and ${isOpen}
    on conflict (email) do nothing
    returning id, created_at
  ), credential as (
    insert into accounts
      (id, user_id, provider_id, account_id, password_hash, created_at, updated_at)
    select $5, id, 'credential', id, $6, created_at, created_at from made
  )
  select id from made`

export interface InvitedPerson {
  tokenHash: string
  /** `usr_…` */
  sub: string
  /** `acc_…` */
  accountId: string
  name: string
  passwordHash: string
}

const standing = async (
  drizzle: Drizzle,
  { tenantId, email }: NewInvitation,
  now: Date,
): Promise<{ isMember: boolean; open: number }> => {
  const result = await drizzle.execute(sql`
    select exists (select from members m join users u on u.id = m.user_id
        where m.tenant_id = ${tenantId} and u.email = ${email}) as is_member,
      (select count(*)::int from invitations i where i.tenant_id = ${tenantId}
        and i.status = 'pending' and i.email <> ${email}
        and i.expires_at > ${now.toISOString()}::text::timestamptz) as open`)
  const [row] = rowsOf(result)
  return { isMember: row?.is_member === true, open: Number(row?.open) }
}

export const invitationsStore = ({ drizzle, read, write }: Database) => ({
  /** One for each address: with another letter, the link of the one before is dead. */
  invite: (invitation: NewInvitation, now: Date): Promise<InviteRefusal | undefined> =>
    transactions(drizzle)(async (transaction) => {
      const { id, tenantId, email, role, inviter, tokenHash, expiresAt } = invitation
      await lockTenant(transaction, tenantId)
      if (!mayManage(await roleOf(transaction, tenantId, inviter), role)) {
        return 'organization_rights'
      }
      const { isMember, open } = await standing(transaction, invitation, now)
      if (isMember) return 'already_member'
      if (open >= maxOpenInvitations) return 'too_many_invitations'
      const set = { role, inviterId: inviter, tokenHash, expiresAt, createdAt: now }
      await transaction
        .insert(table)
        .values({ id, organizationId: tenantId, email, status: 'pending', ...set })
        .onConflictDoUpdate({
          target: [table.organizationId, table.email],
          targetWhere: eq(table.status, sql`'pending'`),
          set,
        })
      return undefined
    }),

  /** @returns false when it is none of this organization's, or no longer open */
  cancel: async (id: string, tenantId: string, actor: string): Promise<boolean> => {
    const rows = await write(
      `update invitations i set status = 'canceled'
       where i.id = $1 and i.tenant_id = $2 and i.status = 'pending'
         and exists (select from members m where m.tenant_id = i.tenant_id and m.user_id = $3
           and m.role in ('owner', 'admin'))
       returning i.id`,
      [id, tenantId, actor],
    )
    return rows.length > 0
  },

  listOpen: async (tenantId: string, now: Date): Promise<OpenInvitation[]> => {
    const rows = await read(
      `select id, email, role, expires_at from invitations
       where tenant_id = $1 and status = 'pending' and expires_at > $2::text::timestamptz
       order by created_at, id limit ${maxOpenInvitations}`,
      [tenantId, now.toISOString()],
    )
    return rows.map((row) => ({
      id: String(row.id),
      email: String(row.email),
      role: row.role as InvitableRole,
      expiresAt: new Date(String(row.expires_at)),
    }))
  },

  findOpen: async (tokenHash: string, now: Date): Promise<FoundInvitation | undefined> => {
    const [row] = await read(
      `select i.email, i.role, t.name as organization
       from invitations i join tenants t on t.tenant_id = i.tenant_id
       where i.token_hash = $1 and ${isOpen}`,
      [tokenHash, now.toISOString()],
    )
    return row as FoundInvitation | undefined
  },

  findAddress: async (tokenHash: string, now: Date): Promise<InvitedAddress | undefined> => {
    const [row] = await read(
      `select i.email, exists (select from users u where u.email = i.email) as has_account
       from invitations i join tenants t on t.tenant_id = i.tenant_id
       where i.token_hash = $1 and ${isOpen}`,
      [tokenHash, now.toISOString()],
    )
    return row && { email: String(row.email), hasAccount: row.has_account === true }
  },

  /** Makes the account of whoever was invited. @returns false when there is one, or nothing to join */
  signUp: async (person: InvitedPerson, now: Date): Promise<boolean> => {
    const { tokenHash, sub, name, accountId, passwordHash } = person
    const values = [tokenHash, now.toISOString(), sub, name, accountId, passwordHash]
    return (await write(signUp, values)).length > 0
  },

  /** Once, by the confirmed owner of the address. @returns the organization that they are in now */
  accept: async (
    { tokenHash, sub, memberId }: { tokenHash: string; sub: string; memberId: string },
    now: Date,
  ): Promise<string | undefined> => {
    const [row] = await write(accept, [tokenHash, now.toISOString(), sub, memberId])
    return row && String(row.tenant_id)
  },

  /** What is answered or too old tells nobody anything. */
  forget: async (now: Date): Promise<void> => {
    await drizzle.delete(table).where(lte(table.expiresAt, now))
  },
})
