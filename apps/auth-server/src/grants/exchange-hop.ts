/** Who acts after a hop, and what the rules allow of it. */
import { type DelegationMode, OAuthError, type RuleDecision, selectRule } from '@behalf/protocol'
import type { Deps } from '../deps.js'
import type { Client } from '../store/clients.js'
import type { Delegation } from '../store/delegations.js'

export interface Hop {
  actor: Client
  rule: RuleDecision
}

const notPermitted = (): OAuthError =>
  new OAuthError('access_denied', {
    description: 'No rule lets this client delegate to that actor.',
    reason: 'delegation_not_permitted',
    hint: 'Have an administrator add a delegation rule from the one to the other.',
  })

/** Without the one who lends there is nothing to weigh: it has been checked to be alive before. */
const findRule = async (parent: Delegation, actor: Client, mode: DelegationMode, deps: Deps) => {
  const from = await deps.store.clients.find(parent.actor)
  if (!from) return undefined
  // Of the tenant that the authority is of: who holds it for a person may belong to none.
  const { rules } = await deps.store.delegationRules.between(parent.tenant_id, from, actor)
  return selectRule(rules, { from, to: actor, mode })
}

/**
 * An actor that does not exist, is off or is another tenant's is refused as one without a rule.
 *
 * @throws OAuthError `access_denied`
 */
export const findHop = async (
  parent: Delegation,
  to: string,
  mode: DelegationMode,
  deps: Deps,
): Promise<Hop> => {
  const actor = await deps.store.clients.find(to)
  if (!actor || actor.disabled || actor.tenant_id !== parent.tenant_id) throw notPermitted()
  const rule = await findRule(parent, actor, mode, deps)
  if (!rule) throw notPermitted()
  return { actor, rule }
}
