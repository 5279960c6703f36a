/** Marks a route as one that a person looks at: what goes wrong there is told on a page. */
import type { MiddlewareHandler } from 'hono'
import type { Env } from './env.js'

export const asPage: MiddlewareHandler<Env> = function asPage(c, next) {
  c.set('isPage', true)
  return next()
}
