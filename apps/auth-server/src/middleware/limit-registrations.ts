/** Who may register without being known may not fill the database. */
import { OAuthError } from '@behalf/protocol'
import type { MiddlewareHandler } from 'hono'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import type { Deps } from '../deps.js'
import { checkInitialAccess } from '../registration/dynamic-registration.js'
import type { Env } from './env.js'
import { remoteAddress } from './remote-address.js'

/** Over all addresses: somebody may have many. */
const allOverOne = 10

const tooMany = (retryAfterSeconds: number): OAuthError =>
  new OAuthError('temporarily_unavailable', {
    status: 429,
    description: 'Too many clients are registering.',
    reason: 'too_many_registrations',
    headers: { 'Retry-After': String(retryAfterSeconds) },
  })

/** Each address, and all of them together, so many times a minute at each server. */
export const limitRegistrations = ({ registration, signIn }: Deps): MiddlewareHandler<Env> => {
  const points = registration.dynamic.registrationsPerMinute
  const each = new RateLimiterMemory({ points, duration: 60 })
  const all = new RateLimiterMemory({ points: points * allOverOne, duration: 60 })
  return async function limitRegistrations(c, next) {
    // One after the other: what is refused to one address takes nothing from the others.
    await each
      .consume(remoteAddress(c, signIn.config))
      .then(() => all.consume('all'))
      .catch((refusal: unknown) => {
        if (!(refusal instanceof RateLimiterRes)) throw refusal
        throw tooMany(Math.ceil(refusal.msBeforeNext / 1000))
      })
    await next()
  }
}

/** Before the limit, so that who has no token cannot use it up for those who have. */
export const requireInitialAccess = (deps: Deps): MiddlewareHandler<Env> =>
  async function requireInitialAccess(c, next) {
    checkInitialAccess(c.req.header('authorization'), deps)
    await next()
  }
