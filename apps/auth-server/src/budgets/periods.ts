/** Budgets that start again: one row for each day, week and month, so that nothing has to be reset. */
import { type BudgetPeriod, budgetPeriods } from '@behalf/protocol'

const dayMs = 86_400_000

const dayOf = (date: Date): string => date.toISOString().slice(0, 10)

/** Midnight in UTC on which the period of this moment began. */
const startOf: Record<BudgetPeriod, (date: Date) => Date> = {
  day: (date) => new Date(dayOf(date)),
  // ISO 8601: a week begins on Monday.
  week: (date) => new Date(new Date(dayOf(date)).getTime() - ((date.getUTCDay() + 6) % 7) * dayMs),
  month: (date) => new Date(`${dayOf(date).slice(0, 7)}-01`),
}

const endOf: Record<BudgetPeriod, (start: Date) => Date> = {
  day: (start) => new Date(start.getTime() + dayMs),
  week: (start) => new Date(start.getTime() + 7 * dayMs),
  month: (start) => new Date(Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + 1, 1)),
}

/**
 * The id of the row for the period of this moment, such as `week:2026-11-16:tenant:acme`. The period
 * comes first: a client may call itself anything, and must not be able to name a row of another.
 */
export const periodId = (period: BudgetPeriod, budgetId: string, now: Date): string =>
  `${period}:${dayOf(startOf[period](now))}:${budgetId}`

/** The rows that a budget with periods draws on now. */
export const periodIds = (
  {
    id,
    periods = {},
  }: {
    id: string
    periods: Readonly<Partial<Record<BudgetPeriod, bigint>>> | undefined
  },
  now: Date,
): string[] =>
  budgetPeriods
    .filter((period) => periods[period] !== undefined)
    .map((period) => periodId(period, id, now))

/** Only tenants and agents have periods: all that such a budget may have a row for now. */
export const possiblePeriodIds = (budgetId: string, now: Date): string[] =>
  /^(tenant|agent):/.test(budgetId)
    ? budgetPeriods.map((period) => periodId(period, budgetId, now))
    : []

const periodRow = /^(day|week|month):(\d{4}-\d{2}-\d{2}):((?:tenant|agent):.*)$/s

/** What the id of a period's row says; `undefined` for every other budget. */
export const readPeriodId = (
  id: string,
): { period: BudgetPeriod; of: string; renewsAt: Date } | undefined => {
  const [, name, start, of] = periodRow.exec(id) ?? []
  if (name === undefined || start === undefined || of === undefined) return undefined
  const period = name as BudgetPeriod
  return { period, of, renewsAt: endOf[period](new Date(start)) }
}
