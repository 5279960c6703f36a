/** The tools of the server with version 2 of the SDK, wherever it is served. */
import type { Guard } from '@behalf/mcp/server'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { z } from 'zod'

export const createHandler = (guard: Guard) => {
  const whoami = guard.tool({}, (_, { actor, tenantId }) => ({
    content: [{ type: 'text', text: `${actor} of ${tenantId}` }],
  }))
  const summarize = guard.tool(
    { scope: 'docs:read', action: 'docs.summarize', cost: '0.04' },
    ({ document }: { document: string }) => ({
      content: [{ type: 'text', text: `${document}, in short` }],
    }),
  )
  return createMcpHandler(() => {
    const server = new McpServer({ name: 'docs', version: '1.0.0' })
    server.registerTool('whoami', { description: 'Your name here.' }, whoami)
    server.registerTool(
      'summarize',
      { description: 'A summary.', inputSchema: z.object({ document: z.string() }) },
      summarize,
    )
    return server
  })
}
