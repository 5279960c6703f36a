/** Budgets as they are read, and as the configuration has them. They move in the ledger only. */
import { isDeepStrictEqual } from 'node:util'
import type { BudgetPeriod } from '@behalf/protocol'
import { eq, sql } from 'drizzle-orm'
import type { Budget, MinuteCount } from '../budgets/book.js'
import { periodId } from '../budgets/periods.js'
import { minuteOf, windowMinutes } from '../budgets/rolling-hour.js'
import { batchRows } from './batch-rows.js'
import type { Database, Drizzle, Row } from './database.js'
import { budgetColumns, toBudget, toMinute } from './ledger-page.js'
import { recallLeases } from './revocations.js'
import { budgets } from './schema.js'

export interface Overdue {
  reservations: string[]
  leases: string[]
  /** Delegations that have ended with something still set aside for them. */
  escrows: string[]
}

const overdueReservations = `
  select id from reservations where state = 'reserved' and expires_at < $1::text::timestamptz
  order by expires_at limit $2::int`

const overdueLeases = `
  select id from leases where state = 'open' and expires_at < $1::text::timestamptz
  order by expires_at limit $2::int`

const endedEscrows = `
  select b.id from budgets b join delegations d on d.id = b.id
  where b.carved is not null and exists (
    select from delegations above where above.id = any(d.lineage)
      and (above.revoked_at is not null or above.expires_at <= $1::text::timestamptz))
  order by b.id limit $2::int`

const openHolds = `
  select (select count(*) from (select from reservations
      where client_id = $1 and state = 'reserved' limit $2::int) r)
    + (select count(*) from (select from leases
      where client_id = $1 and state = 'open' limit $2::int) l) as open`

/** What the entries, and those forgotten, say of each budget beside what it says itself. */
const audit = `
  select b.id, b.spent::text, b.held::text,
    (coalesce(o.spent, 0) + coalesce(e.spent, 0))::text as entered_spent,
    (coalesce(o.held, 0) + coalesce(e.held, 0))::text as entered_held
  from budgets b left join ledger_openings o on o.budget_id = b.id left join (
    select part.id, sum(spent) as spent, sum(held) as held
    from ledger_entries, unnest(budget_ids) as part(id) group by part.id
  ) e on e.id = b.id
  where $1::text is null or b.tenant_id = $1::text
  order by b.id`

export interface AuditLine {
  id: string
  spent: bigint
  held: bigint
  enteredSpent: bigint
  enteredHeld: bigint
}

const toLine = (row: Row): AuditLine => ({
  id: String(row.id),
  spent: BigInt(String(row.spent)),
  held: BigInt(String(row.held)),
  enteredSpent: BigInt(String(row.entered_spent)),
  enteredHeld: BigInt(String(row.entered_held)),
})

export const budgetsStore = ({ read, report, drizzle }: Database) => {
  const ids = async (text: string, now: Date, limit: number): Promise<string[]> =>
    (await read(text, [now.toISOString(), limit])).map(({ id }) => String(id))
  return {
    /** In the order asked for; those that there are not are left out. */
    find: batchRows(
      async (wanted) =>
        (
          await read(`select ${budgetColumns} from budgets where id = any($1::text[])`, [wanted])
        ).map(toBudget),
      ({ id }: Budget) => id,
    ),

    minutes: async (wanted: readonly string[], now: Date): Promise<MinuteCount[]> => {
      const rows = await read(
        `select budget_id, minute, count from request_minutes
         where budget_id = any($1::text[]) and minute > $2::int`,
        [wanted, minuteOf(now) - windowMinutes],
      )
      return rows.map(toMinute)
    },

    overdue: async (now: Date, limit: number): Promise<Overdue> => {
      const [reservations, leases, escrows] = await Promise.all([
        ids(overdueReservations, now, limit),
        ids(overdueLeases, now, limit),
        ids(endedEscrows, now, limit),
      ])
      return { reservations, leases, escrows }
    },

    /** Reservations and leases of a client that have not ended, counted up to a limit of each. */
    openHolds: async (clientId: string, limit: number): Promise<number> => {
      const [row] = await read(openHolds, [clientId, limit])
      return Number(row?.open)
    },

    /**
     * One statement, so that balances and entries are of the same moment. It reads every entry.
     *
     * @param patient true to wait for it however long it takes
     */
    audit: async (tenantId: string | undefined, patient: boolean): Promise<AuditLine[]> =>
      (await (patient ? read : report)(audit, [tenantId ?? null])).map(toLine),

    forgetMinutes: async (now: Date): Promise<void> => {
      const oldest = minuteOf(now) - 2 * windowMinutes
      await drizzle.execute(sql`delete from request_minutes where minute < ${oldest}::int`)
    },
  }
}

/** What the configuration says of a budget. */
export interface BudgetSetting {
  id: string
  tenantId: string | undefined
  cap: bigint | undefined
  requestsPerHour?: number | undefined
  periods?: Partial<Record<BudgetPeriod, bigint>> | undefined
}

const periodTexts = (periods: BudgetSetting['periods'] = {}) => {
  const texts = Object.entries(periods).map(([period, cap]) => [period, String(cap)])
  return texts.length > 0 ? Object.fromEntries(texts) : null
}

const isSame = (before: typeof budgets.$inferSelect, setting: BudgetSetting): boolean =>
  before.fileCap === (setting.cap ?? null) &&
  before.tenantId === (setting.tenantId ?? null) &&
  before.requestsPerHour === (setting.requestsPerHour ?? null) &&
  (!('periods' in setting) || isDeepStrictEqual(before.periods, periodTexts(setting.periods)))

/**
 * Creates a budget, or moves its cap when the file says something else than last time: what an admin
 * has set in the meantime is not undone by a restart. Where it says the same, nothing is locked: other
 * servers are at work with these rows. What is spent and held already stands; nothing
 * new is held beyond the cap that is wanted.
 */
export const setBudget = async (
  drizzle: Drizzle,
  setting: BudgetSetting,
  now: Date,
): Promise<void> => {
  const { id, tenantId, requestsPerHour = null } = setting
  const cap = setting.cap ?? null
  const [before] = await drizzle.select().from(budgets).where(eq(budgets.id, id))
  if (before && isSame(before, setting)) return
  const isNews = sql`${budgets.fileCap} is distinct from ${cap}::bigint`
  const used = sql`${budgets.spent} + ${budgets.held}`
  await drizzle
    .insert(budgets)
    .values({
      id,
      tenantId,
      cap,
      wantedCap: cap,
      fileCap: cap,
      requestsPerHour,
      periods: periodTexts(setting.periods),
    })
    .onConflictDoUpdate({
      target: budgets.id,
      set: {
        tenantId: tenantId ?? null,
        cap: sql`case when not ${isNews} then ${budgets.cap}
          when ${cap}::bigint is not null then greatest(${cap}::bigint, ${used}) end`,
        wantedCap: sql`case when ${isNews} then ${cap}::bigint else ${budgets.wantedCap} end`,
        fileCap: cap,
        requestsPerHour,
        ...('periods' in setting && { periods: periodTexts(setting.periods) }),
      },
    })
  const isCut = before?.fileCap !== cap && cap !== null && (before?.wantedCap ?? cap + 1n) > cap
  if (before && isCut) await recallLeases(drizzle, id, now)
  for (const [period, periodCap] of Object.entries(setting.periods ?? {})) {
    await drizzle
      .update(budgets)
      .set({ cap: sql`greatest(${periodCap}::bigint, ${used})`, wantedCap: periodCap })
      .where(eq(budgets.id, periodId(period as BudgetPeriod, id, now)))
  }
}
