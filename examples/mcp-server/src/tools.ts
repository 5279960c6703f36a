/** The tools of the server with version 2 of the SDK, wherever it is served. */
import type { Guard } from '@behalf/mcp/server'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { z } from 'zod'

const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] })

export const createHandler = (guard: Guard) => {
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
      z.object({ document: z.string() }),
      ({ document }) => text(`${document}, in short`),
    )
    return server
  }
  return createMcpHandler(createMcpServer)
}
