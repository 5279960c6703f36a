/** Locks and reads what a batch of the ledger touches. */
import { type BudgetPeriod, budgetPeriods, personPrefix } from '@behalf/protocol'
import type {
  Budget,
  KeptAnswer,
  MinuteCount,
  Page,
  StoredLease,
  StoredReservation,
} from '../budgets/book.js'
import { readPeriodId } from '../budgets/periods.js'
import { minuteOf, windowMinutes } from '../budgets/rolling-hour.js'
import type { LedgerWork } from '../budgets/work.js'
import type { Database, Query, Row } from './database.js'

const money = (value: unknown): bigint => BigInt(String(value))
const optionalMoney = (value: unknown): bigint | undefined =>
  value === null || value === undefined ? undefined : money(value)

const periodsOf = (value: unknown): Budget['periods'] => {
  if (value === null || value === undefined) return undefined
  const caps = value as Partial<Record<BudgetPeriod, string>>
  return Object.fromEntries(
    budgetPeriods.flatMap((period) => (caps[period] ? [[period, money(caps[period])]] : [])),
  )
}

export const budgetColumns = `id, tenant_id, cap::text, wanted_cap::text, spent::text, held::text,
  leases, requests_per_hour, requests_held, periods, drawn_from, carved::text`

export const toBudget = (row: Row): Budget => ({
  id: String(row.id),
  tenantId: (row.tenant_id as string | null) ?? undefined,
  cap: optionalMoney(row.cap),
  wantedCap: optionalMoney(row.wanted_cap),
  spent: money(row.spent),
  held: money(row.held),
  leases: Number(row.leases),
  requestsPerHour: (row.requests_per_hour as number | null) ?? undefined,
  requestsHeld: Number(row.requests_held),
  periods: periodsOf(row.periods),
  drawnFrom: (row.drawn_from as string[] | null) ?? undefined,
  carved: optionalMoney(row.carved),
})

const toReservation = (row: Row): StoredReservation => ({
  id: String(row.id),
  delegationId: String(row.delegation_id),
  budgetIds: row.budget_ids as string[],
  clientId: String(row.client_id),
  action: String(row.action),
  amount: money(row.amount),
  onExpiry: row.on_expiry as StoredReservation['onExpiry'],
  createdAt: row.created_at as Date,
  expiresAt: row.expires_at as Date,
  state: row.state as StoredReservation['state'],
  charged: optionalMoney(row.charged),
  overrun: optionalMoney(row.overrun),
  endedAt: (row.ended_at as Date | null) ?? undefined,
})

const toLease = (row: Row): StoredLease => ({
  id: String(row.id),
  delegationId: String(row.delegation_id),
  budgetIds: row.budget_ids as string[],
  clientId: String(row.client_id),
  holder: String(row.holder),
  epoch: Number(row.epoch),
  seq: Number(row.seq),
  state: row.state as StoredLease['state'],
  held: money(row.held),
  spent: money(row.spent),
  overrun: money(row.overrun),
  expired: money(row.expired),
  requestsHeld: Number(row.requests_held),
  requestsUsed: Number(row.requests_used),
  requestsExpired: Number(row.requests_expired),
  recalled: row.recalled === true,
  createdAt: row.created_at as Date,
  expiresAt: row.expires_at as Date,
  endedAt: (row.ended_at as Date | null) ?? undefined,
})

export const toMinute = (row: Row): MinuteCount => ({
  budgetId: String(row.budget_id),
  minute: Number(row.minute),
  count: Number(row.count),
})

const toKept = (row: Row): KeptAnswer => ({
  clientId: String(row.client_id),
  key: String(row.key),
  requestHash: String(row.request_hash),
  expiresAt: row.expires_at as Date,
  answer: {
    status: Number(row.status),
    body: row.body as Record<string, unknown>,
    headers: (row.headers as Record<string, string> | null) ?? {},
  },
})

/** What is charged, and what the reservations and leases in question stand on. */
const touched = `
  select unnest($1::text[])
  union select unnest(budget_ids) from reservations where id = any($2::text[])
  union select unnest(budget_ids) from leases where id = any($3::text[])`

/** In one order everywhere, so that two servers cannot wait for each other. */
const lockBudgets = `
  select ${budgetColumns} from budgets where id in (${touched})
  order by id
  for update`

/**
 * Locked too, so that nothing is held after a revocation was acknowledged: a hold that came first
 * makes the revocation wait. Budgets before delegations, as wherever both are locked.
 */
const readAlive = `
  select d.id from delegations d
  where d.id = any($1::text[]) and d.revoked_at is null
    and (d.expires_at is null or d.expires_at > $2::text::timestamptz)
    and not exists (select from tenants t where t.tenant_id = d.tenant_id and t.disabled)
    -- What a person lends as a member of an organization ends with the membership, whoever took it away.
    and (not starts_with(d.subject, '${personPrefix}') or exists (select from users u
      where u.id = d.subject and not u.disabled and (d.tenant_id is null or exists (
        select from members m where m.user_id = u.id and m.tenant_id = d.tenant_id))))
  order by d.id
  for share of d`

const readReservations = `
  select id, delegation_id, budget_ids, client_id, action, amount::text, state, on_expiry,
    created_at, expires_at, ended_at, charged::text, overrun::text
  from reservations where id = any($1::text[])`

const leaseColumns = `
  select id, delegation_id, budget_ids, client_id, holder, epoch, seq, state, held::text,
    spent::text, overrun::text, expired::text, requests_held, requests_used, requests_expired,
    recalled, created_at, expires_at, ended_at
  from leases`

const readLeases = `
  ${leaseColumns} where id = any($1::text[])
  union ${leaseColumns} where state = 'open'
    and (delegation_id, client_id) in (select * from unnest($2::text[], $3::text[]))`

const readMinutes = `
  select m.budget_id, m.minute, m.count
  from budgets b join request_minutes m on m.budget_id = b.id
  where b.id in (${touched}) and b.requests_per_hour is not null and m.minute > $4::int`

const readAnswers = `
  select client_id, key, request_hash, status, body, headers, expires_at from idempotency_keys
  where (client_id, key) in (select * from unnest($1::text[], $2::text[]))`

const distinct = <T>(values: readonly T[]): T[] => [...new Set(values)]

/** Nothing is asked where there is nothing to ask for. */
const readIf = async <T>(
  query: Query,
  wanted: boolean,
  text: string,
  params: unknown[],
  parse: (row: Row) => T,
): Promise<T[]> => (wanted ? (await query(text, params)).map(parse) : [])

/**
 * Everything is asked for at once. The statements run in this order, each with a snapshot of its own: so
 * after the budgets are locked everything else is read anew, and whoever else moves these rows has
 * committed, or waits.
 */
export const readPage = async (
  query: Query,
  works: readonly LedgerWork[],
  more: readonly string[],
  now: Date,
): Promise<Page> => {
  const all = works.map(({ touches }) => touches)
  const reservations = distinct(all.flatMap((one) => one.reservations))
  const leases = distinct(all.flatMap((one) => one.leases))
  const leasesOf = all.flatMap((one) => one.leasesOf ?? [])
  const lineage = distinct(all.flatMap((one) => one.lineage))
  const requests = works.flatMap(({ request }) => request ?? [])
  const wanted = distinct([...all.flatMap((one) => one.budgetIds), ...more])
  const counts = all.some((one) => one.countsRequests)
  const hasLeases = leases.length + leasesOf.length > 0
  const touches = [wanted, reservations, leases]
  const [budgets, alive, storedReservations, storedLeases, minutes, answers] = await Promise.all([
    readIf(query, true, lockBudgets, touches, toBudget),
    readIf(query, lineage.length > 0, readAlive, [lineage, now.toISOString()], ({ id }) =>
      String(id),
    ),
    readIf(query, reservations.length > 0, readReservations, [reservations], toReservation),
    readIf(
      query,
      hasLeases,
      readLeases,
      [leases, leasesOf.map((one) => one.delegationId), leasesOf.map((one) => one.clientId)],
      toLease,
    ),
    readIf(query, counts, readMinutes, [...touches, minuteOf(now) - windowMinutes], toMinute),
    readIf(
      query,
      requests.length > 0,
      readAnswers,
      [requests.map(({ clientId }) => clientId), requests.map(({ key }) => key)],
      toKept,
    ),
  ])
  return {
    budgets,
    reservations: storedReservations,
    leases: storedLeases,
    minutes,
    alive: new Set(alive),
    answers,
  }
}

/** The rows of periods that have just begun. Made by whoever comes first, with the cap of the budget. */
export const openPeriods = async (database: Database, ids: readonly string[]): Promise<void> => {
  const rows = ids.flatMap((id) => {
    const read = readPeriodId(id)
    return read ? [{ id, of: read.of, period: read.period }] : []
  })
  if (rows.length === 0) return
  await database.write(
    `insert into budgets (id, tenant_id, cap, wanted_cap)
     select p.id, b.tenant_id, (b.periods->>p.period)::bigint, (b.periods->>p.period)::bigint
     from jsonb_to_recordset($1::text::jsonb) as p(id text, "of" text, period text)
       join budgets b on b.id = p."of" and b.periods ? p.period
     order by p.id
     on conflict do nothing`,
    [JSON.stringify(rows)],
  )
}
