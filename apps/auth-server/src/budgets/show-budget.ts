/** `GET /budgets/{id}`: for the resource server that charges it, the agents above it, and admins. */
import { type Budget as BudgetBody, budgetPeriods, formatUsd } from '@behalf/protocol'
import { type Caller, isAdminOf, isParty } from '../delegations/parties.js'
import type { Deps } from '../deps.js'
import type { Delegation } from '../store/delegations.js'
import { judgedCap, remainingUsd, renewsAt, tightest } from './balance.js'
import { type Budget, createBook, MissingBudgets } from './book.js'
import { notFound, serves } from './charge-rights.js'
import { periodId, possiblePeriodIds, readPeriodId } from './periods.js'
import { fewestRequests } from './rolling-hour.js'

const mayRead = async (delegation: Delegation, caller: Caller, deps: Deps): Promise<boolean> =>
  serves(caller.client, delegation) || (await isParty(delegation, caller, deps))

const periodLine = (row: Budget) => {
  const read = readPeriodId(row.id)
  const cap = judgedCap(row)
  if (!read || cap === undefined) return []
  return {
    period: read.period,
    of: read.of,
    cap_usd: formatUsd(cap),
    spent_usd: formatUsd(row.spent),
    held_usd: formatUsd(row.held),
    renews_at: read.renewsAt.toISOString(),
  }
}

/** The last of the rows is the one that it is about; periods tell what they belong to. */
export const describeBudget = (rows: readonly Budget[]) => {
  const own = rows.findLast(({ id }) => readPeriodId(id) === undefined)
  const cap = own && judgedCap(own)
  const least = tightest(rows)
  const periods = rows.flatMap(periodLine)
  return {
    mode: own?.drawnFrom ? 'escrow' : 'shared',
    ...(cap !== undefined && { cap_usd: formatUsd(cap) }),
    spent_usd: formatUsd(own?.spent ?? 0n),
    held_usd: formatUsd(own?.held ?? 0n),
    ...remainingUsd(rows),
    ...(least && { limited_by: least.id, ...renewsAt(least.id) }),
    ...(periods.length > 0 && { periods }),
  } as const
}

/** The row of a period that nobody has drawn on yet. */
const untouched = (id: string, tenantId: string | undefined, cap: bigint): Budget => ({
  id,
  tenantId,
  cap,
  wantedCap: cap,
  spent: 0n,
  held: 0n,
  leases: 0,
  requestsPerHour: undefined,
  requestsHeld: 0,
  periods: undefined,
  drawnFrom: undefined,
  carved: undefined,
})

const withPeriods = (rows: readonly Budget[], now: Date): Budget[] => {
  const known = new Set(rows.map(({ id }) => id))
  const begun = rows.flatMap(({ id, tenantId, periods = {} }) =>
    budgetPeriods.flatMap((period) => {
      const cap = periods[period]
      return cap === undefined ? [] : [untouched(periodId(period, id, now), tenantId, cap)]
    }),
  )
  return [...rows, ...begun.filter(({ id }) => !known.has(id))]
}

const requestsOf = (least: ReturnType<typeof fewestRequests>) =>
  least && {
    requests_per_hour: least.budget.requestsPerHour,
    remaining_requests: least.left,
    requests_limited_by: least.budget.id,
  }

const noHolds = { reservations: [], leases: [], answers: [], alive: new Set<string>() }

/**
 * What a path to the tenant leaves at this moment.
 *
 * @param more what an escrow that was given back is now the business of
 */
export const readBalance = async (
  budgetIds: readonly string[],
  deps: Deps,
  more: readonly string[] = [],
): Promise<ReturnType<typeof describeBudget>> => {
  const now = deps.now()
  const found = await deps.store.budgets.find([
    ...budgetIds.flatMap((id) => [id, ...possiblePeriodIds(id, now)]),
    ...more,
  ])
  const budgets = withPeriods(found, now)
  const limited = budgets.flatMap((row) => (row.requestsPerHour === undefined ? [] : [row.id]))
  const minutes = limited.length > 0 ? await deps.store.budgets.minutes(limited, now) : []
  const book = createBook({ ...noHolds, budgets, minutes }, now)
  try {
    const path = book.drawing(budgetIds.filter((id) => found.some((row) => row.id === id)))
    const fewest = fewestRequests(book, book.budgetsOf(path))
    return { ...describeBudget(book.money(path)), ...requestsOf(fewest) }
  } catch (error) {
    const isNews = error instanceof MissingBudgets && error.ids.some((id) => !more.includes(id))
    if (!isNews) throw error
    return readBalance(budgetIds, deps, [...more, ...error.ids])
  }
}

/** The live balance of a delegation's own budget, and what the whole path to the tenant leaves. */
export const liveBudget = async (
  { id, budget_ids }: Delegation,
  deps: Deps,
): Promise<BudgetBody> => ({ delegation_id: id, ...(await readBalance(budget_ids, deps)) })

/** Of a tenant or an agent, for admins. */
const ownBudget = async (id: string, caller: Caller, deps: Deps) => {
  const [row] = await deps.store.budgets.find([id])
  if (!row || !isAdminOf(caller, row.tenantId)) throw notFound()
  return { budget_id: id, ...(await readBalance([id], deps)) }
}

/** @throws OAuthError `not_found`, for what is unknown and for what is somebody else's */
export const showBudget = async (id: string, caller: Caller, deps: Deps) => {
  const delegation = await deps.store.delegations.find(id)
  if (!delegation) return ownBudget(id, caller, deps)
  if (!(await mayRead(delegation, caller, deps))) throw notFound()
  return liveBudget(delegation, deps)
}
