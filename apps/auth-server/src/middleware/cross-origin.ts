/**
 * CORS for what pages of other sites may use: without credentials, so nothing of a browser's is sent along.
 * Set as plain headers, since the framework's own middleware makes every answer a full Response object.
 */
import type { Context, MiddlewareHandler } from 'hono'

const preflightSeconds = '600'

/** Fetch §3.3.1: exactly the origin that asks, or nothing at all. */
const allowOne = (c: Context, allowed: ReadonlySet<string>): boolean => {
  const origin = c.req.header('origin')
  // RFC 9110 §12.5.5: or a cache would answer one page with what another one got.
  c.header('Vary', 'Origin')
  if (origin === undefined || !allowed.has(origin)) return false
  c.header('Access-Control-Allow-Origin', origin)
  return true
}

const allowAny = (c: Context): boolean => {
  c.header('Access-Control-Allow-Origin', '*')
  return true
}

/** @param allowedOrigins whose pages; absent: those of any origin */
export const crossOrigin = (allowedOrigins: readonly string[] | undefined): MiddlewareHandler => {
  const allowed = allowedOrigins && new Set(allowedOrigins)
  const allow = allowed ? (c: Context) => allowOne(c, allowed) : allowAny
  return async function crossOrigin(c, next) {
    const isAllowed = allow(c)
    if (c.req.method !== 'OPTIONS') {
      if (isAllowed) c.header('Access-Control-Expose-Headers', 'WWW-Authenticate, Retry-After')
      await next()
      return
    }
    if (isAllowed) {
      c.header('Access-Control-Allow-Methods', 'GET, POST')
      c.header('Access-Control-Allow-Headers', 'Authorization, Content-Type, MCP-Protocol-Version')
      c.header('Access-Control-Max-Age', preflightSeconds)
    }
    return c.body(null, 204)
  }
}
