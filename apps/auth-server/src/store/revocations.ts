/** Revocations: one row each, no tree walk; a token names all delegations that it stands on. */
import { and, eq, gt, inArray, isNull, not, or, sql } from 'drizzle-orm'
import { maxTokenLifetimeSeconds } from '../key-timeline.js'
import type { Database, Drizzle } from './database.js'
import { withRetry } from './failures.js'
import { delegations, revocations as table } from './schema.js'

const feedLock = 5_291_703

/** An entry stays until no token of the delegation can be alive, with room for clocks that differ. */
const keepSeconds = maxTokenLifetimeSeconds + 120

export interface RevocationEntry {
  id: string
  /** Seconds since 1970. */
  exp: number
}

export interface RevocationPage {
  cursor: bigint
  revoked: RevocationEntry[]
}

/**
 * Revokes what is still alive of `ids`. The lock makes the order of cursors the order of commits:
 * without it a follower could read cursor 6 before 5 is visible, and never see 5.
 */
export const revokeDelegations = async (
  drizzle: Drizzle,
  ids: readonly string[],
  cause: string,
  now: Date,
): Promise<number> => {
  if (ids.length === 0) return 0
  await drizzle.execute(sql`select pg_advisory_xact_lock(${feedLock}::bigint)`)
  const alive = and(inArray(delegations.id, [...ids]), isNull(delegations.revokedAt))
  // In one order everywhere, so that two revocations of several rows cannot deadlock.
  await drizzle
    .select({ id: delegations.id })
    .from(delegations)
    .where(alive)
    .orderBy(delegations.id)
    .for('update')
  const hit = await drizzle
    .update(delegations)
    .set({ revokedAt: now, cause })
    .where(alive)
    .returning({ delegationId: delegations.id })
  const expiresAt = new Date(now.getTime() + keepSeconds * 1000)
  const rows = hit.map((row) => ({ ...row, cause, revokedAt: now, expiresAt }))
  if (rows.length > 0) await drizzle.insert(table).values(rows)
  return rows.length
}

/** Whose authority is to end. */
export type RevocationTarget = { client_id: string } | { subject: string } | { tenant_id: string }

/**
 * What the target stands on: all that a client holds, the roots of a subject, the roots of a tenant.
 * With these ends all that was lent from them.
 */
const standingOf = (target: RevocationTarget) => {
  if ('client_id' in target) return eq(delegations.actor, target.client_id)
  const root = isNull(delegations.parentId)
  if ('subject' in target) return and(root, eq(delegations.subject, target.subject))
  return and(root, eq(delegations.tenantId, target.tenant_id))
}

/**
 * Revokes all that the target stands on and that is alive.
 *
 * @param within only what belongs to this tenant; absent: to any
 * @returns how many delegations were revoked, those below them not counted
 */
export const revokeStandingOf = async (
  drizzle: Drizzle,
  target: RevocationTarget,
  within: string | undefined,
  cause: string,
  now: Date,
): Promise<number> => {
  const { id, revokedAt, expiresAt, tenantId } = delegations
  const mine = within === undefined ? undefined : eq(tenantId, within)
  // What hangs from something revoked has ended with it, and is not to be counted or told again.
  const below = sql`exists (select from delegations above
    where above.id = any(delegations.lineage) and above.revoked_at is not null)`
  const alive = and(isNull(revokedAt), or(isNull(expiresAt), gt(expiresAt, now)), not(below))
  const rows = await drizzle
    .select({ id })
    .from(delegations)
    .where(and(standingOf(target), mine, alive))
  const ids = rows.map((row) => row.id)
  return revokeDelegations(drizzle, ids, cause, now)
}

/** A client that has moved to another tenant leaves behind what it stood on there. */
export const revokeRootElsewhere = async (
  drizzle: Drizzle,
  { client_id, tenant_id }: { client_id: string; tenant_id?: string | undefined },
  now: Date,
): Promise<void> => {
  const { id, actor, parentId, tenantId } = delegations
  const elsewhere = sql`${tenantId} is distinct from ${tenant_id ?? null}::text`
  const rows = await drizzle
    .select({ id })
    .from(delegations)
    .where(and(eq(actor, client_id), isNull(parentId), elsewhere))
  await revokeDelegations(
    drizzle,
    rows.map((row) => row.id),
    'tenant_changed',
    now,
  )
}

export const revocationsStore = ({ drizzle, read }: Database) => ({
  revoke: (id: string, cause: string, now: Date): Promise<number> =>
    withRetry(() =>
      drizzle.transaction((transaction) => revokeDelegations(transaction, [id], cause, now)),
    ),

  /** @returns how many delegations were revoked, those below them not counted */
  revokeAllOf: (target: RevocationTarget, within: string | undefined, now: Date) =>
    withRetry(() =>
      drizzle.transaction((transaction) =>
        revokeStandingOf(transaction, target, within, 'revoked_by_admin', now),
      ),
    ),

  newest: async (): Promise<bigint> => {
    const rows = await read('select coalesce(max(cursor), 0)::text as newest from revocations', [])
    return BigInt(String(rows[0]?.newest ?? 0))
  },

  /** What is revoked and still matters, after a cursor. One statement, so cursor and list agree. */
  after: async (cursor: bigint, now: Date): Promise<RevocationPage> => {
    const rows = await read(
      `select (select coalesce(max(cursor), 0) from revocations)::text as newest,
         r.delegation_id as id, ceil(extract(epoch from r.expires_at))::int as exp
       from (select 1) one left join revocations r
         on r.cursor > $1::text::bigint and r.expires_at > $2::text::timestamptz
       order by r.cursor`,
      [cursor.toString(), now.toISOString()],
    )
    return {
      cursor: BigInt(String(rows[0]?.newest ?? 0)),
      revoked: rows.flatMap(({ id, exp }) =>
        id === null ? [] : [{ id: String(id), exp: Number(exp) }],
      ),
    }
  },
})
