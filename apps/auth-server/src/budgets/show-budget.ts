/** `GET /budgets/{delegation_id}`: for the resource server that charges it and the agents above it. */
import { type Budget, formatUsd } from '@behalf/protocol'
import type { Deps } from '../deps.js'
import type { Client } from '../store/clients.js'
import type { Delegation } from '../store/delegations.js'
import type { Balance } from '../store/reservations.js'
import { remainingUsd, tightest } from './balance.js'
import { notFound } from './charge-rights.js'

const mayRead = async (delegation: Delegation, caller: Client, deps: Deps): Promise<boolean> => {
  if (delegation.resources.some((resource) => caller.serves.includes(resource))) return true
  if (delegation.tenant_id !== caller.tenant_id) return false
  const lineage = await deps.store.delegations.findMany(delegation.lineage)
  return lineage.some(({ actor }) => actor === caller.client_id)
}

const describe = (delegationId: string, balances: readonly Balance[]): Budget => {
  const own = balances.at(-1)
  const least = tightest(balances)
  return {
    delegation_id: delegationId,
    ...(own?.cap !== undefined && { cap_usd: formatUsd(own.cap) }),
    spent_usd: formatUsd(own?.spent ?? 0n),
    held_usd: formatUsd(own?.held ?? 0n),
    ...remainingUsd(balances),
    ...(least && { limited_by: least.id }),
  }
}

/** The live balance of a delegation's own budget, and what the whole path to the tenant leaves. */
export const liveBudget = async (delegation: Delegation, deps: Deps): Promise<Budget> =>
  describe(delegation.id, await deps.store.reservations.balances(delegation.budget_ids))

/** @throws OAuthError `not_found`, for what is unknown and for what is somebody else's */
export const showBudget = async (id: string, caller: Client, deps: Deps): Promise<Budget> => {
  const delegation = await deps.store.delegations.find(id)
  if (!delegation || !(await mayRead(delegation, caller, deps))) throw notFound()
  return liveBudget(delegation, deps)
}
