/** An MCP server behind the guard of `@behalf/mcp`, and the authorization server that it trusts. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Guard, protectMcp } from '@behalf/mcp/server'
import { getRequestListener } from '@hono/node-server'
import { createMcpHandler, McpServer, requireScopes } from '@modelcontextprotocol/server'
import { openDocumentHost } from '../document-host.js'
import { type Clock, openTestServer, secretOf } from '../harness.js'
import { createVisitor } from './visitor.js'

const alice = { email: 'alice@acme.test', password: 'correct horse battery' }

/** Its port is the client's choice (RFC 8252 §7.3). */
export const redirectUri = 'http://127.0.0.1:6276/oauth/callback'

const words = ['docs:read', 'docs:write']
const scope = words.join(' ')

const publicClient = (client_id: string) => ({
  client_id,
  kind: 'app',
  token_endpoint_auth_method: 'none',
  redirect_uris: [redirectUri],
  scope,
})

/** Registered by the operator. What a person has agreed to for one of them says nothing about the others. */
export const publicClients = ['one', 'two', 'three', 'inspector'] as const

/** More than any of them needs. */
export const tokenRequestsPerMinute = 200

const configFor = (resource: string) => {
  const allowed = { scope, resources: [resource], tenant_id: 'acme' }
  return {
    tenants: [{ tenant_id: 'acme' }],
    resources: [
      { resource, tenant_id: 'acme', scopes_supported: words, client_id: 'docs-server' },
      { resource: 'https://open.example/mcp', scopes_supported: [...words, 'offline_access'] },
    ],
    // What is listed for everybody is no reason for a client to ask for all of it.
    metadata: { list_resources: true },
    clients: [
      ...publicClients.map(publicClient),
      {
        client_id: 'docs-server',
        kind: 'resource_server',
        tenant_id: 'acme',
        client_secret: secretOf('docs-server'),
      },
    ],
    rate_limits: { client_requests_per_minute: { token: tokenRequestsPerMinute } },
    users: [{ ...alice, name: 'Alice', tenant_id: 'acme' }],
    registration: {
      client_id_metadata_documents: allowed,
      dynamic: { mode: 'open', ...allowed, registrations_per_minute: 100 },
    },
  }
}

const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] })

/** `publish` needs more than the server asks for at first, and says so by a 403. */
const createDocs = (guard: Guard): McpServer => {
  const server = new McpServer({ name: 'docs', version: '1.0.0' })
  server.registerTool(
    'whoami',
    {},
    guard.tool({}, (_, { subject, clientId }) => text(`${subject} by ${clientId}`)),
  )
  server.registerTool(
    'search',
    {},
    guard.tool({ scope: 'docs:read' }, () => text('found')),
  )
  server.registerTool(
    'publish',
    { scopeChallenge: requireScopes('docs:write') },
    guard.tool({ scope: 'docs:write' }, (_, { scope }) => text([...scope].sort().join(' '))),
  )
  return server
}

/** Listens first and serves later: its address is its name, which whatever it serves has to know. */
export const openPort = async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    origin: `http://127.0.0.1:${port}`,
    serve: (fetch: (request: Request) => Response | Promise<Response>): void => {
      // The clients under test live in this process: their `Response` has to stay the one of Node.
      server.on('request', getRequestListener(fetch, { overrideGlobalObjects: false }))
    },
    close: (): Promise<void> =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** Strangers look at their own clocks. */
export const realClock = (): Clock => ({
  now: () => new Date(),
  seconds: () => Math.floor(Date.now() / 1000),
  advance: () => {
    throw new Error('real time cannot be moved')
  },
})

/** All of it, with a person who has an account. */
export const openPlace = async () => {
  const [own, docs] = await Promise.all([openPort(), openPort()])
  const issuer = own.origin
  const resource = `${docs.origin}/mcp`
  const documents = await openDocumentHost(2000)
  const server = await openTestServer({
    issuer,
    config: configFor(resource),
    clock: realClock(),
    documentNetwork: documents.network,
  })
  own.serve(server.app.fetch)
  const guard = protectMcp({ issuer, resource, scopes: 'docs:read' })
  docs.serve(guard.fetch(createMcpHandler(() => createDocs(guard)).fetch))
  return {
    issuer,
    /** Of the MCP server: its address, and the audience of its tokens. */
    resource,
    documents,
    createVisitor: () => createVisitor(issuer, alice),
    close: async (): Promise<void> => {
      await guard.close()
      await Promise.all([own.close(), docs.close(), documents.close()])
      await server.close()
    },
  }
}

export type Place = Awaited<ReturnType<typeof openPlace>>
