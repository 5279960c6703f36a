/** A server on stdio as a desktop application spawns it: of the generation named, behind the guard. */
import { protectMcp } from '@behalf/mcp/server'
import { guardStdio, tokenFromEnvironment } from '@behalf/mcp/stdio'
import { McpServer as ServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { McpServer as ServerV2 } from '@modelcontextprotocol/server'
import { serveStdio } from '@modelcontextprotocol/server/stdio'

const { env, argv } = process
const resource = env.RESOURCE
const guard = protectMcp({ issuer: env.OAUTH_AUTH_URL, resource })
const options = { guard, token: tokenFromEnvironment(env, { resource }) }

const text = (value) => ({ content: [{ type: 'text', text: value }] })

const create = (Server) => {
  const server = new Server({ name: 'docs', version: '1.0.0' })
  server.registerTool(
    'whoami',
    {},
    guard.tool({}, (_, { actor }) => text(actor)),
  )
  server.registerTool(
    'publish',
    {},
    guard.tool({ scope: 'docs:write' }, () => text('published')),
  )
  return server
}

if (argv[2] === 'v1') {
  await guardStdio(create(ServerV1), options).connect(new StdioServerTransport())
} else {
  serveStdio(() => guardStdio(create(ServerV2), options))
}
