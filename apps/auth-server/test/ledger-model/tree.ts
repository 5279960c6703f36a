/** A tenant, an agent and a tree of delegations for one run, made through the routes. */
import { decode, secretOf, type TestServer } from '../harness.js'
import { delegationOf } from '../ledger-fixtures.js'
import { usd } from './requests.js'
import type { BudgetFact, World } from './world.js'

export const resource = 'http://127.0.0.1:4900/mcp'
/** The resource server, and an admin of everything. */
export const charger = 'charging-server'
export const auditor = 'any-admin'

const service = (client_id: string, scope: string) => ({
  client_id,
  scope,
  kind: 'resource_server',
  client_secret: secretOf(client_id),
})

export const modelConfig = {
  tenants: [],
  resources: [{ resource, scopes_supported: ['docs:read'], client_id: charger }],
  clients: [service(charger, 'budgets:charge delegations:read'), service(auditor, 'admin')],
}

/** What differs from run to run. Money in micro-USD. */
export interface Plan {
  tenantCap: number
  agentCap: number | undefined
  dayCap: number
  /** Who has a cap for each day. */
  dayOf: 'tenant' | 'agent'
  agentPerHour: number | undefined
  caps: [number, number, number, number]
  perHour: [number | undefined, number | undefined]
}

export interface Tree {
  agent: string
  /** One for each run: what one admin may do in a minute is bounded. */
  admin: string
  world: World
  /** The root first. */
  nodes: string[]
  tokens: Map<string, { token: string; until: number }>
  /** What each of them was lent: no child is lent more, whatever an admin does to the cap. */
  lent: Map<string, number>
}

const configOf = (name: string, plan: Plan) => {
  const dayOf = (who: Plan['dayOf']) =>
    plan.dayOf === who ? { budget_periods: { day: usd(plan.dayCap) } } : {}
  const limits = {
    ...(plan.agentCap !== undefined && { cost_budget_usd: usd(plan.agentCap) }),
    ...(plan.agentPerHour !== undefined && { requests_per_hour: plan.agentPerHour }),
  }
  const agent = {
    client_id: `${name}-agent`,
    kind: 'agent',
    tenant_id: name,
    client_secret: secretOf(`${name}-agent`),
    scope: 'docs:read',
    resources: [resource],
    agent_limits: limits,
    ...dayOf('agent'),
  }
  const tenant = {
    tenant_id: name,
    limits: { cost_budget_usd: usd(plan.tenantCap) },
    ...dayOf('tenant'),
  }
  const admin = service(`${name}-admin`, 'admin delegations:read delegations:revoke')
  return { tenants: [tenant], clients: [agent, admin] }
}

const budgetFact = (fact: Partial<BudgetFact>): BudgetFact => ({
  cap: undefined,
  perHour: undefined,
  dayCap: undefined,
  drawnFrom: undefined,
  carved: undefined,
  ...fact,
})

const worldOf = (server: TestServer, name: string, plan: Plan): World => ({
  now: server.clock.seconds(),
  budgets: {
    [`tenant:${name}`]: budgetFact({
      cap: plan.tenantCap,
      dayCap: plan.dayOf === 'tenant' ? plan.dayCap : undefined,
    }),
    [`agent:${name}-agent`]: budgetFact({
      cap: plan.agentCap,
      perHour: plan.agentPerHour,
      dayCap: plan.dayOf === 'agent' ? plan.dayCap : undefined,
    }),
  },
  nodes: {},
  holds: {},
  leases: {},
  askedBack: {},
})

const never = 9_999_999_999

/** A delegation as its row says, which is not what this test is about. */
const learn = async (server: TestServer, tree: Tree, token: string): Promise<string> => {
  const { world, nodes, tokens, lent } = tree
  const id = delegationOf(token)
  tokens.set(id, { token, until: Number(decode(token).exp) })
  if (world.nodes[id]) return id
  const row = await server.deps.store.delegations.find(id)
  const [budget] = await server.deps.store.budgets.find([id])
  if (!row) throw new Error('the delegation was not made')
  const { lineage, budget_ids: budgetIds, expires_at: endsAt, limits } = row
  world.nodes[id] = {
    budgetIds: [...budgetIds],
    lineage: [...lineage],
    endsAt: endsAt ? endsAt.getTime() / 1000 : never,
    revoked: false,
  }
  if (budget) {
    const cap = budget.cap === undefined ? undefined : Number(budget.cap)
    world.budgets[id] = budgetFact({ cap, perHour: budget.requestsPerHour })
  }
  lent.set(id, Number(limits.costBudget ?? Number.POSITIVE_INFINITY))
  nodes.push(id)
  return id
}

/** So that hours and days can pass: those that are lent live for minutes. */
export const prolong = async (server: TestServer, world: World, id: string): Promise<void> => {
  const endsAt = world.now + 3 * 24 * 3600
  await server.database.write(
    'update delegations set expires_at = to_timestamp($2::float8) where id = $1',
    [id, endsAt],
  )
  const node = world.nodes[id]
  if (node) node.endsAt = endsAt
}

/** A child that keeps the actor. @returns the answer of the token endpoint, and what was made */
export const lendFrom = async (
  server: TestServer,
  tree: Tree,
  parent: string,
  fields: Record<string, string>,
) => {
  const { token = '' } = tree.tokens.get(parent) ?? {}
  const answer = await server.exchange(tree.agent, token, fields)
  const { access_token: made } = answer.body
  return { answer, id: made && (await learn(server, tree, made)) }
}

const child = async (
  server: TestServer,
  tree: Tree,
  parent: string,
  cap: number,
  perHour?: number | undefined,
): Promise<string> => {
  const limits = {
    cost_budget_usd: usd(cap),
    ...(perHour !== undefined && { requests_per_hour: perHour }),
  }
  const { id } = await lendFrom(server, tree, parent, { agent_limits: JSON.stringify(limits) })
  if (!id) throw new Error('the tree was not made')
  return id
}

/** A fresh token of the agent itself, whatever time has passed. */
export const ownToken = async (server: TestServer, tree: Tree): Promise<string> => {
  const { body } = await server.clientCredentials(tree.agent, { resource })
  return learn(server, tree, body.access_token)
}

/** Tenant, agent, root; below it a line of three, and a sibling that ends by itself. */
export const plant = async (server: TestServer, name: string, plan: Plan): Promise<Tree> => {
  await server.applyConfig(configOf(name, plan))
  await server.deps.keys.refresh()
  const world = worldOf(server, name, plan)
  const names = { agent: `${name}-agent`, admin: `${name}-admin` }
  const tree: Tree = { ...names, world, nodes: [], tokens: new Map(), lent: new Map() }
  const root = await ownToken(server, tree)
  const [one, two, three, other] = plan.caps
  const top = await child(server, tree, root, one, plan.perHour[0])
  const middle = await child(server, tree, top, two)
  const leaf = await child(server, tree, middle, three, plan.perHour[1])
  await child(server, tree, top, other)
  for (const id of [top, middle, leaf]) await prolong(server, world, id)
  return tree
}
