/** What the operator writes once: `behalf.config.json`, here with fresh secrets for every run. */
import { randomBytes } from 'node:crypto'

export interface Addresses {
  /** The MCP server. */
  docs: string
  /** Another resource of the same tenant. Nobody listens there. */
  reports: string
  /** A resource of the other tenant. Nobody listens there either. */
  globex: string
}

const clientIds = [
  'orchestrator',
  'researcher',
  'scraper',
  'stranger',
  'globex-agent',
  'docs-server',
] as const

export type ClientId = (typeof clientIds)[number]
export type Secrets = Readonly<Record<ClientId, string>>

const newSecret = (): string => randomBytes(32).toString('base64url')

export const newSecrets = (): Secrets => ({
  orchestrator: newSecret(),
  researcher: newSecret(),
  scraper: newSecret(),
  stranger: newSecret(),
  'globex-agent': newSecret(),
  'docs-server': newSecret(),
})

const docsScopes = ['docs:read', 'docs:comment', 'docs:publish']

const agents = ({ docs, reports, globex }: Addresses) => [
  {
    client_id: 'orchestrator',
    agent_type: 'planner',
    tenant_id: 'acme',
    scope: [...docsScopes, 'reports:read', 'delegations:read'].join(' '),
    resources: [docs, reports],
    agent_limits: {
      cost_budget_usd: 5,
      allowed_actions: ['docs.*'],
      max_delegation_depth: 2,
    },
  },
  { client_id: 'researcher', agent_type: 'researcher', tenant_id: 'acme' },
  { client_id: 'scraper', agent_type: 'scraper', tenant_id: 'acme' },
  { client_id: 'stranger', tenant_id: 'acme' },
  { client_id: 'globex-agent', tenant_id: 'globex', scope: 'wiki:read', resources: [globex] },
]

/** Everything that the authorization server knows at its first start. */
export const demoConfig = (addresses: Addresses, secrets: Secrets) => ({
  tenants: [
    { tenant_id: 'acme', name: 'Acme', limits: { cost_budget_usd: 100 } },
    { tenant_id: 'globex', name: 'Globex', limits: { cost_budget_usd: 100 } },
  ],
  resources: [
    {
      resource: addresses.docs,
      tenant_id: 'acme',
      scopes_supported: docsScopes,
      client_id: 'docs-server',
    },
    { resource: addresses.reports, tenant_id: 'acme', scopes_supported: ['reports:read'] },
    { resource: addresses.globex, tenant_id: 'globex', scopes_supported: ['wiki:read'] },
  ],
  clients: [
    ...agents(addresses).map((agent) => ({ kind: 'agent', ...agent })),
    { client_id: 'docs-server', kind: 'resource_server', tenant_id: 'acme' },
  ].map((client) => ({
    ...client,
    client_secret: secrets[client.client_id as ClientId],
  })),
  // Who may lend to whom, and how much at most. What is not here is not allowed.
  delegation_rules: [
    {
      from: 'orchestrator',
      to: 'researcher',
      scope: 'docs:read docs:comment',
      cost_budget_usd: 1,
      max_delegation_depth: 1,
    },
    { from: 'researcher', to: 'scraper', scope: 'docs:read', cost_budget_usd: 0.2 },
  ],
})
