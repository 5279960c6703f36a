/** Answers that hold credentials or say what is true now are not kept by anyone. RFC 6749 §5.1. */
import type { MiddlewareHandler } from 'hono'

export const noStore: MiddlewareHandler = function noStore(c, next) {
  c.header('Cache-Control', 'no-store')
  return next()
}
