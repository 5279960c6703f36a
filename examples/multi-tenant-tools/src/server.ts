/** One MCP server for several tenants: what `tools/list` shows depends on who asks. */
import { createServer, type Server } from 'node:http'
import { type Guard, protectMcp } from '@behalf/mcp/server'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { z } from 'zod'

const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] })

/** The rule of a tool is checked for the list and for the call alike: hidden is never only hidden. */
const createTools = ({ tool }: Guard): McpServer => {
  const server = new McpServer({ name: 'work', version: '1.0.0' })

  // For everybody.
  tool(server, 'whoami', { scope: 'work' }, undefined, (_, { tenantId, claims }) =>
    text(`${claims.org_role} of ${tenantId}`),
  )
  // Who may not write yet does not see it.
  tool(
    server,
    'note',
    { scope: 'work:write', unavailable: 'hide' },
    z.object({ line: z.string() }),
    ({ line }, { tenantId }) => text(`${line}, noted for ${tenantId}`),
  )
  // Something that one tenant has bought.
  tool(server, 'invoice', { scope: 'work', visible: { tenants: ['acme'] } }, undefined, () =>
    text('invoiced'),
  )
  // For those who run their organization.
  tool(
    server,
    'invite',
    { scope: 'work', visible: { orgRoles: ['owner', 'admin'] } },
    undefined,
    () => text('invited'),
  )
  // By anything else that a token says.
  tool(
    server,
    'audit',
    { visible: ({ tenantId, claims }) => tenantId === 'globex' && claims.org_role === 'owner' },
    undefined,
    () => text('audited'),
  )
  return server
}

export const createWorkServer = (options: { issuer: string; resource: string }): Server => {
  const guard = protectMcp({ ...options, scopes: 'work' })
  const handler = createMcpHandler(() => createTools(guard))
  // Else Node drops a second Authorization header before anybody can see it.
  const http = { joinDuplicateHeaders: true }
  const server = createServer(http, toNodeHandler({ fetch: guard.fetch(handler.fetch) }))
  return server.on('close', guard.close)
}
