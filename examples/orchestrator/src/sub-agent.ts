/** A planner, a coder or a tester: an MCP server that works for people, and only through one agent. */
import { createServer, type Server } from 'node:http'
import { type FetchHandler, protectMcp } from '@behalf/mcp/server'
import { requireActor, toResponse } from '@behalf/verifier'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { z } from 'zod'

export interface SubAgentOptions {
  /** What it does, which is also the scope that it asks for. */
  name: 'plan' | 'code' | 'test'
  issuer: string
  resource: string
}

const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] })

export const createSubAgent = ({ name, issuer, resource }: SubAgentOptions): Server => {
  const guard = protectMcp({ issuer, resource, scopes: name })
  const mcp = createMcpHandler(() => {
    const server = new McpServer({ name, version: '1.0.0' })
    guard.tool(
      server,
      'work',
      { scope: name },
      z.object({ task: z.string() }),
      ({ task }, { subject, actor, tenantId }) =>
        text(`${name} ${task} for ${subject} of ${tenantId}, via ${actor}`),
    )
    return server
  })

  // Only the outermost actor decides (RFC 8693 §4.1). A token on which nobody acts has none.
  const admitOrchestrator: FetchHandler = (request, options) => {
    try {
      requireActor(options.authInfo.extra.caller, 'orchestrator')
    } catch (error) {
      return toResponse(error)
    }
    return mcp.fetch(request, options)
  }
  // Else Node drops a second Authorization header before anybody can see it.
  const options = { joinDuplicateHeaders: true }
  const server = createServer(options, toNodeHandler({ fetch: guard.fetch(admitOrchestrator) }))
  return server.on('close', guard.close)
}
