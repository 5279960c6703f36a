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

/** Another server has answered this key in the meantime: its answer is the answer. */
export class KeyTaken extends Error {}

/** Digits: PostgreSQL reads them exactly, whatever a double would make of them. */
const digits = (amount: bigint | undefined): string | undefined => amount?.toString()

/** As decided, and only where nothing has moved since: the lock says so, and this does not rely on it. */
const moveBudgets = `
  update budgets b set cap = c.cap, wanted_cap = c.wanted_cap, spent = c.spent, held = c.held,
    leases = c.leases, requests_held = c.requests_held, drawn_from = c.drawn_from, carved = c.carved
  from jsonb_to_recordset($1::text::jsonb) as c(id text, was_spent bigint, was_held bigint,
    cap bigint, wanted_cap bigint, spent bigint, held bigint, leases int, requests_held bigint,
    drawn_from text[], carved bigint)
  where b.id = c.id and b.spent = c.was_spent and b.held = c.was_held
  returning b.id`

const budgetRow = ({ was, is }: { was: Budget; is: Budget }) => ({
  id: is.id,
  was_spent: digits(was.spent),
  was_held: digits(was.held),
  cap: digits(is.cap),
  wanted_cap: digits(is.wantedCap),
  spent: digits(is.spent),
  held: digits(is.held),
  leases: is.leases,
  requests_held: is.requestsHeld,
  drawn_from: is.drawnFrom,
  carved: digits(is.carved),
})

const addReservations = `
  insert into reservations (id, delegation_id, budget_ids, client_id, action, amount, charged,
    overrun, state, on_expiry, created_at, expires_at, ended_at)
  select id, delegation_id, budget_ids, client_id, action, amount, charged, overrun, state,
    on_expiry, created_at, expires_at, ended_at
  from jsonb_to_recordset($3::text::jsonb) as r(id text, delegation_id text, budget_ids text[],
    client_id text, action text, amount bigint, charged bigint, overrun bigint, state text,
    on_expiry text, created_at timestamptz, expires_at timestamptz, ended_at timestamptz)`

const endReservations = `
  update reservations r set charged = e.charged, overrun = e.overrun, state = e.state,
    ended_at = e.ended_at
  from jsonb_to_recordset($4::text::jsonb) as e(id text, charged bigint, overrun bigint, state text,
    ended_at timestamptz)
  where r.id = e.id`

const reservationRow = (row: StoredReservation) => ({
  id: row.id,
  delegation_id: row.delegationId,
  budget_ids: row.budgetIds,
  client_id: row.clientId,
  action: row.action,
  amount: digits(row.amount),
  charged: digits(row.charged),
  overrun: digits(row.overrun),
  state: row.state,
  on_expiry: row.onExpiry,
  created_at: row.createdAt,
  expires_at: row.expiresAt,
  ended_at: row.endedAt,
})

/** A recall does not wait for the budgets' locks: one that came after the lease was read stands. */
const putLeases = `
  insert into leases (id, delegation_id, budget_ids, client_id, holder, epoch, seq, state, held,
    spent, overrun, expired, requests_held, requests_used, requests_expired, recalled, created_at,
    expires_at, ended_at)
  select * from jsonb_to_recordset($5::text::jsonb) as l(id text, delegation_id text,
    budget_ids text[], client_id text, holder text, epoch int, seq int, state text, held bigint,
    spent bigint, overrun bigint, expired bigint, requests_held int, requests_used int,
    requests_expired int, recalled boolean, created_at timestamptz, expires_at timestamptz,
    ended_at timestamptz)
  on conflict (id) do update set seq = excluded.seq, state = excluded.state, held = excluded.held,
    spent = excluded.spent, overrun = excluded.overrun, expired = excluded.expired,
    requests_held = excluded.requests_held, requests_used = excluded.requests_used,
    requests_expired = excluded.requests_expired, recalled = leases.recalled or excluded.recalled,
    expires_at = excluded.expires_at, ended_at = excluded.ended_at`

const leaseRow = (row: StoredLease) => ({
  id: row.id,
  delegation_id: row.delegationId,
  budget_ids: row.budgetIds,
  client_id: row.clientId,
  holder: row.holder,
  epoch: row.epoch,
  seq: row.seq,
  state: row.state,
  held: digits(row.held),
  spent: digits(row.spent),
  overrun: digits(row.overrun),
  expired: digits(row.expired),
  requests_held: row.requestsHeld,
  requests_used: row.requestsUsed,
  requests_expired: row.requestsExpired,
  recalled: row.recalled,
  created_at: row.createdAt,
  expires_at: row.expiresAt,
  ended_at: row.endedAt,
})

const putMinutes = `
  insert into request_minutes (budget_id, minute, count)
  select * from jsonb_to_recordset($6::text::jsonb) as m(budget_id text, minute int, count bigint)
  on conflict (budget_id, minute) do update set count = excluded.count`

const minuteRow = ({ budgetId, minute, count }: MinuteCount) => ({
  budget_id: budgetId,
  minute,
  count,
})

const addEntries = `
  insert into ledger_entries (budget_ids, ref, kind, spent, held, cap, at)
  select * from jsonb_to_recordset($7::text::jsonb) as e(budget_ids text[], ref text, kind text,
    spent bigint, held bigint, cap bigint, at timestamptz)`

const entryRow = ({ budgetIds, ref, kind, spent, held, cap, at }: Entry) => ({
  budget_ids: budgetIds,
  ref,
  kind,
  spent: digits(spent),
  held: digits(held),
  cap: digits(cap),
  at,
})

const keepAnswers = `
  insert into idempotency_keys (client_id, key, request_hash, status, body, headers, expires_at)
  select * from jsonb_to_recordset($2::text::jsonb) as k(client_id text, key text,
    request_hash text, status int, body jsonb, headers jsonb, expires_at timestamptz)
  order by 1, 2
  on conflict do nothing
  returning key`

const answerRow = ({ clientId, key, requestHash, expiresAt, answer }: KeptAnswer) => ({
  client_id: clientId,
  key,
  request_hash: requestHash,
  status: answer.status,
  body: answer.body,
  headers: answer.headers,
  expires_at: expiresAt,
})

/** One statement: each of its own would be one more message to the database and back. */
const writeAll = `
  with moved as (${moveBudgets}), kept as (${keepAnswers}), added as (${addReservations}),
    ended as (${endReservations}), leased as (${putLeases}), counted as (${putMinutes}),
    entered as (${addEntries})
  select (select count(*)::int from moved) as moved, (select count(*)::int from kept) as kept`

/** @throws KeyTaken, and then nothing was written */
export const writeChanges = async (query: Query, changes: Changes): Promise<void> => {
  const { budgets, answers } = changes
  const parts = [
    budgets.map(budgetRow),
    answers.map(answerRow),
    changes.newReservations.map(reservationRow),
    changes.endedReservations.map(reservationRow),
    changes.leases.map(leaseRow),
    changes.minutes.map(minuteRow),
    changes.entries.map(entryRow),
  ]
  if (parts.every((rows) => rows.length === 0)) return
  const [written] = await query(
    writeAll,
    parts.map((rows) => JSON.stringify(rows)),
  )
  if (written?.kept !== answers.length) throw new KeyTaken()
  if (written?.moved !== budgets.length) throw new Error('a budget has moved under its lock')
}
