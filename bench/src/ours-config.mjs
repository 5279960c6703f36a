/** The configuration of our server for what it is measured at beside its peers. */
import { resource, secret } from './servers.mjs'

const limits = { cost_budget_usd: 1000, max_delegation_depth: 5 }

const agent = (client_id, more = {}) => ({
  client_id,
  kind: 'agent',
  tenant_id: 'bench',
  client_secret: secret,
  scope: 'docs:read docs:write',
  resources: [resource],
  ...more,
})

/**
 * `bench` has no limits. `orchestrator` has a budget, lends to `researcher`, and that one to `worker`,
 * or the resource server takes over from it.
 */
export const oursConfig = {
  // By default a delegation has a thousand children at most, which a benchmark soon has.
  delegation_bounds: { max_children: 1_000_000, max_children_per_minute: 1_000_000 },
  tenants: [{ tenant_id: 'bench', limits: { cost_budget_usd: 100_000 } }],
  resources: [
    {
      resource,
      tenant_id: 'bench',
      scopes_supported: ['docs:read', 'docs:write'],
      client_id: 'docs-server',
    },
  ],
  clients: [
    agent('bench'),
    agent('orchestrator', { agent_limits: limits }),
    agent('researcher', { agent_limits: limits }),
    agent('worker', { agent_limits: limits }),
    {
      client_id: 'docs-server',
      kind: 'resource_server',
      tenant_id: 'bench',
      client_secret: secret,
      scope: 'docs:read docs:write',
      resources: [resource],
    },
  ],
  delegation_rules: [
    { from: 'orchestrator', to: 'researcher' },
    { from: 'researcher', to: 'docs-server' },
    { from: 'researcher', to: 'worker' },
  ],
}
