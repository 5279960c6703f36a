/** The same server on Hono. */
import { createServer } from 'node:http'
import type { AuthInfo } from '@behalf/mcp/server'
import { protectMcp } from '@behalf/mcp/server'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import type { DocsServer, Place } from './place.js'
import { createHandler } from './tools.js'

export const startHono = ({ issuer, resource, clientSecret }: Place): DocsServer => {
  const budget = { clientId: 'docs-server', clientSecret }
  const guard = protectMcp({ issuer, resource, scopes: 'docs:read', budget })

  const { fetch } = createHandler(guard)
  const app = new Hono<{ Variables: { auth: AuthInfo } }>()
  app.use(guard.hono())
  app.all('/mcp', (c) => fetch(c.req.raw, { authInfo: c.get('auth') }))
  const server = createServer(getRequestListener(app.fetch))
  return Object.assign(server.on('close', guard.close), { giveBack: guard.flush })
}
