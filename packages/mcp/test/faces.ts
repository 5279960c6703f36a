/** One server behind every face of the guard, with and without sessions, of both generations. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { StreamableHTTPTransport } from '@hono/mcp'
import { getRequestListener } from '@hono/node-server'
import { NodeStreamableHTTPServerTransport, toNodeHandler } from '@modelcontextprotocol/node'
import { McpServer as McpServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import {
  createMcpHandler,
  McpServer as McpServerV2,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server'
import express from 'express'
import fastify from 'fastify'
import { type Context, Hono } from 'hono'
import type { AuthInfo, Guard } from '../src/server.js'

const info = { name: 'docs', version: '1.0.0' }
const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] })

const whoami = (guard: Guard) => guard.tool({}, (_, caller) => text(caller.actor))

const serverV1 = (guard: Guard): McpServerV1 => {
  const server = new McpServerV1(info)
  server.registerTool('whoami', {}, whoami(guard))
  // A tool without our handler: what the SDK itself hands on.
  server.registerTool('raw', {}, ({ authInfo }) => text(JSON.stringify(authInfo)))
  return server
}

const serverV2 = (guard: Guard): McpServerV2 => {
  const server = new McpServerV2(info)
  server.registerTool('whoami', {}, whoami(guard))
  server.registerTool('raw', {}, ({ http }) => text(JSON.stringify(http?.authInfo)))
  const scopeChallenge = guard.require('docs:write', 'docs:read')
  server.registerTool('publish', { scopeChallenge }, () => text('published'))
  return server
}

// The SDK's own classes do not fit its interface under exactOptionalPropertyTypes.
type TransportV1 = Parameters<McpServerV1['connect']>[0]
type TransportV2 = Parameters<McpServerV2['connect']>[0]

/** For `c.get('auth')` to have a type. */
type Env = { Variables: { auth: AuthInfo } }

const onFetch = (handle: (request: Request) => Response | Promise<Response>): RequestListener =>
  getRequestListener(handle, { overrideGlobalObjects: false })

const honoV2 = (guard: Guard): RequestListener => {
  const handler = createMcpHandler(() => serverV2(guard))
  const app = new Hono<Env>()
  app.use(guard.hono())
  app.all('/mcp', (c) => handler.fetch(c.req.raw, { authInfo: c.get('auth') }))
  return onFetch(app.fetch)
}

const honoMcp = (guard: Guard): RequestListener => {
  const app = new Hono()
  app.use(guard.hono())
  app.all('/mcp', async (c) => {
    const transport = new StreamableHTTPTransport()
    await serverV1(guard).connect(transport)
    return transport.handleRequest(c)
  })
  return onFetch(app.fetch)
}

const honoMcpSessions = (guard: Guard): RequestListener => {
  const sessions = guard.sessions<StreamableHTTPTransport>({ onEnd: (one) => one.close() })
  const start = async (authInfo: AuthInfo) => {
    const transport: StreamableHTTPTransport = new StreamableHTTPTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => sessions.open(authInfo, id, transport),
      onsessionclosed: (id) => sessions.end(id),
    })
    await serverV1(guard).connect(transport)
    return transport
  }
  const app = new Hono<Env>()
  app.use(guard.hono())
  app.all('/mcp', async (c: Context<Env>) => {
    const authInfo = c.get('auth')
    const found = sessions.find(authInfo, c.req.header('mcp-session-id'))
    if (found instanceof Response) return found
    return (found ?? (await start(authInfo))).handleRequest(c)
  })
  return onFetch(app.fetch)
}

const webSessions = (guard: Guard) => {
  type Transport = WebStandardStreamableHTTPServerTransport
  const sessions = guard.sessions<Transport>({ onEnd: (transport) => transport.close() })
  const start = async (authInfo: AuthInfo): Promise<Transport> => {
    const transport: WebStandardStreamableHTTPServerTransport =
      new WebStandardStreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (id) => sessions.open(authInfo, id, transport),
        onsessionclosed: (id) => sessions.end(id),
      })
    await serverV2(guard).connect(transport as TransportV2)
    return transport
  }
  return async (request: Request, { authInfo }: { authInfo: AuthInfo }): Promise<Response> => {
    const found = sessions.find(authInfo, request.headers.get('mcp-session-id'))
    if (found instanceof Response) return found
    return (found ?? (await start(authInfo))).handleRequest(request, { authInfo })
  }
}

const fetchSessions = (guard: Guard): RequestListener => onFetch(guard.fetch(webSessions(guard)))

const honoSessions = (guard: Guard): RequestListener => {
  const handle = webSessions(guard)
  const app = new Hono<Env>()
  app.use(guard.hono())
  app.all('/mcp', (c) => handle(c.req.raw, { authInfo: c.get('auth') }))
  return onFetch(app.fetch)
}

const next = (guard: Guard): RequestListener => {
  const { GET, POST, DELETE, OPTIONS } = guard.next(createMcpHandler(() => serverV2(guard)).fetch)
  const metadata = guard.nextMetadata()
  const methods = new Map(Object.entries({ GET, POST, DELETE, OPTIONS }))
  // Next answers 405 to a method that a route does not export, and OPTIONS by itself.
  return onFetch((request) => {
    if (new URL(request.url).pathname.startsWith('/.well-known/')) return metadata.GET(request)
    const route = methods.get(request.method)
    return route ? route(request, { params: {} }) : new Response(null, { status: 405 })
  })
}

type Auth = IncomingMessage & { auth?: AuthInfo }

/** What Express and Fastify have in common, for both generations. */
const nodeSessions = <T extends { handleRequest: (...args: never[]) => Promise<void> }>(
  guard: Guard,
  start: (opened: (id: string, transport: T) => void, ended: (id: string) => void) => Promise<T>,
  handle: (transport: T, request: Auth, response: ServerResponse, body: unknown) => Promise<void>,
) => {
  const sessions = guard.sessions<T>()
  return async (request: Auth, response: ServerResponse, body: unknown) => {
    const { auth } = request
    const id = request.headers['mcp-session-id']
    const found = sessions.find(auth, Array.isArray(id) ? id[0] : id)
    if (found instanceof Response) {
      response.writeHead(found.status, { 'Content-Type': 'application/json' })
      return void response.end(await found.text())
    }
    const opened = (one: string, transport: T) => sessions.open(auth, one, transport)
    await handle(found ?? (await start(opened, sessions.end)), request, response, body)
  }
}

const sessionsV1 = (guard: Guard) =>
  nodeSessions<StreamableHTTPServerTransport>(
    guard,
    async (opened, ended) => {
      const transport: StreamableHTTPServerTransport = new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (id) => opened(id, transport),
        onsessionclosed: ended,
      })
      await serverV1(guard).connect(transport as TransportV1)
      return transport
    },
    (transport, request, response, body) =>
      transport.handleRequest(
        request as Parameters<typeof transport.handleRequest>[0],
        response,
        body,
      ),
  )

const sessionsV2 = (guard: Guard) =>
  nodeSessions<NodeStreamableHTTPServerTransport>(
    guard,
    async (opened, ended) => {
      const transport: NodeStreamableHTTPServerTransport = new NodeStreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (id) => opened(id, transport),
        onsessionclosed: ended,
      })
      await serverV2(guard).connect(transport as TransportV2)
      return transport
    },
    (transport, request, response, body) =>
      transport.handleRequest(
        request as Parameters<typeof transport.handleRequest>[0],
        response,
        body,
      ),
  )

const onExpress =
  (make: typeof sessionsV1) =>
  (guard: Guard): RequestListener => {
    const handle = make(guard)
    const app = express()
    app.use(guard.express())
    app.all('/mcp', express.json(), (request, response) => {
      // Without the `auth` that v1 of the SDK declares for Express: ours has more in it.
      const plain: IncomingMessage = request
      return handle(plain, response, request.body)
    })
    return app
  }

type NodeHandler = (request: Auth, response: ServerResponse, body: unknown) => Promise<void>

const onFastify =
  (make: (guard: Guard) => NodeHandler) =>
  async (guard: Guard): Promise<RequestListener> => {
    const handle = make(guard)
    const app = fastify()
    app.addHook('onRequest', guard.fastify())
    app.all('/mcp', async (request, reply) => {
      reply.hijack()
      await handle(request.raw, reply.raw, request.body)
    })
    await app.ready()
    return (request, response) => app.routing(request, response)
  }

const handlerV2 = (guard: Guard): NodeHandler => {
  const handler = toNodeHandler(createMcpHandler(() => serverV2(guard)))
  return (request, response, body) =>
    handler(
      request as Parameters<typeof handler>[0],
      response as Parameters<typeof handler>[1],
      body,
    )
}

interface Face {
  name: string
  serve: (guard: Guard) => RequestListener | Promise<RequestListener>
  generation: 'v1' | 'v2'
  hasSessions: boolean
}

export const faces: readonly Face[] = [
  { name: 'Hono, v2', serve: honoV2, generation: 'v2', hasSessions: false },
  { name: 'Hono, v2 with sessions', serve: honoSessions, generation: 'v2', hasSessions: true },
  { name: '@hono/mcp, v1', serve: honoMcp, generation: 'v1', hasSessions: false },
  {
    name: '@hono/mcp, v1 with sessions',
    serve: honoMcpSessions,
    generation: 'v1',
    hasSessions: true,
  },
  { name: 'fetch, v2 with sessions', serve: fetchSessions, generation: 'v2', hasSessions: true },
  { name: 'Next, v2', serve: next, generation: 'v2', hasSessions: false },
  {
    name: 'Express, v1 with sessions',
    serve: onExpress(sessionsV1),
    generation: 'v1',
    hasSessions: true,
  },
  {
    name: 'Express, v2 with sessions',
    serve: onExpress(sessionsV2),
    generation: 'v2',
    hasSessions: true,
  },
  { name: 'Fastify, v2', serve: onFastify(handlerV2), generation: 'v2', hasSessions: false },
  {
    name: 'Fastify, v1 with sessions',
    serve: onFastify(sessionsV1),
    generation: 'v1',
    hasSessions: true,
  },
]
