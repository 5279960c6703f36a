/** The same server with version 1 of the SDK, on Express. */
import { createServer } from 'node:http'
import { protectMcp } from '@behalf/mcp/server'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import express from 'express'
import { z } from 'zod'
import type { DocsServer, Place } from './place.js'

const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] })

export const startV1 = ({ issuer, resource, clientSecret }: Place): DocsServer => {
  const budget = { clientId: 'docs-server', clientSecret }
  const guard = protectMcp({ issuer, resource, scopes: 'docs:read', budget })

  const createMcpServer = (): McpServer => {
    const server = new McpServer({ name: 'docs', version: '1.0.0' })
    guard.tool(
      server,
      'whoami',
      { description: 'Your name here.' },
      undefined,
      (_, { actor, tenantId }) => text(`${actor} of ${tenantId}`),
    )
    guard.tool(
      server,
      'summarize',
      {
        description: 'A summary.',
        scope: 'docs:read',
        action: 'docs.summarize',
        cost: '0.04',
      },
      { document: z.string() },
      ({ document }) => text(`${document}, in short`),
    )
    return server
  }
  const app = express()
  app.use(guard.express())
  app.all('/mcp', express.json(), async (request, response) => {
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined })
    response.on('close', () => transport.close())
    await createMcpServer().connect(transport)
    await transport.handleRequest(request, response, request.body)
  })
  const server = createServer(app).on('close', guard.close)
  return Object.assign(server, { giveBack: guard.flush })
}
