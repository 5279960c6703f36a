/** A guarded server that calls a second one for its caller, with a token of its own for that. */
import { createServer, type Server } from 'node:http'
import { type DownstreamCaller, protectMcp } from '@behalf/mcp/server'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { z } from 'zod'
import type { Place } from './place.js'

/** The caller's token is good here and nowhere else. This asks for one that is good there. */
const searchFor = async (caller: DownstreamCaller, docs: string, query: string) => {
  const { fetch } = await caller.exchangeFor(docs, { scope: 'docs:read' })
  const client = new Client({ name: 'gateway', version: '1.0.0' })
  await client.connect(new StreamableHTTPClientTransport(new URL(docs), { fetch }))
  try {
    return await client.callTool({ name: 'search', arguments: { query } })
  } finally {
    await client.close()
  }
}

/** @param docs the URL of the server behind it */
export const createGateway = ({ issuer, resource, clientSecret }: Place, docs: string): Server => {
  const client = { clientId: 'gateway', clientSecret }
  // `docs:read` is for the next server: nobody can pass on what they were not given.
  const guard = protectMcp({ issuer, resource, scopes: 'docs:ask docs:read', client })
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: 'gateway', version: '1.0.0' })
    const schema = z.object({ question: z.string() })
    guard.tool(server, 'ask', { scope: 'docs:ask' }, schema, ({ question }, caller) =>
      searchFor(caller, docs, question),
    )
    return server
  })
  // Else Node drops a second Authorization header before anybody can see it.
  const options = { joinDuplicateHeaders: true }
  const server = createServer(options, toNodeHandler({ fetch: guard.fetch(handler.fetch) }))
  return server.on('close', guard.close)
}
