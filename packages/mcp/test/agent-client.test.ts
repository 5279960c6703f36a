/** Agents of our own as clients of the SDKs, at guarded servers, with the real authorization server. */
import { createAgent, type DelegatedToken } from '@behalf/client'
import { requireScopes, McpServer as ServerV2 } from '@modelcontextprotocol/server'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { agentAuthProvider, withAgent } from '../src/client.js'
import { protectMcp } from '../src/server.js'
import { type AuthServer, secretOf, startAuthServer } from './auth-server.js'
import { createServerV1, open, serveV1, serveV2 } from './servers.js'
import { call, connectModern, connectV1, connectV2, scopes, textOf } from './world.js'

const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange'

const client = (client_id: string, resources: string[], more: object = {}) => ({
  client_id,
  kind: 'agent',
  tenant_id: 'acme',
  client_secret: secretOf(client_id),
  grant_types: ['client_credentials', exchange],
  scope: scopes.join(' '),
  resources,
  ...more,
})

const configFor = (resources: string[]) => ({
  tenants: [{ tenant_id: 'acme' }],
  resources: resources.map((resource) => ({
    resource,
    tenant_id: 'acme',
    scopes_supported: scopes,
    client_id: 'docs-server',
  })),
  clients: [
    client('orchestrator', resources, { agent_limits: { max_delegation_depth: 2 } }),
    client('researcher', resources),
    client('docs-server', [], {
      kind: 'resource_server',
      grant_types: undefined,
      scope: undefined,
    }),
  ],
  delegation_rules: [{ from: 'orchestrator', to: 'researcher', scope: 'docs:read' }],
})

const createDocs = (guard: ReturnType<typeof protectMcp>): ServerV2 => {
  const server = new ServerV2({ name: 'docs', version: '1.0.0' })
  const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] })
  server.registerTool(
    'whoami',
    {},
    guard.tool({}, (_, { actor, subject }) => text(`${actor} for ${subject}`)),
  )
  server.registerTool(
    'publish',
    { scopeChallenge: requireScopes('docs:write') },
    guard.tool({ scope: 'docs:write' }, (_, { scope }) => text([...scope].sort().join(' '))),
  )
  return server
}

let auth: AuthServer
const servers = { v1: '', v2: '' }
const closing: (() => Promise<void>)[] = []

beforeAll(async () => {
  const [one, two] = await Promise.all([open(), open()])
  auth = await startAuthServer(configFor([one.url, two.url]))
  const guards = [one, two].map(({ url }) =>
    protectMcp({ issuer: auth.issuer, resource: url, scopes: 'docs:read' }),
  )
  const [guardV1, guardV2] = guards
  if (!guardV1 || !guardV2) throw new Error('no guard')
  one.use(serveV1(guardV1, () => createServerV1(guardV1)))
  two.use(serveV2(guardV2, () => createDocs(guardV2)))
  Object.assign(servers, { v1: one.url, v2: two.url })
  closing.push(...guards.map(({ close }) => close), one.close, two.close, auth.stop)
}, 30_000)
afterAll(async () => {
  for (const close of closing) await close()
})

const agentNamed = (clientId: string) =>
  createAgent({ issuer: auth.issuer, clientId, clientSecret: secretOf(clientId) })

const lend = async (resource: string): Promise<DelegatedToken> => {
  const handOff = await agentNamed('orchestrator').delegate({ to: 'researcher', resource })
  return agentNamed('researcher').accept(handOff)
}

const clients = [
  ['v1', connectV1],
  ['v2', connectV2],
  ['modern v2', connectModern],
] as const

const pairs = clients.flatMap(([name, connect]) =>
  (['v1', 'v2'] as const).map((server) => ({ name, connect, server })),
)

describe.each(pairs)('a $name client at a $server server', ({ connect, server }) => {
  test('acts for itself', async () => {
    const resource = servers[server]
    const authProvider = agentAuthProvider({ agent: agentNamed('researcher'), resource })
    const mcp = await connect(resource, { authProvider })
    expect(textOf(await call(mcp, 'whoami'))).toMatch(/^researcher/)
    await mcp.close()
  })

  test('acts for who has lent it something', async () => {
    const resource = servers[server]
    const delegated = await lend(resource)
    const agent = agentNamed('researcher')
    const authProvider = agentAuthProvider({ agent, resource, delegated })
    const mcp = await connect(resource, { authProvider })
    expect(textOf(await call(mcp, 'whoami'))).toMatch(/^researcher/)
    await mcp.close()
  })

  test('acts with what an exchange gives', async () => {
    const resource = servers[server]
    const agent = agentNamed('researcher')
    const subjectToken = await lend(resource)
    const acting = { agent, resource, exchange: { subjectToken }, scope: 'docs:read' }
    const mcp = await connect(resource, { authProvider: agentAuthProvider(acting) })
    expect(textOf(await call(mcp, 'whoami'))).toMatch(/^researcher/)
    await mcp.close()
  })

  test('goes through any fetch as well, without an authProvider', async () => {
    const resource = servers[server]
    const own = await connect(resource, {
      fetch: withAgent(fetch, agentNamed('researcher'), { resource }),
    })
    const lent = await connect(resource, { fetch: withAgent(fetch, await lend(resource)) })
    for (const mcp of [own, lent]) {
      expect(textOf(await call(mcp, 'whoami'))).toMatch(/^researcher/)
      await mcp.close()
    }
  })
})

describe.each(clients)('a %s client that needs more scope', (_, connect) => {
  const options = { scope: 'docs:read', maxScope: 'docs:read docs:write' }

  test('steps up to what it had and what it needs', async () => {
    const resource = servers.v2
    const agent = agentNamed('orchestrator')
    const provided = { authProvider: agentAuthProvider({ agent, resource, ...options }) }
    const fetched = { fetch: withAgent(fetch, agent, { resource, ...options }) }
    for (const way of [provided, fetched]) {
      const mcp = await connect(resource, way)
      expect(textOf(await call(mcp, 'publish'))).toBe('docs:read docs:write')
      await mcp.close()
    }
  })

  test('stays below what its program allows', async () => {
    const resource = servers.v2
    const agent = agentNamed('orchestrator')
    const authProvider = agentAuthProvider({ agent, resource, scope: 'docs:read' })
    const mcp = await connect(resource, { authProvider })
    await expect(call(mcp, 'publish')).rejects.toThrow()
    expect(textOf(await call(mcp, 'whoami'))).toBe('orchestrator for orchestrator')
    await mcp.close()
  })
})

test('what was lent says for whom, and is refused once it was taken back', async () => {
  const resource = servers.v2
  const orchestrator = agentNamed('orchestrator')
  const handOff = await orchestrator.delegate({ to: 'researcher', resource })
  const agent = agentNamed('researcher')
  const delegated = await agent.accept(handOff)
  const authProvider = agentAuthProvider({ agent, resource, delegated })
  const mcp = await connectV2(resource, { authProvider })
  expect(textOf(await call(mcp, 'whoami'))).toBe('researcher for orchestrator')
  await orchestrator.revoke(handOff)
  await expect
    .poll(() => call(mcp, 'whoami').then(textOf, () => 'refused'), { timeout: 5_000 })
    .toBe('refused')
  await mcp.close()
})

test('what was lent for one server is not for another', async () => {
  const delegated = await lend(servers.v1)
  const agent = agentNamed('researcher')
  expect(() => agentAuthProvider({ agent, resource: servers.v2, delegated })).toThrow(TypeError)
})
