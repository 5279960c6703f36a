/** A protected MCP server, with version 2 of the SDK and no framework. */
import { createServer } from 'node:http'
import { protectMcp } from '@behalf/mcp/server'
import { toNodeHandler } from '@modelcontextprotocol/node'
import type { DocsServer, Place } from './place.js'
import { createHandler } from './tools.js'

export const startV2 = ({ issuer, resource, clientSecret }: Place): DocsServer => {
  const budget = { clientId: 'docs-server', clientSecret }
  const guard = protectMcp({ issuer, resource, scopes: 'docs:read', budget })

  const { fetch } = createHandler(guard)
  // Else Node drops a second Authorization header before anybody can see it.
  const options = { joinDuplicateHeaders: true }
  const server = createServer(options, toNodeHandler({ fetch: guard.fetch(fetch) }))
  return Object.assign(server.on('close', guard.close), { giveBack: guard.flush })
}
