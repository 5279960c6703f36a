/** Revocations: one row each, no tree walk; a token names all delegations that it stands on. */
import { personPrefix } from '@behalf/protocol'
import { type SQL, sql } from 'drizzle-orm'
import type { Shortage } from '../budgets/book.js'
import { type Database, type Drizzle, rowsOf } from './database.js'
import { withRetry } from './failures.js'
import { longestTokenLifetime } from './token-lifetimes.js'

const feedLock = 5_291_703

/** Room for clocks that differ: so much longer than a token an entry stays. */
const skewSeconds = 120

export interface RevocationEntry {
  id: string
  /** Seconds since 1970. */
  exp: number
}

export interface RevocationPage {
  cursor: bigint
  revoked: RevocationEntry[]
}

/** Whose authority is to end. */
export type RevocationTarget =
  | { delegation_id: string }
  | { client_id: string }
  | { subject: string }
  | { tenant_id: string }
  | { consent_id: string }

/**
 * What the target stands on: a delegation, all that a client holds, the roots of a subject, the roots
 * of a tenant. With these ends all that was lent from them.
 */
const standingOf = (target: RevocationTarget): SQL => {
  if ('delegation_id' in target) return sql`d.id = ${target.delegation_id}`
  if ('client_id' in target) return sql`d.actor = ${target.client_id}`
  if ('subject' in target) return sql`d.parent_id is null and d.subject = ${target.subject}`
  if ('tenant_id' in target) return sql`d.parent_id is null and d.tenant_id = ${target.tenant_id}`
  // All roots of a consent draw on its budget, whatever it has been widened to.
  const { consent_id: id } = target
  return sql`d.parent_id is null and ${`consent:${id}`} = any(d.budget_ids)
    and d.subject = (select c.subject from consents c where c.id = ${id})`
}

/**
 * Revokes whatever `doomed` says and is alive, in one statement however many those are.
 *
 * The lock makes the order of cursors the order of commits: without it a follower could read cursor 6
 * before 5 is visible, and never see 5. What hangs from something revoked has ended with it, and is
 * not told again. An entry leaves the feed when no token of its delegation can be alive.
 *
 * @returns how many were revoked, those below them not counted
 */
const revokeWhere = async (
  drizzle: Drizzle,
  doomed: SQL,
  cause: string,
  now: Date,
): Promise<number> => {
  await drizzle.execute(sql`select pg_advisory_xact_lock(${feedLock}::bigint)`)
  const at = sql`${now.toISOString()}::text::timestamptz`
  const result = await drizzle.execute(sql`
    with doomed as (
      select d.id from delegations d
      where ${doomed} and d.revoked_at is null
        and (d.expires_at is null or d.expires_at > ${at})
        and not exists (select from delegations above
          where above.id = any(d.lineage) and above.revoked_at is not null)
      order by d.id
      for update of d
    ), hit as (
      update delegations d set revoked_at = ${at}, cause = ${cause}
      from doomed where d.id = doomed.id
      returning d.id, d.expires_at
    ), told as (
      insert into revocations (delegation_id, cause, revoked_at, expires_at)
      select id, ${cause}, ${at}, ${skewSeconds}::int * interval '1 second' +
        least(expires_at, ${at} + ${sql.raw(longestTokenLifetime)})
      from hit
      returning cursor
    )
    select count(*)::int as n from told`)
  return Number(rowsOf(result)[0]?.n)
}

/**
 * Revokes all that the target stands on.
 *
 * @param within only what belongs to this tenant; absent: to any
 */
export const revokeStandingOf = (
  drizzle: Drizzle,
  target: RevocationTarget,
  within: string | undefined,
  cause: string,
  now: Date,
): Promise<number> => {
  const mine = within === undefined ? sql`true` : sql`d.tenant_id = ${within}`
  return revokeWhere(drizzle, sql`(${standingOf(target)}) and ${mine}`, cause, now)
}

/**
 * A client that has moved to another tenant leaves behind what it held there. One that belongs to none
 * keeps what people have given it: that is of their tenants, and always was.
 */
export const revokeElsewhere = (
  drizzle: Drizzle,
  { client_id, tenant_id }: { client_id: string; tenant_id?: string | undefined },
  now: Date,
): Promise<number> => {
  const elsewhere =
    tenant_id === undefined
      ? sql`d.tenant_id is not null and not starts_with(d.subject, ${personPrefix}::text)`
      : sql`d.tenant_id is distinct from ${tenant_id}::text`
  const held = sql`d.actor = ${client_id} and ${elsewhere}`
  return revokeWhere(drizzle, held, 'tenant_changed', now)
}

/** The list is everybody's: one cut of a cap must not fill it. */
const maxRecallsTold = 1000
/** Nor must those who find nothing left while others hold some. */
const maxLentTold = 32

/**
 * Asks open leases on a budget back. Those that hold most stand in the feed, by their own ids: whoever
 * holds one and follows it gives it back. The others are told at their next report.
 */
const recallWhere = async (
  drizzle: Drizzle,
  condition: SQL,
  { cause, told, now }: { cause: string; told: number; now: Date },
): Promise<void> => {
  await drizzle.execute(sql`select pg_advisory_xact_lock(${feedLock}::bigint)`)
  await drizzle.execute(sql`
    with recalled as (
      update leases set recalled = true where state = 'open' and not recalled and ${condition}
      returning id, held, expires_at
    )
    insert into revocations (delegation_id, cause, revoked_at, expires_at)
    select id, ${cause}, ${now.toISOString()}::text::timestamptz, expires_at from recalled
    order by held desc limit ${told}::int`)
}

/** After a cut: all of them. */
export const recallLeases = (drizzle: Drizzle, budgetId: string, now: Date): Promise<void> => {
  const how = { cause: 'cap_cut', told: maxRecallsTold, now }
  return recallWhere(drizzle, sql`${budgetId} = any(budget_ids)`, how)
}

/** Those that hold money, if together they hold what somebody else lacks. */
export const recallLent = (
  drizzle: Drizzle,
  { budgetId, missing }: Shortage,
  now: Date,
): Promise<void> => {
  const lent = sql`state = 'open' and not recalled and held > 0 and ${budgetId} = any(budget_ids)`
  const enough = sql`(select sum(held) from leases where ${lent}) >= ${missing.toString()}::text::bigint`
  const how = { cause: 'lent_elsewhere', told: maxLentTold, now }
  return recallWhere(drizzle, sql`${lent} and ${enough}`, how)
}

export const revocationsStore = ({ urgent, read }: Database) => ({
  /** @returns how many delegations were revoked, those below them not counted */
  revoke: (target: RevocationTarget, cause: string, now: Date, within?: string | undefined) =>
    withRetry(() =>
      urgent.transaction((transaction) =>
        revokeStandingOf(transaction, target, within, cause, now),
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
