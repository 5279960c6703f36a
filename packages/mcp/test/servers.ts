/** The same tools on a server of each generation, behind the guard, on loopback. */
import { createServer, type RequestListener, type ServerOptions } from 'node:http'
import type { AddressInfo } from 'node:net'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { McpServer as McpServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import { createMcpHandler, McpServer as McpServerV2 } from '@modelcontextprotocol/server'
import express from 'express'
import { z } from 'zod'
import type { Guard } from '../src/server.js'

export interface Opened {
  url: string
  close: () => Promise<void>
  use: (listener: RequestListener) => void
}

/** Listens first and serves later: the resource is the address, and the guard needs its name. */
export const open = async (options: ServerOptions = {}): Promise<Opened> => {
  const server = createServer(options)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    use: (listener) => {
      server.on('request', listener)
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] })

const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

const readMeter = ({ used }: { used: string }): string => {
  if (used === 'broken') throw new Error('the meter broke')
  return used
}

const tools = (guard: Guard) => ({
  whoami: guard.tool({}, async (_, caller) => {
    // Long enough for the others of a burst to be in here as well.
    await later(5)
    return text(caller.actor)
  }),
  search: guard.tool(
    { scope: 'docs:read', action: 'docs.search', cost: '0.04' },
    async ({ q }: { q: string }, caller) => text(`${q} for ${caller.actor}`),
  ),
  publish: guard.tool({ scope: 'docs:write' }, () => text('published')),
  mail: guard.tool({ action: 'mail.send' }, () => text('sent')),
  pages: guard.tool(
    { action: 'docs.read', cost: ({ count }) => `0.0${count}` },
    ({ count }: { count: number }) => text(`${count} pages`),
  ),
  measured: guard.tool(
    { action: 'docs.measure', cost: { max: '0.05', actual: readMeter } },
    ({ used }: { used: string }) => ({ ...text('measured'), used }),
  ),
  broken: guard.tool({ action: 'docs.break', cost: '0.04' }, () => {
    throw new Error('the tool broke')
  }),
  /** Gives up when it is told to, as a tool should. */
  slow: guard.tool({ action: 'docs.wait', cost: '0.04' }, async (_, __, context) => {
    const signal = context.signal ?? context.mcpReq?.signal
    for (let waited = 0; waited < 500; waited += 1) {
      await later(10)
      signal?.throwIfAborted()
    }
    return text('at last')
  }),
  unlucky: guard.tool({ action: 'docs.fail', cost: '0.04' }, () => ({
    ...text('no luck'),
    isError: true,
  })),
})

/** Called on a server of either generation: they differ in no way that shows here. */
export const createServerV1 = (guard: Guard): McpServerV1 => {
  const server = new McpServerV1({ name: 'docs', version: '1.0.0' })
  const { whoami, search, publish, mail, pages, measured, broken, slow, unlucky } = tools(guard)
  server.registerTool('whoami', {}, whoami)
  server.registerTool('search', { inputSchema: { q: z.string() } }, search)
  server.registerTool('publish', {}, publish)
  server.registerTool('mail', {}, mail)
  server.registerTool('pages', { inputSchema: { count: z.number() } }, pages)
  server.registerTool('measured', { inputSchema: { used: z.string() } }, measured)
  server.registerTool('broken', {}, broken)
  server.registerTool('slow', {}, slow)
  server.registerTool('unlucky', {}, unlucky)
  return server
}

export const createServerV2 = (guard: Guard): McpServerV2 => {
  const server = new McpServerV2({ name: 'docs', version: '1.0.0' })
  const { whoami, search, publish, mail, pages, measured, broken, slow, unlucky } = tools(guard)
  server.registerTool('whoami', {}, whoami)
  server.registerTool('search', { inputSchema: z.object({ q: z.string() }) }, search)
  server.registerTool('publish', {}, publish)
  server.registerTool('mail', {}, mail)
  server.registerTool('pages', { inputSchema: z.object({ count: z.number() }) }, pages)
  server.registerTool('measured', { inputSchema: z.object({ used: z.string() }) }, measured)
  server.registerTool('broken', {}, broken)
  server.registerTool('slow', {}, slow)
  server.registerTool('unlucky', {}, unlucky)
  return server
}

/** v1 as most deployments have it: Express, a fresh server and transport for each request. */
export const serveV1 = (guard: Guard, make: () => McpServerV1) => {
  const app = express()
  app.use(guard.express())
  app.all('/mcp', express.json(), guard.stepUp(), async (request, response) => {
    const transport = new StreamableHTTPServerTransport({})
    response.on('close', () => transport.close())
    // The SDK's own class does not fit its interface under exactOptionalPropertyTypes.
    await make().connect(transport as Parameters<McpServerV1['connect']>[0])
    await transport.handleRequest(request, response, request.body)
  })
  return app
}

/** v1 with sessions: one server and transport for each, kept until the client ends it. */
export const serveV1Stateful = (guard: Guard, make: () => McpServerV1) => {
  const sessions = new Map<string, StreamableHTTPServerTransport>()
  const begin = async () => {
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => crypto.randomUUID(),
      onsessioninitialized: (id) => {
        sessions.set(id, transport)
      },
    })
    // The SDK's own class does not fit its interface under exactOptionalPropertyTypes.
    await make().connect(transport as Parameters<McpServerV1['connect']>[0])
    return transport
  }
  const app = express()
  app.use(guard.express())
  app.all('/mcp', express.json(), guard.stepUp(), async (request, response) => {
    const known = sessions.get(String(request.headers['mcp-session-id']))
    await (known ?? (await begin())).handleRequest(request, response, request.body)
  })
  return app
}

/** v1 without a framework: a fresh server and transport for each request, on what the web has. */
export const serveV1OnFetch = (guard: Guard, make: () => McpServerV1) => {
  const serve = guard.fetch(async (request, options) => {
    const transport = new WebStandardStreamableHTTPServerTransport({})
    await make().connect(transport as Parameters<McpServerV1['connect']>[0])
    return transport.handleRequest(request, options)
  })
  // The SDK's own types do not fit node's under exactOptionalPropertyTypes.
  return toNodeHandler({ fetch: serve }) as RequestListener
}

/** v2 without a framework: the guard around the handler, on `node:http`. */
export const serveV2 = (guard: Guard, make: () => McpServerV2) =>
  // The SDK's own types do not fit node's under exactOptionalPropertyTypes.
  toNodeHandler({ fetch: guard.fetch(createMcpHandler(make).fetch) }) as RequestListener

/** v2 behind Express, where `toNodeHandler` finds `req.auth`. */
export const serveV2OnExpress = (guard: Guard, make: () => McpServerV2) => {
  const app = express()
  app.use(guard.express())
  app.all('/mcp', toNodeHandler(createMcpHandler(make)))
  return app
}
