/** People as tokens and pages see them. What better-auth writes is read here, in one statement. */

import { and, eq, lte, sql } from 'drizzle-orm'
import type { Membership, Person } from '../people/person.js'
import type { Database, Drizzle, Row } from './database.js'
import { members, sessions, users, verifications } from './schema.js'

export interface PersonRecord {
  person: Person
  memberships: readonly Membership[]
  /** Sign-in asks for a code as well. */
  twoFactorEnabled: boolean
}

export interface SessionRecord extends PersonRecord {
  id: string
  createdAt: Date
  activeTenantId: string | undefined
}

/** Most rights first: better-auth may hold several, with commas between. */
const orgRoles = ['owner', 'admin', 'member'] as const

const membershipsOf = `coalesce((
  select json_agg(json_build_object(
    'tenant_id', t.tenant_id, 'name', t.name, 'role', m.role, 'disabled', t.disabled,
    'claims', t.claims) order by t.tenant_id)
  from members m join tenants t on t.tenant_id = m.tenant_id
  where m.user_id = u.id), '[]'::json) as memberships`

const personOf = `u.id as sub, u.email, u.email_verified, u.name, u.image, u.role, u.claims,
  u.disabled, u.two_factor_enabled, ${membershipsOf}`

interface MembershipRow extends Omit<Membership, 'orgRole'> {
  role: string
}

const toMembership = ({ role, ...membership }: MembershipRow): Membership => {
  const words = role.split(',')
  return { ...membership, orgRole: orgRoles.find((one) => words.includes(one)) ?? 'member' }
}

const toRecord = (row: Row): PersonRecord => ({
  person: {
    sub: row.sub as string,
    email: row.email as string,
    emailVerified: row.email_verified as boolean,
    name: row.name as string,
    picture: (row.image as string | null) ?? undefined,
    role: row.role as Person['role'],
    claims: row.claims as Person['claims'],
    disabled: row.disabled as boolean,
  },
  memberships: (row.memberships as MembershipRow[]).map(toMembership),
  twoFactorEnabled: row.two_factor_enabled as boolean,
})

export const peopleStore = ({ drizzle, read }: Database) => ({
  find: async (sub: string): Promise<PersonRecord | undefined> => {
    const [row] = await read(`select ${personOf} from users u where u.id = $1`, [sub])
    return row && toRecord(row)
  },

  findByEmail: async (email: string): Promise<PersonRecord | undefined> => {
    const [row] = await read(`select ${personOf} from users u where u.email = $1`, [email])
    return row && toRecord(row)
  },

  /** Alive at `now`, and of a person who is not switched off. */
  findSession: async (token: string, now: Date): Promise<SessionRecord | undefined> => {
    const [row] = await read(
      `select s.id, s.created_at, s.active_tenant_id, ${personOf}
       from sessions s join users u on u.id = s.user_id
       where s.token = $1 and s.expires_at > $2::timestamptz and not u.disabled`,
      [token, now.toISOString()],
    )
    if (!row) return undefined
    return {
      ...toRecord(row),
      id: row.id as string,
      createdAt: new Date(row.created_at as string),
      activeTenantId: (row.active_tenant_id as string | null) ?? undefined,
    }
  },

  endSession: async (token: string): Promise<void> => {
    await drizzle.delete(sessions).where(eq(sessions.token, token))
  },

  /** Only an organization that the person is in. @returns whether it is */
  chooseTenant: async (sessionId: string, tenantId: string): Promise<boolean> => {
    const isMember = sql`exists (select 1 from ${members} where ${members.userId} = ${sessions.userId}
      and ${members.organizationId} = ${tenantId})`
    const chosen = await drizzle
      .update(sessions)
      .set({ activeOrganizationId: tenantId })
      .where(and(eq(sessions.id, sessionId), isMember))
      .returning({ id: sessions.id })
    return chosen.length > 0
  },

  /** Once; whoever is a member already keeps their role. */
  join: (member: NewMember): Promise<void> => insertMember(drizzle, member),

  rename: async (sub: string, name: string, now: Date): Promise<void> => {
    await drizzle.update(users).set({ name, updatedAt: now }).where(eq(users.id, sub))
  },

  confirmEmail: async (sub: string): Promise<void> => {
    await drizzle.update(users).set({ emailVerified: true }).where(eq(users.id, sub))
  },

  /** What is over is forgotten. */
  forget: async (now: Date): Promise<void> => {
    await drizzle.delete(sessions).where(lte(sessions.expiresAt, now))
    await drizzle.delete(verifications).where(lte(verifications.expiresAt, now))
  },
})

export type NewMember = typeof members.$inferInsert

export const insertMember = async (drizzle: Drizzle, member: NewMember): Promise<void> => {
  await drizzle.insert(members).values(member).onConflictDoNothing()
}
