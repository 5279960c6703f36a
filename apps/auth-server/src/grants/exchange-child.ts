/** What an exchange makes: the child delegation, and the token. Nothing is decided here. */
import {
  type Actor,
  type Authority,
  agentLimitsClaim,
  narrowingReport,
  OAuthError,
} from '@behalf/protocol'
import { type Deps, fromSeconds } from '../deps.js'
import type { Client } from '../store/clients.js'
import type { NewDelegation } from '../store/issuances.js'
import type { Hop } from './exchange-hop.js'
import type { Exchange } from './exchange-narrowing.js'
import type { ExchangeRequest } from './exchange-request.js'

export const actorLink = (client: Client, issuer: string): Actor => ({
  sub: client.client_id,
  iss: issuer,
  client_id: client.client_id,
  sub_profile: client.kind === 'agent' ? 'ai_agent' : 'service',
})

/** Money that is set aside comes after the delegation was made: until then it has none. */
const budgetOf = (
  { budgetMode }: ExchangeRequest,
  { limits: { costBudget } }: Authority,
): Pick<NewDelegation, 'cap' | 'set_aside'> => {
  if (budgetMode !== 'escrow') return { cap: costBudget?.toString(), set_aside: undefined }
  if (costBudget !== undefined) return { cap: '0', set_aside: costBudget.toString() }
  throw new OAuthError('invalid_request', {
    description: 'Without a cost_budget_usd nothing can be set aside.',
    reason: 'escrow_needs_cap',
    hint: 'Ask for agent_limits with a cost_budget_usd, or for budget_mode=shared.',
  })
}

export const childOf = (
  exchange: Exchange,
  granted: Authority,
  actor: Client,
  act: Actor | undefined,
  hop: Hop | undefined,
  deps: Deps,
): NewDelegation => {
  const { parent, request } = exchange
  const id = deps.newId('dlg')
  return {
    id,
    parent_id: parent.id,
    lineage: [...parent.lineage, id],
    tenant_id: parent.tenant_id,
    subject: parent.subject,
    actor: actor.client_id,
    act,
    scope: granted.scope,
    resources: granted.resources,
    limits: agentLimitsClaim(granted.limits),
    budget_ids: [...parent.budget_ids, id],
    ...budgetOf(request, granted),
    rule_ids: hop?.rule.ids,
    expires_at: fromSeconds(granted.expiresAt).toISOString(),
  }
}

/** What all shapes have in common. */
export const issuanceOf = (
  { request, parent }: Exchange,
  granted: Authority,
  now: number,
  { lifetimes }: Deps,
) => ({
  subject: parent.subject,
  tenantId: parent.tenant_id,
  scope: granted.scope,
  limits: granted.limits,
  audience: granted.resources,
  expiresAt: Math.min(granted.expiresAt, now + lifetimes.delegatedToken),
  parentJti: request.subjectToken.id,
  narrowed: narrowingReport(request, granted),
  mayAct: undefined,
  exchanged: true,
})
