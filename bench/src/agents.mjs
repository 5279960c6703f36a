/** Agents with budgets, and the delegations that they get at the real token endpoint. */
import { basic, resource, secret } from './servers.mjs'

/** So large that no limit is ever met. */
const plenty = 1_000_000
const exchangeType = 'urn:ietf:params:oauth:grant-type:token-exchange'

const times = (count, make) => Array.from({ length: count }, (_, index) => make(index))

/** The first resource server is `docs-server-0`, for `resource`; more have numbers as well. */
const resourceOf = (index) => (index === 0 ? resource : `${resource}/${index}`)
export const resourceServer = (index) => `docs-server-${index}`

const agent = (client_id, servers, agent_limits) => ({
  client_id,
  kind: 'agent',
  tenant_id: 'bench',
  client_secret: secret,
  scope: 'docs:read',
  resources: times(servers, resourceOf),
  agent_limits,
})

const configOf = (tenantCap, servers, agents, delegation_rules = []) => ({
  tenants: [{ tenant_id: 'bench', limits: { cost_budget_usd: tenantCap } }],
  resources: times(servers, (index) => ({
    resource: resourceOf(index),
    tenant_id: 'bench',
    scopes_supported: ['docs:read'],
    client_id: resourceServer(index),
  })),
  clients: [
    ...times(servers, (index) => ({
      client_id: resourceServer(index),
      kind: 'resource_server',
      tenant_id: 'bench',
      client_secret: secret,
    })),
    ...agents,
  ],
  delegation_rules,
})

const agentIds = (count) => times(count, (index) => `agent-${index}`)

/** So many agents of one tenant, each with a budget of its own below the tenant's. */
export const manyAgents = (count, servers = 1) =>
  configOf(
    count * plenty,
    servers,
    agentIds(count).map((id) => agent(id, servers, { cost_budget_usd: plenty })),
  )

/** Each delegates to the next; the first one's budget is what all of them share. */
export const chainOfAgents = (count, cap) => {
  const ids = agentIds(count)
  return configOf(
    plenty,
    1,
    ids.map((id) => agent(id, 1, { cost_budget_usd: cap, max_delegation_depth: count })),
    ids.slice(1).map((to, index) => ({ from: ids[index], to })),
  )
}

const requestToken = async (url, clientId, fields) => {
  const response = await fetch(`${url}/token`, {
    method: 'POST',
    headers: { authorization: basic(clientId) },
    body: new URLSearchParams(fields),
  })
  const body = await response.json()
  if (!response.ok) throw new Error(`no token for ${clientId}: ${JSON.stringify(body)}`)
  return body.access_token
}

export const ownToken = (url, clientId) =>
  requestToken(url, clientId, { grant_type: 'client_credentials', resource })

const exchange = (url, clientId, token, fields = {}) =>
  requestToken(url, clientId, {
    grant_type: exchangeType,
    subject_token: token,
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    ...fields,
  })

/** The delegation of a token: the last of its lineage. */
export const delegationOf = (token) =>
  JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).agent_lineage.at(-1)

/** @returns the id of each agent's own delegation */
export const ownDelegations = async (url, count) => {
  const delegations = []
  const ids = agentIds(count)
  while (ids.length > 0) {
    const tokens = await Promise.all(ids.splice(0, 20).map((id) => ownToken(url, id)))
    delegations.push(...tokens.map(delegationOf))
  }
  return delegations
}

/** Hands off from each to the next. @returns the delegations, root first */
export const delegateAlong = async (url, count) => {
  const ids = agentIds(count)
  const tokens = [await ownToken(url, ids[0])]
  for (const [index, to] of ids.slice(1).entries()) {
    const handOff = await exchange(url, ids[index], tokens[index], { requested_actor: to })
    tokens.push(await exchange(url, to, handOff))
  }
  return tokens.map(delegationOf)
}
