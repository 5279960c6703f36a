/** The server behind the gateway. It knows nothing of gateways: it reads the chain of its caller. */
import { createServer } from 'node:http'
import { protectMcp } from '@behalf/mcp/server'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { z } from 'zod'
import type { LendingServer, Place } from './place.js'

const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] })

export const createDocsServer = ({ issuer, resource, clientSecret }: Place): LendingServer => {
  const budget = { clientId: 'docs-server', clientSecret }
  const guard = protectMcp({ issuer, resource, scopes: 'docs:read', budget })
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: 'docs', version: '1.0.0' })
    guard.tool(
      server,
      'search',
      { scope: 'docs:read', action: 'docs.search', cost: '0.04' },
      z.object({ query: z.string() }),
      ({ query }, { subject, chain, scope }) => {
        const through = chain.map(({ sub }) => sub).join(', ')
        return text(
          `${query}: found for ${subject} through ${through}, with ${[...scope].join(' ')}`,
        )
      },
    )
    return server
  })
  // Else Node drops a second Authorization header before anybody can see it.
  const options = { joinDuplicateHeaders: true }
  const server = createServer(options, toNodeHandler({ fetch: guard.fetch(handler.fetch) }))
  return Object.assign(server.on('close', guard.close), { giveBack: guard.flush })
}
