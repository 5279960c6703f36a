/** A server object with somebody at the other end, and no HTTP between. */
import type { McpServer as McpServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js'
import type { McpServer as McpServerV2 } from '@modelcontextprotocol/server'
import type { AuthInfo } from '../src/server.js'

const message = (method: string, params: object, id: number) => ({
  jsonrpc: '2.0',
  id,
  method,
  params,
})

/** A server object with a caller at the other end, and no transport that anybody wrote. */
export const talkTo = async (server: McpServerV1 | McpServerV2, authInfo: AuthInfo | undefined) => {
  const waiting = new Map<unknown, (answer: Record<string, unknown>) => void>()
  const transport = {
    onmessage: undefined as ((message: unknown, extra: unknown) => void) | undefined,
    start: async () => undefined,
    close: async () => undefined,
    send: async (sent: object) => {
      waiting.get(Reflect.get(sent, 'id'))?.(sent as Record<string, unknown>)
    },
  }
  await server.connect(transport as never)
  let last = 0
  return (method: string, params: object = {}) =>
    new Promise<Record<string, unknown>>((resolve) => {
      last += 1
      waiting.set(last, resolve)
      transport.onmessage?.(message(method, params, last), { authInfo })
    })
}
