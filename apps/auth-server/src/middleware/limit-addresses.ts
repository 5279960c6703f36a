/** So many requests a minute from one address: for what anybody may ask for, and what is then kept. */
import { OAuthError } from '@behalf/protocol'
import type { Context, MiddlewareHandler } from 'hono'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import type { Env } from './env.js'

/** @param addressOf `undefined` is not counted: it would be everybody */
export const limitAddresses = (
  perMinute: number,
  addressOf: (c: Context) => string | undefined,
): MiddlewareHandler<Env> => {
  const limiter = new RateLimiterMemory({ points: perMinute, duration: 60 })
  return async function limitAddresses(c, next) {
    const address = addressOf(c)
    if (address === undefined) return next()
    await limiter.consume(address).catch((refusal: unknown) => {
      if (!(refusal instanceof RateLimiterRes)) throw refusal
      throw new OAuthError('temporarily_unavailable', {
        description: 'Too many requests from this address.',
        reason: 'too_many_requests',
        headers: { 'Retry-After': String(Math.ceil(refusal.msBeforeNext / 1000)) },
      })
    })
    return next()
  }
}
