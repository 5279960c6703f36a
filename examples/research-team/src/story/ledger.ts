/** What the authorization server's ledger says of a delegation's budget. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Agent, discover } from '@behalf/client'
import { z } from 'zod'

const balance = z.looseObject({
  cap_usd: z.string(),
  spent_usd: z.string(),
  held_usd: z.string(),
})
export type Balance = z.infer<typeof balance>

/** An agent may read the budgets of what it lent, with a token for the authorization server. */
export const readBudget = async (agent: Agent, delegationId: string): Promise<Balance> => {
  const { agent_budget_endpoint: ledger } = await discover(agent.issuer)
  const url = `${ledger}/budgets/${delegationId}`
  const response = await agent.fetch(url, {}, { resource: agent.issuer })
  if (!response.ok) throw new Error(`The ledger answered ${response.status}.`)
  const { cap_usd, spent_usd, held_usd } = balance.parse(await response.json())
  return { cap_usd, spent_usd, held_usd }
}

const waitMs = 5000

/** Once the docs server has told what it spent of what it had borrowed: until then it shows as held. */
export const settledBudget = async (agent: Agent, delegationId: string): Promise<Balance> => {
  const end = performance.now() + waitMs
  let found = await readBudget(agent, delegationId)
  while (found.held_usd !== '0' && performance.now() < end) {
    await sleep(50)
    found = await readBudget(agent, delegationId)
  }
  return found
}
