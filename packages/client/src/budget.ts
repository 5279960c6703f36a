/** What is left to spend. */
import { budgetSchema } from '@behalf/protocol'
import { callApi, parseAnswer, requireEndpoint } from './server-api.js'
import type { TokenEndpoint } from './token-endpoint.js'

/** The budget of a delegation, with everything that hangs below it. Amounts are decimal text, USD. */
export interface AgentBudget {
  readonly delegationId: string
  /** `undefined`: this delegation has no cap of its own. */
  readonly cap: string | undefined
  readonly spent: string
  /** Reserved, and neither spent nor free again. */
  readonly held: string
  /** The least that any budget on the way to the tenant has left; `undefined` when none has a cap. */
  readonly remaining: string | undefined
  /** The budget that leaves the least: this one, one above it, the agent's or the tenant's. */
  readonly limitedBy: string | undefined
}

export const readBudget = async (endpoint: TokenEndpoint, id: string): Promise<AgentBudget> => {
  const { agent_budget_endpoint } = await endpoint.discovery()
  const base = requireEndpoint(agent_budget_endpoint, 'budgets', 'budgets_not_supported')
  const body = await callApi(`${base}/budgets/${id}`, endpoint.settings)
  const budget = parseAnswer(budgetSchema, body)
  return Object.freeze({
    delegationId: budget.delegation_id,
    cap: budget.cap_usd,
    spent: budget.spent_usd,
    held: budget.held_usd,
    remaining: budget.remaining_usd,
    limitedBy: budget.limited_by,
  })
}
