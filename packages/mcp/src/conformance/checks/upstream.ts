/** A token is for the server that it names, and goes no further. */
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { type Check, failed, passed, skipped } from '../check.js'
import { specs } from './specs.js'
import { callTool, shownTool } from './tool-calls.js'

const maxBytes = 65_536

const readAll = async (request: IncomingMessage): Promise<string> => {
  let text = `${request.url}\n${request.rawHeaders.join('\n')}\n`
  for await (const chunk of request) {
    text += String(chunk)
    if (text.length > maxBytes) break
  }
  return text
}

/** Stands in for the API behind the server, and keeps what it is told. */
const startTrap = async (port: number): Promise<{ seen: string[]; server: Server }> => {
  const seen: string[] = []
  const server = createServer(async (request, response) => {
    seen.push(await readAll(request))
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return { seen, server }
}

const stop = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })

const passthrough: Check = {
  id: 'no-token-passthrough',
  title: 'The token of the caller is not sent on to the API behind the server.',
  level: 'must',
  spec: specs.privilege,
  fix: 'Get a token of your own for the next server, by token exchange (RFC 8693) or client credentials.',
  run: async (target) => {
    const { upstream } = target
    if (!upstream) {
      return skipped(
        'let a tool call an API on a port of this machine, and name both (--upstream-tool, --upstream-port)',
      )
    }
    const token = await target.good()
    const { seen, server } = await startTrap(upstream.port)
    try {
      const { tool: name, arguments: args } = upstream
      const call = await callTool(target, token, { name, arguments: args })
      if (seen.length === 0) return skipped(`the tool called nobody: ${shownTool(call)}`)
    } finally {
      await stop(server)
    }
    const [, claims = token] = token.split('.')
    const leaked = seen.some((text) => text.includes(token) || text.includes(claims))
    return leaked
      ? failed('the API was sent the token')
      : passed(`${seen.length} requests, none with it`)
  },
}

export const upstreamChecks: readonly Check[] = [passthrough]
