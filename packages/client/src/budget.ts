/** What is left to spend, and giving back what was set aside. */
import {
  type Budget,
  type BudgetMode,
  type BudgetPeriod,
  budgetSchema,
  isOAuthError,
} from '@behalf/protocol'
import { hide } from './hidden.js'
import { readTimestamp } from './instant.js'
import { budgetWords } from './limit-words.js'
import { callApi, parseAnswer, requireEndpoint, unusableAnswer } from './server-api.js'
import type { TokenEndpoint } from './token-endpoint.js'

/** A cap for each day, week or month, in UTC. Amounts are decimal text, USD. */
export interface PeriodBudget {
  readonly period: BudgetPeriod
  /** Whose cap: the agent's or the tenant's, named as in `limitedBy`. */
  readonly of: string | undefined
  readonly cap: string
  readonly spent: string
  readonly held: string
  /** When it starts again. */
  readonly renewsAt: Date
}

/** The budget of a delegation, with everything that hangs below it. Amounts are decimal text, USD. */
export interface AgentBudget {
  readonly delegationId: string
  /** Is its cap set aside for it alone, or drawn from the budgets above as it spends? */
  readonly mode: BudgetMode
  /** `undefined`: this delegation has no cap of its own. */
  readonly cap: string | undefined
  readonly spent: string
  /** Reserved or lent to a resource server, and neither spent nor free again. */
  readonly held: string
  /** The least that any budget on the way to the tenant has left; `undefined` when none has a cap. */
  readonly remaining: string | undefined
  /** The budget that leaves the least: this one, one above it, the agent's, the tenant's, a period's. */
  readonly limitedBy: string | undefined
  /** When that budget starts again. `undefined`: it does not. */
  readonly renewsAt: Date | undefined
  /** What the limit allows that leaves the least; `undefined` when none limits requests. */
  readonly requestsPerHour: number | undefined
  /** What that one has left of its hour. */
  readonly remainingRequests: number | undefined
  /** That one's name, as in `limitedBy`. */
  readonly requestsLimitedBy: string | undefined
  /** Empty: none. */
  readonly periods: readonly PeriodBudget[]
  /** What is left and who limits it: one sentence of plain words. */
  describe(): string
}

const instantOf = (text: string): Date => {
  const instant = readTimestamp(text)
  if (instant) return instant
  throw unusableAnswer()
}

const periodOf = (budget: NonNullable<Budget['periods']>[number]): PeriodBudget =>
  Object.freeze({
    period: budget.period,
    of: typeof budget.of === 'string' ? budget.of : undefined,
    cap: budget.cap_usd,
    spent: budget.spent_usd,
    held: budget.held_usd,
    renewsAt: instantOf(budget.renews_at),
  })

const agentBudget = (budget: Budget): AgentBudget => {
  const members = {
    delegationId: budget.delegation_id,
    // A server that names no mode knows no other.
    mode: budget.mode ?? 'shared',
    cap: budget.cap_usd,
    spent: budget.spent_usd,
    held: budget.held_usd,
    remaining: budget.remaining_usd,
    limitedBy: budget.limited_by,
    renewsAt: budget.renews_at === undefined ? undefined : instantOf(budget.renews_at),
    requestsPerHour: budget.requests_per_hour,
    remainingRequests: budget.remaining_requests,
    requestsLimitedBy: budget.requests_limited_by,
    periods: Object.freeze((budget.periods ?? []).map(periodOf)),
  }
  return hide({ ...members, describe: () => budgetWords(members) }, 'describe')
}

const urlOf = async (endpoint: TokenEndpoint, id: string): Promise<string> => {
  const { agent_budget_endpoint } = await endpoint.discovery()
  const base = requireEndpoint(agent_budget_endpoint, 'budgets', 'budgets_not_supported')
  return `${base}/budgets/${id}`
}

/** @throws OAuthError `not_found` when this agent has no part in the delegation */
export const readBudget = async (endpoint: TokenEndpoint, id: string): Promise<AgentBudget> => {
  const body = await callApi(await urlOf(endpoint, id), endpoint.settings)
  return agentBudget(parseAnswer(budgetSchema, body))
}

const isLost = (error: unknown): boolean => isOAuthError(error) && error.reason === 'network_error'

/** An answer that got lost is asked for once more, under the same key: the server does it once. */
const postOnce = async (url: string, { settings }: TokenEndpoint) => {
  const headers = { 'idempotency-key': crypto.randomUUID() }
  const post = () => callApi(url, settings, { method: 'POST', headers })
  try {
    return await post()
  } catch (error) {
    if (isLost(error)) return post()
    throw error
  }
}

/** @throws OAuthError the server's refusal */
export const closeBudget = async (endpoint: TokenEndpoint, id: string): Promise<AgentBudget> => {
  const body = await postOnce(`${await urlOf(endpoint, id)}/close`, endpoint)
  return agentBudget(parseAnswer(budgetSchema, body))
}
