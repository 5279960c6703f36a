/** The ledger: balances move only here, root first, and the rule is the SQL. */
import type { ReservationState } from '@behalf/protocol'
import { and, eq, lt, sql } from 'drizzle-orm'
import { type Database, type Drizzle, type Row, rowsOf } from './database.js'
import { withRetry } from './failures.js'
import { answerOnce, type KeyedRequest, type StoredAnswer } from './idempotency-keys.js'
import { reservations as table } from './schema.js'

export type NewReservation = Omit<
  typeof table.$inferInsert,
  'state' | 'charged' | 'overrun' | 'endedAt'
>
export type StoredReservation = typeof table.$inferSelect

/** A budget on the way from the tenant to a delegation. Micro-USD. */
export interface Balance {
  id: string
  cap: bigint | undefined
  spent: bigint
  held: bigint
}

/** How a reservation ends: what leaves the hold, what is spent, and the state it ends in. */
export interface Ending {
  state: Exclude<ReservationState, 'reserved'>
  kind: 'settle' | 'release' | 'refund' | 'expire_charge' | 'expire_release'
  spent: bigint
  held: bigint
  charged: bigint
  overrun: bigint
  at: Date
}

const textArray = (ids: readonly string[]) =>
  sql`array(select jsonb_array_elements_text(${JSON.stringify(ids)}::text::jsonb))`

const toBalance = (row: Row): Balance => ({
  id: String(row.id),
  cap: row.cap === null ? undefined : BigInt(String(row.cap)),
  spent: BigInt(String(row.spent)),
  held: BigInt(String(row.held)),
})

export interface Hold {
  /** False when the delegation or something that it hangs from has ended. */
  alive: boolean
  held: boolean
  /** The balances as they were when locked. */
  before: Balance[]
}

/** What an uncapped budget can count up to. */
const maxBalance = 9_223_372_036_854_775_807n

/**
 * Holds the amount on every budget, or on none. One statement: lock root first, decide on the locked
 * rows, move, write the reservation and its entries. The CHECK constraint stands behind it.
 *
 * The lineage is locked too, so that nothing is held after a revocation was acknowledged: a hold that
 * came first makes the revocation wait. Budgets before delegations, as wherever both are locked.
 */
const hold = async (
  drizzle: Drizzle,
  reservation: NewReservation,
  lineage: readonly string[],
): Promise<Hold> => {
  const { id, budgetIds, amount, createdAt } = reservation
  const at = sql`${createdAt.toISOString()}::text::timestamptz`
  const expires = sql`${reservation.expiresAt.toISOString()}::text::timestamptz`
  const micros = sql`${amount.toString()}::text::bigint`
  const rows = rowsOf(
    await drizzle.execute(sql`
      with path as (select ${textArray(budgetIds)} as ids),
      locked as (
        select b.id, b.cap, least(b.cap, b.wanted_cap) as judged, b.spent, b.held
        from budgets b, path
        where b.id = any(path.ids) order by array_position(path.ids, b.id)
        for update of b
      ), standing as (
        select d.id from delegations d
        where d.id = any(${textArray(lineage)})
          and (select count(*) from locked) = ${budgetIds.length}::int
          and d.revoked_at is null and (d.expires_at is null or d.expires_at > ${at})
          and not exists (select from tenants t where t.tenant_id = d.tenant_id and t.disabled)
        order by d.id
        for share of d
      ), verdict as (
        select alive, alive and bool_and(
          coalesce(judged, ${maxBalance.toString()}::text::bigint) - spent - held >= ${micros}) as fits
        from locked, (select count(*) = ${lineage.length}::int as alive from standing) s
        group by alive
      ), moved as (
        -- From the locked rows: PostgreSQL tries the constraint on the row of the snapshot first.
        update budgets b set cap = locked.cap, spent = locked.spent, held = locked.held + ${micros}
        from verdict, locked where verdict.fits and b.id = locked.id
        returning b.id
      ), made as (
        insert into reservations (id, delegation_id, budget_ids, client_id, action, amount, state,
          on_expiry, created_at, expires_at)
        select ${id}, ${reservation.delegationId}, path.ids, ${reservation.clientId},
          ${reservation.action}, ${micros}, 'reserved', ${reservation.onExpiry}, ${at}, ${expires}
        from verdict, path where verdict.fits
      ), entered as (
        insert into ledger_entries (budget_id, reservation_id, kind, spent, held, at)
        select moved.id, ${id}, 'reserve', 0, ${micros}, ${at} from moved
      )
      select locked.id, locked.judged::text as cap, locked.spent::text, locked.held::text,
        verdict.alive, verdict.fits
      from locked, verdict`),
  )
  return {
    alive: rows[0]?.alive === true,
    held: rows[0]?.fits === true,
    before: rows.map(toBalance),
  }
}

/** Ends a reservation that the transaction has taken, on every budget that it was held on. */
const end = async (
  drizzle: Drizzle,
  { id, budgetIds }: StoredReservation,
  ending: Ending,
): Promise<Balance[]> => {
  const at = sql`${ending.at.toISOString()}::text::timestamptz`
  const spent = sql`${ending.spent.toString()}::text::bigint`
  const held = sql`${ending.held.toString()}::text::bigint`
  const { state, charged, overrun } = ending
  await drizzle
    .update(table)
    .set({ state, charged, overrun, endedAt: ending.at })
    .where(eq(table.id, id))
  const rows = rowsOf(
    await drizzle.execute(sql`
      with path as (select ${textArray(budgetIds)} as ids),
      locked as (
        select b.id, b.cap, b.spent, b.held from budgets b, path
        where b.id = any(path.ids) order by array_position(path.ids, b.id)
        for update of b
      ), moved as (
        update budgets b set cap = locked.cap, spent = locked.spent + ${spent},
          held = locked.held + ${held}
        from locked where b.id = locked.id
        returning b.id, least(b.cap, b.wanted_cap) as cap, b.spent, b.held
      ), entered as (
        insert into ledger_entries (budget_id, reservation_id, kind, spent, held, at)
        select moved.id, ${id}, ${ending.kind}, ${spent}, ${held}, ${at} from moved
      )
      select id, cap::text, spent::text, held::text from moved`),
  )
  return rows.map(toBalance)
}

const expiry = (reservation: StoredReservation, at: Date): Ending => {
  const { amount, onExpiry } = reservation
  const common = { held: -amount, overrun: 0n, at }
  return onExpiry === 'charge'
    ? { ...common, state: 'expired_charged', kind: 'expire_charge', spent: amount, charged: amount }
    : { ...common, state: 'expired_released', kind: 'expire_release', spent: 0n, charged: 0n }
}

/**
 * Takes the reservation for this transaction, if it is this client's. What is overdue ends first: the
 * time decides, not when the timer comes round.
 */
const take = async (
  drizzle: Drizzle,
  id: string,
  clientId: string,
  now: Date,
): Promise<StoredReservation | undefined> => {
  const mine = and(eq(table.id, id), eq(table.clientId, clientId))
  const [row] = await drizzle.select().from(table).where(mine).for('update')
  if (row?.state !== 'reserved' || row.expiresAt >= now) return row
  const ending = expiry(row, now)
  await end(drizzle, row, ending)
  return { ...row, state: ending.state, charged: ending.charged }
}

/** Ends what is overdue. Several servers may do this at once: each skips what another has taken. */
const expireDue = async (drizzle: Drizzle, now: Date, limit: number): Promise<number> => {
  const due = await drizzle
    .select()
    .from(table)
    .where(and(eq(table.state, 'reserved'), lt(table.expiresAt, now)))
    .orderBy(table.expiresAt)
    .limit(limit)
    .for('update', { skipLocked: true })
  // Tree after tree in one order everywhere, so that two servers cannot wait for each other.
  const root = ({ budgetIds }: StoredReservation): string => budgetIds[0] ?? ''
  due.sort((one, other) => (root(one) < root(other) ? -1 : 1))
  for (const reservation of due) await end(drizzle, reservation, expiry(reservation, now))
  return due.length
}

/** The moves that one request may make, all in its transaction. */
export interface Ledger {
  hold(reservation: NewReservation, lineage: readonly string[]): Promise<Hold>
  take(id: string, clientId: string, now: Date): Promise<StoredReservation | undefined>
  end(reservation: StoredReservation, ending: Ending): Promise<Balance[]>
}

const ledger = (drizzle: Drizzle): Ledger => ({
  hold: (reservation, lineage) => hold(drizzle, reservation, lineage),
  take: (id, clientId, now) => take(drizzle, id, clientId, now),
  end: (reservation, ending) => end(drizzle, reservation, ending),
})

export const reservationsStore = ({ drizzle, read }: Database) => ({
  /** Runs `work` once for the key, in one transaction with its stored answer. */
  once: (request: KeyedRequest, work: (ledger: Ledger) => Promise<StoredAnswer>) =>
    withRetry(() =>
      drizzle.transaction((transaction) =>
        answerOnce(transaction, request, () => work(ledger(transaction))),
      ),
    ),

  /** @returns how many reservations were ended */
  expire: (now: Date, limit = 100): Promise<number> =>
    withRetry(() => drizzle.transaction((transaction) => expireDue(transaction, now, limit))),

  balances: async (ids: readonly string[]): Promise<Balance[]> => {
    const rows = await read(
      `select id, least(cap, wanted_cap)::text as cap, spent::text, held::text from budgets
       where id = any($1::text[])
       order by array_position($1::text[], id)`,
      [ids],
    )
    return rows.map(toBalance)
  },
})
