/** `users` of the configuration: made once, under whatever starts at the same time. */
import { and, eq, inArray } from 'drizzle-orm'
import type { UserConfig } from '../config.js'
import type { Drizzle } from './database.js'
import { insertMember } from './people.js'
import { revokeStandingOf } from './revocations.js'
import { accounts, users } from './schema.js'

export interface ApplyUsersOptions {
  /** Slow on purpose: asked only for who is new. */
  hashPassword: (password: string) => Promise<string>
  newPersonId: (prefix: 'usr' | 'acc' | 'mbr') => string
  now: Date
}

export type PasswordHashes = ReadonlyMap<string, string>

/** The hashes of who is not there yet, made before any lock is taken. By e-mail address. */
export const hashNewPasswords = async (
  drizzle: Drizzle,
  list: readonly UserConfig[],
  hashPassword: ApplyUsersOptions['hashPassword'],
): Promise<PasswordHashes> => {
  const hashes = new Map<string, string>()
  if (list.length === 0) return hashes
  const emails = list.map(({ email }) => email)
  const rows = await drizzle
    .select({ email: users.email })
    .from(users)
    .where(inArray(users.email, emails))
  const known = new Set(rows.map(({ email }) => email))
  for (const { email, password } of list) {
    if (known.has(email) || typeof password !== 'string') continue
    hashes.set(email, await hashPassword(password))
  }
  return hashes
}

const createUser = async (
  drizzle: Drizzle,
  user: UserConfig,
  hash: string | undefined,
  { newPersonId, now }: ApplyUsersOptions,
): Promise<boolean> => {
  const { email, name = email, role = 'user', disabled = false, claims = {} } = user
  const times = { createdAt: now, updatedAt: now }
  const id = newPersonId('usr')
  // The operator vouches for the address.
  const row = { id, email, name, role, disabled, claims, emailVerified: true, ...times }
  const made = await drizzle
    .insert(users)
    .values(row)
    .onConflictDoNothing()
    .returning({ id: users.id })
  if (made.length === 0) return false
  if (hash !== undefined) {
    const credential = { userId: id, providerId: 'credential', accountId: id, password: hash }
    await drizzle.insert(accounts).values({ id: newPersonId('acc'), ...credential, ...times })
  }
  if (user.tenant_id !== undefined) {
    const organizationId = user.tenant_id
    const membership = { organizationId, userId: id, role: user.org_role ?? 'member' }
    await insertMember(drizzle, { id: newPersonId('mbr'), ...membership, createdAt: now })
  }
  return true
}

/**
 * What only the operator can say follows the file. Rights go to a confirmed address only: anybody may
 * have signed up with the address before it came into the file.
 */
const updateUser = async (
  drizzle: Drizzle,
  { email, role, claims, disabled }: UserConfig,
  now: Date,
): Promise<void> => {
  if (role !== undefined || claims !== undefined) {
    const set = { ...(role && { role }), ...(claims && { claims }), updatedAt: now }
    await drizzle
      .update(users)
      .set(set)
      .where(and(eq(users.email, email), eq(users.emailVerified, true)))
  }
  if (disabled === undefined) return
  await drizzle.update(users).set({ disabled, updatedAt: now }).where(eq(users.email, email))
}

/** Switched off: their sessions count no more, and all that acts for them ends now. */
const endDisabled = async (drizzle: Drizzle, email: string, now: Date): Promise<void> => {
  const rows = await drizzle.select({ id: users.id }).from(users).where(eq(users.email, email))
  for (const { id } of rows) {
    await revokeStandingOf(drizzle, { subject: id }, undefined, 'person_disabled', now)
  }
}

export const applyUsers = async (
  drizzle: Drizzle,
  list: readonly UserConfig[],
  hashes: PasswordHashes,
  options: ApplyUsersOptions,
): Promise<void> => {
  for (const user of list) {
    const isNew = await createUser(drizzle, user, hashes.get(user.email), options)
    if (!isNew) await updateUser(drizzle, user, options.now)
    if (user.disabled) await endDisabled(drizzle, user.email, options.now)
  }
}
