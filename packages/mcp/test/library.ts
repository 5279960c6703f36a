/**
 * A library that two tenants share, on a server of each generation: what is on its shelves depends on
 * who looks. Everything is put there by the guard.
 */
import type { RequestListener } from 'node:http'
import type { Caller, Charge } from '@behalf/verifier'
import {
  McpServer as McpServerV1,
  ResourceTemplate as ResourceTemplateV1,
} from '@modelcontextprotocol/sdk/server/mcp.js'
import {
  McpServer as McpServerV2,
  ResourceTemplate as ResourceTemplateV2,
} from '@modelcontextprotocol/server'
import { z } from 'zod'
import { type Guard, type ProtectMcpOptions, protectMcp } from '../src/server.js'
import { type AuthServer, secretOf, startAuthServer } from './auth-server.js'
import {
  open,
  serveV1,
  serveV1OnFetch,
  serveV1Stateful,
  serveV2,
  serveV2OnExpress,
} from './servers.js'

const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] })

const contents = (uri: URL, value: string) => ({ contents: [{ uri: uri.href, text: value }] })

const messages = (value: string) => ({
  messages: [{ role: 'user' as const, content: { type: 'text' as const, text: value } }],
})

const info = { name: 'library', version: '1.0.0' }

/** Many steps, of each of which it tells, and says what it cost so far. */
const walk = async (
  steps: number,
  { signal, tell }: { signal: AbortSignal; tell: (progress: number) => Promise<void> },
  { settle }: Pick<Charge, 'settle'>,
) => {
  for (let step = 1; step <= steps; step += 1) {
    settle(`0.0${step}`)
    await tell(step)
    await new Promise((resolve) => setTimeout(resolve, 30))
    signal.throwIfAborted()
  }
  return text(`${steps} steps`)
}

const walked = {
  action: 'docs.walk',
  cost: '0.08',
  visible: ({ actor }: Caller) => actor.startsWith('walker'),
} as const

const progressOf = (token: string | number | undefined, progress: number) => ({
  method: 'notifications/progress' as const,
  params: { progressToken: token ?? 0, progress },
})

/** By the URIs of which the templates make their lists. */
const pages = (...uris: string[]) => ({
  list: () => ({ resources: uris.map((uri) => ({ uri, name: uri })) }),
  complete: { id: () => uris },
})

export const createLibraryV1 = ({ tool, resource, prompt }: Guard): McpServerV1 => {
  const server = new McpServerV1(info)
  server.registerTool('open', {}, () => text('open'))
  tool(server, 'whoami', {}, undefined, (_, { actor, tenantId }) => text(`${actor} of ${tenantId}`))
  tool(server, 'search', { scope: 'docs:read' }, { q: z.string() }, ({ q }) => text(q))
  tool(server, 'publish', { scope: 'docs:write' }, { q: z.string() }, ({ q }) => text(q))
  tool(server, 'purge', { scope: 'docs:admin', unavailable: 'hide' }, undefined, () => text(''))
  tool(server, 'acme', { visible: { tenants: ['acme'] } }, undefined, () => text('acme'))
  tool(server, 'globex', { visible: { tenants: ['globex'] } }, { q: z.string() }, () => text(''))
  tool(server, 'admin', { visible: { roles: ['admin'] } }, undefined, () => text('admin'))
  tool(server, 'agents', { visible: { roles: ['agent'] } }, undefined, () => text('agents'))
  tool(server, 'mail', { action: 'mail.send' }, undefined, () => text('sent'))
  tool(server, 'marked', { visible: { tenants: ['globex'] }, unavailable: 'mark' }, {}, () =>
    text(''),
  )
  tool(server, 'review', { scope: 'docs:write', unavailable: 'mark' }, undefined, () => text('ok'))
  tool(server, 'named', { visible: ({ actor }) => actor === 'reader' }, undefined, () =>
    text('you'),
  )
  tool(server, 'walk', walked, { steps: z.number() }, ({ steps }, _, context, charge) => {
    const { signal, sendNotification, _meta } = context
    const tell = (step: number) => sendNotification(progressOf(_meta?.progressToken, step))
    return walk(steps, { signal, tell }, charge)
  })

  server.registerResource('terms', 'docs://terms', {}, (uri) => contents(uri, 'terms'))
  resource(server, 'mine', 'docs://mine', { scope: 'docs:read' }, ({ uri }, { actor }) =>
    contents(uri, actor),
  )
  resource(server, 'draft', 'docs://draft', { scope: 'docs:write' }, ({ uri }) =>
    contents(uri, 'draft'),
  )
  resource(server, 'vault', 'docs://vault', { visible: { tenants: ['globex'] } }, ({ uri }) =>
    contents(uri, 'gold'),
  )
  const paged = new ResourceTemplateV1('docs://page/{id}', pages('docs://page/1'))
  const paid = { action: 'docs.page', cost: '0.04' } as const
  resource(server, 'page', paged, paid, ({ uri, variables }) => contents(uri, String(variables.id)))
  const closed = new ResourceTemplateV1('docs://cellar/{id}', pages('docs://cellar/1'))
  resource(server, 'cellar', closed, { visible: { tenants: ['globex'] } }, ({ uri }) =>
    contents(uri, 'wine'),
  )

  prompt(server, 'ask', { action: 'docs.ask', cost: '0.04' }, { q: z.string() }, ({ q }) =>
    messages(q),
  )
  prompt(server, 'edit', { scope: 'docs:write' }, undefined, () => messages('edit'))
  prompt(server, 'secret', { visible: { tenants: ['globex'] } }, undefined, () => messages('hush'))
  return server
}

export const createLibraryV2 = ({ tool, resource, prompt }: Guard): McpServerV2 => {
  const q = z.object({ q: z.string() })
  const server = new McpServerV2(info, { cacheHints: { 'tools/list': { cacheScope: 'public' } } })
  server.registerTool('open', {}, () => text('open'))
  tool(server, 'whoami', {}, undefined, (_, { actor, tenantId }) => text(`${actor} of ${tenantId}`))
  tool(server, 'search', { scope: 'docs:read' }, q, ({ q }) => text(q))
  tool(server, 'publish', { scope: 'docs:write' }, q, ({ q }) => text(q))
  tool(server, 'purge', { scope: 'docs:admin', unavailable: 'hide' }, undefined, () => text(''))
  tool(server, 'acme', { visible: { tenants: ['acme'] } }, undefined, () => text('acme'))
  tool(server, 'globex', { visible: { tenants: ['globex'] } }, q, () => text(''))
  tool(server, 'admin', { visible: { roles: ['admin'] } }, undefined, () => text('admin'))
  tool(server, 'agents', { visible: { roles: ['agent'] } }, undefined, () => text('agents'))
  tool(server, 'mail', { action: 'mail.send' }, undefined, () => text('sent'))
  tool(server, 'marked', { visible: { tenants: ['globex'] }, unavailable: 'mark' }, undefined, () =>
    text(''),
  )
  tool(server, 'review', { scope: 'docs:write', unavailable: 'mark' }, undefined, () => text('ok'))
  tool(server, 'named', { visible: ({ actor }) => actor === 'reader' }, undefined, () =>
    text('you'),
  )
  const steps = z.object({ steps: z.number() })
  tool(server, 'walk', walked, steps, ({ steps }, _, { mcpReq }, charge) => {
    const tell = (step: number) => mcpReq.notify(progressOf(mcpReq._meta?.progressToken, step))
    return walk(steps, { signal: mcpReq.signal, tell }, charge)
  })

  const cacheHint = { ttlMs: 1000, cacheScope: 'public' } as const
  server.registerResource('terms', 'docs://terms', { cacheHint }, (uri) => contents(uri, 'terms'))
  const ofReaders = { scope: 'docs:read', cacheHint }
  resource(server, 'mine', 'docs://mine', ofReaders, ({ uri }, { actor }) => contents(uri, actor))
  resource(server, 'draft', 'docs://draft', { scope: 'docs:write' }, ({ uri }) =>
    contents(uri, 'draft'),
  )
  resource(server, 'vault', 'docs://vault', { visible: { tenants: ['globex'] } }, ({ uri }) =>
    contents(uri, 'gold'),
  )
  const paged = new ResourceTemplateV2('docs://page/{id}', pages('docs://page/1'))
  const paid = { action: 'docs.page', cost: '0.04' } as const
  resource(server, 'page', paged, paid, ({ uri, variables }) => contents(uri, String(variables.id)))
  const closed = new ResourceTemplateV2('docs://cellar/{id}', pages('docs://cellar/1'))
  resource(server, 'cellar', closed, { visible: { tenants: ['globex'] } }, ({ uri }) =>
    contents(uri, 'wine'),
  )

  prompt(server, 'ask', { action: 'docs.ask', cost: '0.04' }, q, ({ q }) => messages(q))
  prompt(server, 'edit', { scope: 'docs:write' }, undefined, () => messages('edit'))
  prompt(server, 'secret', { visible: { tenants: ['globex'] } }, undefined, () => messages('hush'))
  return server
}

/** `v1s` is v1 with sessions, `v1f` is v1 without a framework, `v2x` is v2 behind Express. */
export type Shelf = 'v1' | 'v1s' | 'v1f' | 'v2' | 'v2x'
export const shelves: readonly Shelf[] = ['v1', 'v1s', 'v1f', 'v2', 'v2x']

const serve = (shelf: Shelf, guard: Guard): RequestListener => {
  if (shelf === 'v1') return serveV1(guard, () => createLibraryV1(guard))
  if (shelf === 'v1s') return serveV1Stateful(guard, () => createLibraryV1(guard))
  if (shelf === 'v1f') return serveV1OnFetch(guard, () => createLibraryV1(guard))
  const face = shelf === 'v2' ? serveV2 : serveV2OnExpress
  return face(guard, () => createLibraryV2(guard))
}

const scopes = ['docs:read', 'docs:write', 'docs:admin']

const agent = (client_id: string, tenant_id: string, resources: string[], more: object = {}) => ({
  client_id,
  kind: 'agent',
  tenant_id,
  client_secret: secretOf(client_id),
  grant_types: ['client_credentials'],
  scope: 'docs:read docs:write',
  resources,
  agent_limits: { cost_budget_usd: '0.10', allowed_actions: ['docs.*'] },
  ...more,
})

const configFor = (resources: string[], crowd: readonly string[]) => ({
  tenants: [{ tenant_id: 'acme' }, { tenant_id: 'globex' }],
  resources: resources.map((resource) => ({
    resource,
    scopes_supported: scopes,
    client_id: 'docs-server',
  })),
  clients: [
    agent('reader', 'acme', resources, { scope: 'docs:read' }),
    agent('writer', 'acme', resources),
    agent('stranger', 'globex', resources, { agent_limits: {} }),
    ...crowd.map((name, index) => agent(name, index % 2 === 0 ? 'acme' : 'globex', resources)),
    {
      client_id: 'docs-server',
      kind: 'resource_server',
      tenant_id: 'acme',
      client_secret: secretOf('docs-server'),
    },
  ],
})

export interface Library {
  auth: AuthServer
  url: (shelf: Shelf) => string
  guard: (shelf: Shelf) => Guard
  stop: () => Promise<void>
}

/** It asks for `docs:read` alone, so that the rest is a matter of stepping up. */
export const openLibrary = async (
  crowd: readonly string[] = [],
  wanted: readonly Shelf[] = shelves,
): Promise<Library> => {
  const opened = await Promise.all(wanted.map(async (shelf) => ({ shelf, ...(await open()) })))
  const auth = await startAuthServer(
    configFor(
      opened.map(({ url }) => url),
      crowd,
    ),
  )
  const places = opened.map(({ shelf, url, use, close }) => {
    const options: ProtectMcpOptions = {
      issuer: auth.issuer,
      resource: url,
      scopes: 'docs:read',
      budget: { clientId: 'docs-server', clientSecret: secretOf('docs-server') },
    }
    const guard = protectMcp(options)
    use(serve(shelf, guard))
    return { shelf, url, guard, close }
  })
  const at = (wanted: Shelf) => {
    const place = places.find(({ shelf }) => shelf === wanted)
    if (!place) throw new Error(`no ${wanted}`)
    return place
  }
  return {
    auth,
    url: (shelf) => at(shelf).url,
    guard: (shelf) => at(shelf).guard,
    stop: async () => {
      await Promise.all(places.map(({ guard }) => guard.close()))
      await Promise.all([auth.stop(), ...places.map(({ close }) => close())])
    },
  }
}
