/** The same server on Express, with version 2 of the SDK. */
import { createServer } from 'node:http'
import { protectMcp } from '@behalf/mcp/server'
import { toNodeHandler } from '@modelcontextprotocol/node'
import express from 'express'
import type { DocsServer, Place } from './place.js'
import { createHandler } from './tools.js'

export const startExpress = ({ issuer, resource, clientSecret }: Place): DocsServer => {
  const budget = { clientId: 'docs-server', clientSecret }
  const guard = protectMcp({ issuer, resource, scopes: 'docs:read', budget })

  const app = express()
  app.use(guard.express())
  app.all('/mcp', toNodeHandler(createHandler(guard)))
  const server = createServer(app).on('close', guard.close)
  return Object.assign(server, { giveBack: guard.flush })
}
