/** So many requests a minute from one address: for what anybody may ask for, and what is then kept. */
import { OAuthError } from '@behalf/protocol'
import type { MiddlewareHandler } from 'hono'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import type { Deps } from '../deps.js'
import type { Env } from './env.js'
import { remoteAddress } from './remote-address.js'

export const limitAddresses = (perMinute: number, deps: Deps): MiddlewareHandler<Env> => {
  const limiter = new RateLimiterMemory({ points: perMinute, duration: 60 })
  return async function limitAddresses(c, next) {
    await limiter.consume(remoteAddress(c, deps) ?? 'unknown').catch((refusal: unknown) => {
      if (!(refusal instanceof RateLimiterRes)) throw refusal
      throw new OAuthError('temporarily_unavailable', {
        description: 'Too many requests from this address.',
        reason: 'too_many_requests',
        headers: { 'Retry-After': String(Math.ceil(refusal.msBeforeNext / 1000)) },
      })
    })
    await next()
  }
}
