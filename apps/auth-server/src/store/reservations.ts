/** The ledger: balances move only here, root first, and the rule is the SQL. */
import type { ReservationState } from '@behalf/protocol'
import { and, eq, lt, sql } from 'drizzle-orm'
import type { Database, Drizzle, Row } from './database.js'
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

/** The two drivers answer `execute` differently. */
const rowsOf = (result: unknown): Row[] =>
  Array.isArray(result) ? result : (result as { rows: Row[] }).rows

const textArray = (ids: readonly string[]) =>
  sql`array(select jsonb_array_elements_text(${JSON.stringify(ids)}::text::jsonb))`

const toBalance = (row: Row): Balance => ({
  id: String(row.id),
  cap: row.cap === null ? undefined : BigInt(String(row.cap)),
  spent: BigInt(String(row.spent)),
  held: BigInt(String(row.held)),
})

/**
 * Holds the amount on every budget, or on none. One statement: lock root first, decide on the locked
 * rows, move, write the reservation and its entries. The CHECK constraint stands behind it.
 *
 * @returns the balances as they were when locked, and whether the amount was held
 */
const hold = async (
  drizzle: Drizzle,
  reservation: NewReservation,
): Promise<{ held: boolean; before: Balance[] }> => {
  const { id, budgetIds, amount, createdAt } = reservation
  const at = sql`${createdAt.toISOString()}::text::timestamptz`
  const expires = sql`${reservation.expiresAt.toISOString()}::text::timestamptz`
  const micros = sql`${amount.toString()}::text::bigint`
  const rows = rowsOf(
    await drizzle.execute(sql`
      with path as (select ${textArray(budgetIds)} as ids),
      locked as (
        select b.id, b.cap, b.spent, b.held from budgets b, path
        where b.id = any(path.ids) order by array_position(path.ids, b.id)
        for update of b
      ), verdict as (
        select count(*) = ${budgetIds.length}::int
          and bool_and(cap is null or cap - spent - held >= ${micros}) as fits
        from locked
      ), moved as (
        update budgets b set held = b.held + ${micros}
        from verdict, path where verdict.fits and b.id = any(path.ids)
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
      select locked.id, locked.cap::text, locked.spent::text, locked.held::text, verdict.fits
      from locked, verdict`),
  )
  return { held: rows.length > 0 && rows.every(({ fits }) => fits), before: rows.map(toBalance) }
}

/** Takes the reservation for this transaction, if it is this client's. */
const take = async (
  drizzle: Drizzle,
  id: string,
  clientId: string,
): Promise<StoredReservation | undefined> => {
  const mine = and(eq(table.id, id), eq(table.clientId, clientId))
  const [row] = await drizzle.select().from(table).where(mine).for('update')
  return row
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
        select b.id from budgets b, path
        where b.id = any(path.ids) order by array_position(path.ids, b.id)
        for update of b
      ), moved as (
        update budgets b set spent = b.spent + ${spent}, held = b.held + ${held}
        from locked where b.id = locked.id
        returning b.id, b.cap, b.spent, b.held
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

/** Ends what is overdue. Several servers may do this at once: each skips what another has taken. */
const expireDue = async (drizzle: Drizzle, now: Date, limit: number): Promise<number> => {
  const due = await drizzle
    .select()
    .from(table)
    .where(and(eq(table.state, 'reserved'), lt(table.expiresAt, now)))
    .orderBy(table.expiresAt)
    .limit(limit)
    .for('update', { skipLocked: true })
  for (const reservation of due) await end(drizzle, reservation, expiry(reservation, now))
  return due.length
}

/** The moves that one request may make, all in its transaction. */
export interface Ledger {
  hold(reservation: NewReservation): Promise<{ held: boolean; before: Balance[] }>
  take(id: string, clientId: string): Promise<StoredReservation | undefined>
  end(reservation: StoredReservation, ending: Ending): Promise<Balance[]>
}

const ledger = (drizzle: Drizzle): Ledger => ({
  hold: (reservation) => hold(drizzle, reservation),
  take: (id, clientId) => take(drizzle, id, clientId),
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
      `select id, cap::text, spent::text, held::text from budgets where id = any($1::text[])
       order by array_position($1::text[], id)`,
      [ids],
    )
    return rows.map(toBalance)
  },
})
