/** Hono middleware: a verified caller in the context, or the refusal as the answer. */
import { isOAuthError } from '@behalf/protocol'
import type { MiddlewareHandler } from 'hono'
import type { Caller } from './caller.js'
import { type RouteOptions, toVerifyOptions } from './route.js'
import type { Verifier } from './verifier.js'

export type { RouteOptions } from './route.js'

/** The environment that a route behind {@link behalf} has. */
export interface BehalfEnv {
  Variables: { caller: Caller }
}

/**
 * Lets in who has a token for this resource, as `c.get('caller')`. What the handlers behind it refuse
 * by throwing, a guard or a charge, is answered too, unless an `onError` of the app has done so.
 */
export const behalf = (
  verifier: Verifier,
  options: RouteOptions = {},
): MiddlewareHandler<BehalfEnv> => {
  const verifyOptions = toVerifyOptions(options)
  return async function behalf(c, next) {
    try {
      c.set('caller', await verifier.verify(c.req.raw, verifyOptions))
    } catch (error) {
      return verifier.toResponse(error)
    }
    await next()
    if (isOAuthError(c.error) && c.res.status === 500) c.res = verifier.toResponse(c.error)
  }
}
