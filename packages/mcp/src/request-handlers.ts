/**
 * The request handlers of a server object. A list that differs by caller has to be cut where the
 * caller is known, which is where a request is handled: a server is shared, and knows nobody.
 */
import type { ToolContext } from './auth-info.js'

export interface MethodRequest {
  method: string
  params?: { [name: string]: unknown } | undefined
}

export type RequestHandler = (request: MethodRequest, context: ToolContext) => unknown

/** Puts something around the handler of one method. */
export type Around = (method: string, handler: RequestHandler) => RequestHandler

type Table = Map<string, RequestHandler>

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

const isTable = (value: unknown): value is Table => value instanceof Map

/**
 * Both generations keep them in a map of this name, which their types call private. There is no other
 * way to what an SDK has installed by itself; without it nothing is registered at all.
 *
 * @throws TypeError
 */
const tableOf = (server: object): Table => {
  const inner: unknown = Reflect.get(server, 'server')
  const table: unknown = isObject(inner) ? Reflect.get(inner, '_requestHandlers') : undefined
  if (isTable(table)) return table
  throw new TypeError('guard: the server must be an McpServer of @modelcontextprotocol.')
}

/** Around those that are there, and around all that will be set later. */
export const surround = (server: object, around: Around): void => {
  const table = tableOf(server)
  const set = table.set.bind(table)
  for (const [method, handler] of [...table]) set(method, around(method, handler))
  table.set = (method, handler) => set(method, around(method, handler))
}

/** The second generation answers a missing scope by itself, if a tool says which. */
export const challengesByItself = (server: object): boolean =>
  typeof Reflect.get(server, 'resolveScopeChallenge') === 'function'

/** The protocol of 2026-07-28 brings who asks, and in which version, with every request. */
export const isModern = ({ mcpReq }: ToolContext): boolean =>
  mcpReq !== undefined && 'envelope' in mcpReq && mcpReq.envelope !== undefined
