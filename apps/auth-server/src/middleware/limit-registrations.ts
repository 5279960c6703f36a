/** Who may register without being known may not fill the database. */
import type { MiddlewareHandler } from 'hono'
import type { Deps } from '../deps.js'
import { countOrRefuse } from '../rate-limits/too-many.js'
import { checkInitialAccess } from '../registration/dynamic-registration.js'
import type { Env } from './env.js'
import { remoteAddress } from './remote-address.js'

/** Over all addresses: somebody may have many. */
const allOverOne = 10

const tooManyRegistrations = {
  description: 'Too many clients are registering.',
  reason: 'too_many_registrations',
}

/** Each address, and all of them together, so many times a minute. */
export const limitRegistrations = (
  { registration, signIn, rateLimits: { open } }: Deps,
  name: 'register' | 'manage-registration',
): MiddlewareHandler<Env> => {
  const points = registration.dynamic.registrationsPerMinute
  const each = open(`${name}-per-address`, points)
  const all = open(name, points * allOverOne)
  return async function limitRegistrations(c, next) {
    // One after the other: what is refused to one address takes nothing from the others.
    await countOrRefuse(each, remoteAddress(c, signIn.config), tooManyRegistrations)
    await countOrRefuse(all, 'all', tooManyRegistrations)
    await next()
  }
}

/** Before the limit, so that who has no token cannot use it up for those who have. */
export const requireInitialAccess = (deps: Deps): MiddlewareHandler<Env> =>
  async function requireInitialAccess(c, next) {
    checkInitialAccess(c.req.header('authorization'), deps)
    await next()
  }
