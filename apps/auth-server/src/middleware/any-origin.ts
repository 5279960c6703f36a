/**
 * CORS for what any page may use: without credentials, so nothing of a browser's is sent along. Set as
 * plain headers, since the framework's own middleware makes every answer a full Response object.
 */
import type { MiddlewareHandler } from 'hono'

const preflightSeconds = '600'

export const anyOrigin: MiddlewareHandler = async function anyOrigin(c, next) {
  c.header('Access-Control-Allow-Origin', '*')
  if (c.req.method !== 'OPTIONS') {
    c.header('Access-Control-Expose-Headers', 'WWW-Authenticate, Retry-After')
    await next()
    return
  }
  c.header('Access-Control-Allow-Methods', 'GET, POST')
  c.header('Access-Control-Allow-Headers', 'Authorization, Content-Type, MCP-Protocol-Version')
  c.header('Access-Control-Max-Age', preflightSeconds)
  return c.body(null, 204)
}
