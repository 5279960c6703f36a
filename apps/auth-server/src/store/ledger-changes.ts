/** Writes what a batch of the ledger has decided. */
import type {
  Budget,
  Changes,
  Entry,
  KeptAnswer,
  MinuteCount,
  StoredLease,
  StoredReservation,
} from '../budgets/book.js'
import type { Query } from './database.js'
import { arrayOf, rowsOf } from './row-arrays.js'

/** Another server has answered this key in the meantime: its answer is the answer. */
export class KeyTaken extends Error {}

/** Digits: PostgreSQL reads them exactly, whatever a double would make of them. */
const digits = (amount: bigint | undefined): string | undefined => amount?.toString()

const budgetRows = rowsOf<{ was: Budget; is: Budget }>(1, [
  ['id', 'text', ({ is }) => is.id],
  ['was_spent', 'bigint', ({ was }) => digits(was.spent)],
  ['was_held', 'bigint', ({ was }) => digits(was.held)],
  ['cap', 'bigint', ({ is }) => digits(is.cap)],
  ['wanted_cap', 'bigint', ({ is }) => digits(is.wantedCap)],
  ['spent', 'bigint', ({ is }) => digits(is.spent)],
  ['held', 'bigint', ({ is }) => digits(is.held)],
  ['leases', 'int', ({ is }) => String(is.leases)],
  ['requests_held', 'bigint', ({ is }) => String(is.requestsHeld)],
  ['drawn_from', 'text[]', ({ is }) => is.drawnFrom && arrayOf(is.drawnFrom)],
  ['carved', 'bigint', ({ is }) => digits(is.carved)],
])

/** As decided, and only where nothing has moved since: the lock says so, and this does not rely on it. */
const moveBudgets = `
  update budgets b set cap = c.cap, wanted_cap = c.wanted_cap, spent = c.spent, held = c.held,
    leases = c.leases, requests_held = c.requests_held, drawn_from = c.drawn_from, carved = c.carved
  from ${budgetRows.table} as c
  where b.id = c.id and b.spent = c.was_spent and b.held = c.was_held
  returning b.id`

const answerRows = rowsOf<KeptAnswer>(budgetRows.end, [
  ['client_id', 'text', ({ clientId }) => clientId],
  ['key', 'text', ({ key }) => key],
  ['request_hash', 'text', ({ requestHash }) => requestHash],
  ['status', 'int', ({ answer }) => String(answer.status)],
  ['body', 'jsonb', ({ answer }) => JSON.stringify(answer.body)],
  ['headers', 'jsonb', ({ answer }) => answer.headers && JSON.stringify(answer.headers)],
  ['expires_at', 'timestamptz', ({ expiresAt }) => expiresAt.toISOString()],
])

// In one order everywhere, so that two servers with the same keys cannot wait for each other.
const keepAnswers = `
  insert into idempotency_keys (${answerRows.names})
  select * from ${answerRows.table} as k order by client_id, key`

const reservationRows = rowsOf<StoredReservation>(answerRows.end, [
  ['id', 'text', ({ id }) => id],
  ['delegation_id', 'text', ({ delegationId }) => delegationId],
  ['budget_ids', 'text[]', ({ budgetIds }) => arrayOf(budgetIds)],
  ['client_id', 'text', ({ clientId }) => clientId],
  ['action', 'text', ({ action }) => action],
  ['amount', 'bigint', ({ amount }) => digits(amount)],
  ['state', 'text', ({ state }) => state],
  ['on_expiry', 'text', ({ onExpiry }) => onExpiry],
  ['created_at', 'timestamptz', ({ createdAt }) => createdAt.toISOString()],
  ['expires_at', 'timestamptz', ({ expiresAt }) => expiresAt.toISOString()],
])

const addReservations = `
  insert into reservations (${reservationRows.names})
  select * from ${reservationRows.table} as r`

const endRows = rowsOf<StoredReservation>(reservationRows.end, [
  ['id', 'text', ({ id }) => id],
  ['charged', 'bigint', ({ charged }) => digits(charged)],
  ['overrun', 'bigint', ({ overrun }) => digits(overrun)],
  ['state', 'text', ({ state }) => state],
  ['ended_at', 'timestamptz', ({ endedAt }) => endedAt?.toISOString()],
])

const endReservations = `
  update reservations r set charged = e.charged, overrun = e.overrun, state = e.state,
    ended_at = e.ended_at
  from ${endRows.table} as e
  where r.id = e.id`

const entryRows = rowsOf<Entry>(endRows.end, [
  ['budget_ids', 'text[]', ({ budgetIds }) => arrayOf(budgetIds)],
  ['ref', 'text', ({ ref }) => ref],
  ['kind', 'text', ({ kind }) => kind],
  ['spent', 'bigint', ({ spent }) => digits(spent)],
  ['held', 'bigint', ({ held }) => digits(held)],
  ['cap', 'bigint', ({ cap }) => digits(cap)],
  ['at', 'timestamptz', ({ at }) => at.toISOString()],
])

const addEntries = `
  insert into ledger_entries (${entryRows.names})
  select * from ${entryRows.table} as e`

const minuteRows = rowsOf<MinuteCount>(entryRows.end, [
  ['budget_id', 'text', ({ budgetId }) => budgetId],
  ['minute', 'int', ({ minute }) => String(minute)],
  ['count', 'bigint', ({ count }) => String(count)],
])

const putMinutes = `
  insert into request_minutes (${minuteRows.names})
  select * from ${minuteRows.table} as m
  on conflict (budget_id, minute) do update set count = excluded.count`

const leaseRows = rowsOf<StoredLease>(minuteRows.end, [
  ['id', 'text', ({ id }) => id],
  ['delegation_id', 'text', ({ delegationId }) => delegationId],
  ['budget_ids', 'text[]', ({ budgetIds }) => arrayOf(budgetIds)],
  ['client_id', 'text', ({ clientId }) => clientId],
  ['holder', 'text', ({ holder }) => holder],
  ['epoch', 'int', ({ epoch }) => String(epoch)],
  ['seq', 'int', ({ seq }) => String(seq)],
  ['state', 'text', ({ state }) => state],
  ['held', 'bigint', ({ held }) => digits(held)],
  ['spent', 'bigint', ({ spent }) => digits(spent)],
  ['overrun', 'bigint', ({ overrun }) => digits(overrun)],
  ['expired', 'bigint', ({ expired }) => digits(expired)],
  ['requests_held', 'int', ({ requestsHeld }) => String(requestsHeld)],
  ['requests_used', 'int', ({ requestsUsed }) => String(requestsUsed)],
  ['requests_expired', 'int', ({ requestsExpired }) => String(requestsExpired)],
  ['recalled', 'boolean', ({ recalled }) => String(recalled)],
  ['created_at', 'timestamptz', ({ createdAt }) => createdAt.toISOString()],
  ['expires_at', 'timestamptz', ({ expiresAt }) => expiresAt.toISOString()],
  ['ended_at', 'timestamptz', ({ endedAt }) => endedAt?.toISOString()],
])

/** A recall does not wait for the budgets' locks: one that came after the lease was read stands. */
const putLeases = `
  insert into leases (${leaseRows.names})
  select * from ${leaseRows.table} as l
  on conflict (id) do update set seq = excluded.seq, state = excluded.state, held = excluded.held,
    spent = excluded.spent, overrun = excluded.overrun, expired = excluded.expired,
    requests_held = excluded.requests_held, requests_used = excluded.requests_used,
    requests_expired = excluded.requests_expired, recalled = leases.recalled or excluded.recalled,
    expires_at = excluded.expires_at, ended_at = excluded.ended_at`

/**
 * One statement: each of its own would be one more message to the database and back. Should a budget
 * have moved it fails, by a cast that cannot be made.
 */
const writeAll = `
  with moved as (${moveBudgets}), kept as (${keepAnswers}), added as (${addReservations}),
    ended as (${endReservations}), leased as (${putLeases}), counted as (${putMinutes}),
    entered as (${addEntries})
  select case when count(*) <> $${leaseRows.end}::text::int
    then cast('budgets have moved under their lock: ' || count(*) as int) end
  from moved`

/** `unique_violation`: of these rows only the keys are named by somebody else. */
const isTaken = (error: unknown): boolean => (error as { code?: unknown }).code === '23505'

/** @throws KeyTaken, and then nothing was written */
export const writeChanges = async (query: Query, changes: Changes): Promise<void> => {
  const params = [
    ...budgetRows.params(changes.budgets),
    ...answerRows.params(changes.answers),
    ...reservationRows.params(changes.newReservations),
    ...endRows.params(changes.endedReservations),
    ...entryRows.params(changes.entries),
    ...minuteRows.params(changes.minutes),
    ...leaseRows.params(changes.leases),
  ]
  if (params.every((array) => array === '{}')) return
  try {
    await query(writeAll, [...params, String(changes.budgets.length)])
  } catch (error) {
    throw isTaken(error) ? new KeyTaken() : error
  }
}
