/** RFC 9449 §5: a request for tokens that are bound to the key of its proof. */
import type { MiddlewareHandler } from 'hono'
import { dpopNotSupported } from '../dpop.js'

export const refuseDpop: MiddlewareHandler = function refuseDpop(c, next) {
  if (c.req.header('dpop') !== undefined) throw dpopNotSupported()
  return next()
}
