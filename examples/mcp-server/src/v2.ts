/** A protected MCP server, with version 2 of the SDK and no framework. */
import { createServer } from 'node:http'
import { protectMcp } from '@behalf/mcp/server'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { z } from 'zod'
import type { DocsServer, Place } from './place.js'

export const startV2 = ({ issuer, resource, clientSecret }: Place): DocsServer => {
  const budget = { clientId: 'docs-server', clientSecret }
  const guard = protectMcp({ issuer, resource, scopes: 'docs:read', budget })

  const whoami = guard.tool({}, (_, { actor, tenantId }) => ({
    content: [{ type: 'text', text: `${actor} of ${tenantId}` }],
  }))
  const summarize = guard.tool(
    { scope: 'docs:read', action: 'docs.summarize', cost: '0.04' },
    ({ document }: { document: string }) => ({
      content: [{ type: 'text', text: `${document}, in short` }],
    }),
  )
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: 'docs', version: '1.0.0' })
    server.registerTool('whoami', { description: 'Your name here.' }, whoami)
    server.registerTool(
      'summarize',
      { description: 'A summary.', inputSchema: z.object({ document: z.string() }) },
      summarize,
    )
    return server
  })
  const server = createServer(toNodeHandler({ fetch: guard.fetch(handler.fetch) })).on(
    'close',
    guard.close,
  )
  return Object.assign(server, { giveBack: guard.flush })
}
