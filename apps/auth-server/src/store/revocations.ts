/** Revocations: one row each, no tree walk; a token names all delegations that it stands on. */
import { and, eq, inArray, isNull, sql } from 'drizzle-orm'
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

/** All live delegations that an actor holds. */
export const liveDelegationsOf = async (drizzle: Drizzle, actor: string): Promise<string[]> => {
  const rows = await drizzle
    .select({ id: delegations.id })
    .from(delegations)
    .where(and(eq(delegations.actor, actor), isNull(delegations.revokedAt)))
  return rows.map(({ id }) => id)
}

/** The roots of a tenant that are alive: with them ends all that was ever lent in it. */
export const liveRootsOfTenant = async (drizzle: Drizzle, tenantId: string): Promise<string[]> => {
  const { tenantId: tenant, parentId, revokedAt } = delegations
  const rows = await drizzle
    .select({ id: delegations.id })
    .from(delegations)
    .where(and(eq(tenant, tenantId), isNull(parentId), isNull(revokedAt)))
  return rows.map(({ id }) => id)
}

export const revocationsStore = ({ drizzle, read }: Database) => ({
  revoke: (id: string, cause: string, now: Date): Promise<number> =>
    withRetry(() =>
      drizzle.transaction((transaction) => revokeDelegations(transaction, [id], cause, now)),
    ),

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
