/** An authorization server, and one MCP server of each generation that trusts it. */
import {
  Client as ClientV2,
  StreamableHTTPClientTransport as HttpV2,
} from '@modelcontextprotocol/client'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { type Guard, type ProtectMcpOptions, protectMcp } from '../src/server.js'
import { type AuthServer, secretOf, startAuthServer } from './auth-server.js'
import {
  createServerV1,
  createServerV2,
  open,
  serveV1,
  serveV2,
  serveV2OnExpress,
} from './servers.js'

export const scopes = ['docs:read', 'docs:write']

const agent = (client_id: string, resources: string[], more: object = {}) => ({
  client_id,
  kind: 'agent',
  tenant_id: 'acme',
  client_secret: secretOf(client_id),
  grant_types: ['client_credentials'],
  scope: scopes.join(' '),
  resources,
  ...more,
})

/** The agents of every test file: a few with a part to play, and a crowd. */
const agentsAt = (resources: string[], crowd: number) => [
  agent('reader', resources, { scope: 'docs:read' }),
  ...['spender', 'spender-2'].map((name) =>
    agent(name, resources, {
      agent_limits: { cost_budget_usd: '0.10', allowed_actions: ['docs.*'] },
    }),
  ),
  ...['saver', 'saver-2'].map((name) =>
    agent(name, resources, { agent_limits: { cost_budget_usd: '0.10' } }),
  ),
  ...generations.map((generation) =>
    agent(`hasty-${generation}`, resources, { agent_limits: { requests_per_hour: 2 } }),
  ),
  agent('fired', resources),
  ...Array.from({ length: crowd }, (_, index) =>
    agent(`agent-${index}`, resources, { agent_limits: { cost_budget_usd: '0.10' } }),
  ),
]

const configFor = (resources: string[], crowd: number) => ({
  tenants: [{ tenant_id: 'acme' }],
  resources: resources.map((resource) => ({
    resource,
    tenant_id: 'acme',
    scopes_supported: scopes,
    client_id: 'docs-server',
  })),
  clients: [
    ...agentsAt(resources, crowd),
    {
      client_id: 'docs-server',
      kind: 'resource_server',
      tenant_id: 'acme',
      client_secret: secretOf('docs-server'),
    },
  ],
})

/** `v2x` is v2 behind Express. */
export type Generation = 'v1' | 'v2' | 'v2x'
export const generations: readonly Generation[] = ['v1', 'v2', 'v2x']

const serve = (generation: Generation, guard: Guard) => {
  if (generation === 'v1') return serveV1(guard, () => createServerV1(guard))
  const face = generation === 'v2' ? serveV2 : serveV2OnExpress
  return face(guard, () => createServerV2(guard))
}

export interface World {
  auth: AuthServer
  url: (generation: Generation) => string
  guard: (generation: Generation) => Guard
  stop: () => Promise<void>
}

export const createWorld = async ({ crowd = 0 } = {}): Promise<World> => {
  const opened = await Promise.all(
    generations.map(async (generation) => ({ generation, ...(await open()) })),
  )
  const auth = await startAuthServer(
    configFor(
      opened.map(({ url }) => url),
      crowd,
    ),
  )
  const places = opened.map(({ generation, url, use, close }) => {
    const guard = protectMcp(optionsFor(auth.issuer, url))
    use(serve(generation, guard))
    return { generation, url, guard, close }
  })
  const at = (wanted: Generation) => {
    const place = places.find(({ generation }) => generation === wanted)
    if (!place) throw new Error(`no ${wanted}`)
    return place
  }
  return {
    auth,
    url: (generation) => at(generation).url,
    guard: (generation) => at(generation).guard,
    stop: async () => {
      await Promise.all(places.map(({ guard }) => guard.close()))
      await Promise.all([auth.stop(), ...places.map(({ close }) => close())])
    },
  }
}

export const optionsFor = (issuer: string, resource: string): ProtectMcpOptions => ({
  issuer,
  resource,
  scopes,
  budget: { clientId: 'docs-server', clientSecret: secretOf('docs-server') },
})

/** What the tests use of a client, in both generations. */
export interface AnyClient {
  callTool: (call: { name: string; arguments?: Record<string, unknown> }) => Promise<unknown>
  listTools: () => Promise<{ tools: { name: string }[] }>
  close: () => Promise<void>
}

const info = { name: 'test', version: '1.0.0' }

export const connectV1 = async (
  url: string,
  options: ConstructorParameters<typeof HttpV1>[1],
): Promise<AnyClient> => {
  const client = new ClientV1(info)
  const transport = new HttpV1(new URL(url), options)
  // The SDK's own class does not fit its interface under exactOptionalPropertyTypes.
  await client.connect(transport as Parameters<ClientV1['connect']>[0])
  return client
}

/** As the SDK is without options: on the protocol of 2025, whatever the server speaks. */
export const connectV2 = async (
  url: string,
  options: ConstructorParameters<typeof HttpV2>[1],
): Promise<ClientV2> => {
  const client = new ClientV2(info)
  await client.connect(new HttpV2(new URL(url), options))
  return client
}

/** On the protocol of 2026-07-28 where the server speaks it: no session, no initialization. */
export const connectModern: typeof connectV2 = async (url, options) => {
  const client = new ClientV2(info, { versionNegotiation: { mode: 'auto' } })
  await client.connect(new HttpV2(new URL(url), options))
  return client
}

export const withToken = (token: string) => ({
  requestInit: { headers: { Authorization: `Bearer ${token}` } },
})

/** A tool result, as far as the tests look at it. */
export interface Answer {
  content: { type: string; text: string }[]
  isError?: boolean
  structuredContent?: unknown
  _meta?: Record<string, unknown>
}

export const call = async (
  client: AnyClient,
  name: string,
  args: Record<string, unknown> = {},
): Promise<Answer> => (await client.callTool({ name, arguments: args })) as Answer

export const textOf = (answer: Answer): string => answer.content[0]?.text ?? ''
