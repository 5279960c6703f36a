/** The ledger: balances, what is held on them, and every movement. */
import type { BudgetPeriod, LeaseState, ReservationState } from '@behalf/protocol'
import { sql } from 'drizzle-orm'
import {
  bigint,
  bigserial,
  boolean,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
} from 'drizzle-orm/pg-core'
import { at, microUsd } from './columns.js'
import { readByBudget, readByDelegation, readByTenant } from './row-security.js'

/** The first day of the period that a row is for. Retention looks for old ones by it. */
const periodDay = sql`substring(id from '^(?:day|week|month):(\\d{4}-\\d{2}-\\d{2}):')`
const isPeriodRow = sql`id ~ '^(day|week|month):'`

/** Balances. The constraint is the last word: what is spent and held never exceeds the cap. */
export const budgets = pgTable(
  'budgets',
  {
    /** `tenant:ID`, `agent:CLIENT_ID`, the id of a delegation, or a period of these. */
    id: text('id').primaryKey(),
    tenantId: text('tenant_id'),
    cap: microUsd('cap'),
    /** Lower than `cap` while more than it was held when it was cut. New holds are judged by it. */
    wantedCap: microUsd('wanted_cap'),
    /** What the file said last: only another word of the file undoes what an admin has set. */
    fileCap: microUsd('file_cap'),
    spent: microUsd('spent').notNull().default(sql`0`),
    held: microUsd('held').notNull().default(sql`0`),
    /** Open leases that draw on it: each may have its share of what is left. */
    leases: integer('leases').notNull().default(0),
    requestsPerHour: integer('requests_per_hour'),
    /** Over all leases below, limited or not: more than an integer holds. */
    requestsHeld: bigint('requests_held', { mode: 'number' }).notNull().default(0),
    /** Caps of each day, week and month: micro-USD as text. */
    periods: jsonb('periods').$type<Partial<Record<BudgetPeriod, string>>>(),
    /** Escrow: the budgets that it was carved out of, and how much is set aside there still. */
    drawnFrom: text('drawn_from').array(),
    carved: microUsd('carved'),
  },
  (table) => [
    readByTenant(),
    index('budgets_escrow').on(table.id).where(sql`carved is not null`),
    // What an escrow was carved out of is kept for as long as the escrow is.
    index('budgets_drawn_from').using('gin', table.drawnFrom).where(sql`drawn_from is not null`),
    index('budgets_period').on(periodDay, table.id).where(isPeriodRow),
    check('budgets_not_negative', sql`${table.spent} >= 0 and ${table.held} >= 0`),
    check(
      'budgets_never_over_cap',
      sql`${table.cap} is null or ${table.spent} + ${table.held} <= ${table.cap}`,
    ),
    check('budgets_counts', sql`${table.leases} >= 0 and ${table.requestsHeld} >= 0`),
  ],
)

export const reservations = pgTable(
  'reservations',
  {
    id: text('id').primaryKey(),
    delegationId: text('delegation_id').notNull(),
    /** The budgets that it was held on, the tenant's first. */
    budgetIds: text('budget_ids').array().notNull(),
    /** The resource server that reserved; nobody else may end it. */
    clientId: text('client_id').notNull(),
    action: text('action').notNull(),
    amount: microUsd('amount').notNull(),
    charged: microUsd('charged'),
    /** What was used beyond the reservation: never charged, held against the meter. */
    overrun: microUsd('overrun'),
    state: text('state').$type<ReservationState>().notNull(),
    onExpiry: text('on_expiry').$type<'charge' | 'release'>().notNull(),
    createdAt: at('created_at').notNull(),
    expiresAt: at('expires_at').notNull(),
    endedAt: at('ended_at'),
  },
  (table) => [
    readByDelegation('reservations'),
    index('reservations_delegation_id').on(table.delegationId, table.createdAt),
    index('reservations_open').on(table.expiresAt).where(sql`state = 'reserved'`),
    index('reservations_open_of').on(table.clientId).where(sql`state = 'reserved'`),
    index('reservations_ended').on(table.endedAt).where(sql`state <> 'reserved'`),
    check('reservations_amount', sql`${table.amount} > 0`),
    check('reservations_charged', sql`${table.charged} between 0 and ${table.amount}`),
  ],
)

/** Money and requests lent to a resource server, to be spent there without asking. */
export const leases = pgTable(
  'leases',
  {
    id: text('id').primaryKey(),
    delegationId: text('delegation_id').notNull(),
    budgetIds: text('budget_ids').array().notNull(),
    clientId: text('client_id').notNull(),
    /** Which process of that client. */
    holder: text('holder').notNull(),
    epoch: integer('epoch').notNull(),
    seq: integer('seq').notNull(),
    state: text('state').$type<LeaseState>().notNull(),
    held: microUsd('held').notNull(),
    /** Reported and charged. */
    spent: microUsd('spent').notNull(),
    overrun: microUsd('overrun').notNull(),
    /** Charged because it expired; a late report takes back what was not used. */
    expired: microUsd('expired').notNull(),
    requestsHeld: integer('requests_held').notNull(),
    requestsUsed: integer('requests_used').notNull(),
    requestsExpired: integer('requests_expired').notNull(),
    recalled: boolean('recalled').notNull(),
    createdAt: at('created_at').notNull(),
    expiresAt: at('expires_at').notNull(),
    endedAt: at('ended_at'),
  },
  (table) => [
    readByDelegation('leases'),
    index('leases_open').on(table.expiresAt).where(sql`state = 'open'`),
    index('leases_open_of').on(table.delegationId, table.clientId).where(sql`state = 'open'`),
    index('leases_ended').on(table.endedAt).where(sql`state <> 'open'`),
    check('leases_not_negative', sql`${table.held} >= 0 and ${table.requestsHeld} >= 0`),
  ],
)

/** Requests of the last hour by the minute, for the budgets that limit them. */
export const requestMinutes = pgTable(
  'request_minutes',
  {
    budgetId: text('budget_id').notNull(),
    /** Minutes since 1970. */
    minute: integer('minute').notNull(),
    count: bigint('count', { mode: 'number' }).notNull(),
  },
  (table) => [
    readByBudget('request_minutes.budget_id'),
    primaryKey({ columns: [table.budgetId, table.minute] }),
    index('request_minutes_minute').on(table.minute),
    check('request_minutes_not_negative', sql`${table.count} >= 0`),
  ],
)

/** Append-only movements. For each budget, its opening and the sums of its entries are its balances. */
export const ledgerEntries = pgTable(
  'ledger_entries',
  {
    id: bigserial('id', { mode: 'bigint' }).primaryKey(),
    /** All that moved together: the path from the tenant down. */
    budgetIds: text('budget_ids').array().notNull(),
    /** The reservation, the lease or the budget that it is about. */
    ref: text('ref').notNull(),
    kind: text('kind').notNull(),
    spent: microUsd('spent').notNull(),
    held: microUsd('held').notNull(),
    /** The new cap, where that is what changed. */
    cap: microUsd('cap'),
    at: at('at').notNull(),
  },
  () => [readByBudget('any(ledger_entries.budget_ids)')],
)

/** What entries that are forgotten came to, for each budget. */
export const ledgerOpenings = pgTable(
  'ledger_openings',
  {
    budgetId: text('budget_id').primaryKey(),
    spent: microUsd('spent').notNull(),
    held: microUsd('held').notNull(),
    /** How many there were, and when the last of them was. */
    entries: bigint('entries', { mode: 'bigint' }).notNull(),
    lastAt: at('last_at').notNull(),
  },
  () => [readByBudget('ledger_openings.budget_id')],
)

/** First answers, refusals too, so that a retry changes nothing. */
export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    clientId: text('client_id').notNull(),
    key: text('key').notNull(),
    requestHash: text('request_hash').notNull(),
    status: integer('status'),
    body: jsonb('body').$type<Record<string, unknown>>(),
    headers: jsonb('headers').$type<Record<string, string>>(),
    expiresAt: at('expires_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.clientId, table.key] }),
    index('idempotency_keys_expires_at').on(table.expiresAt),
  ],
).enableRLS()
