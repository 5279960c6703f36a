/**
 * Every verifier keeps every revocation for as long as a token lives. One client that revokes without
 * end would fill the memory of all of them, so each may revoke so many times a minute at each server.
 */
import { OAuthError } from '@behalf/protocol'
import type { MiddlewareHandler } from 'hono'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import type { Env } from './env.js'

const revocationsPerMinute = 600

/** RFC 7009 §2.2.1: 503, after which the client must assume that the token is still good. */
const tooMany = (retryAfterSeconds: number): OAuthError =>
  new OAuthError('temporarily_unavailable', {
    description: 'This client revokes too much in too short a time.',
    reason: 'too_many_revocations',
    hint: 'Revoke a delegation further up: all that hangs from it ends with it.',
    headers: { 'Retry-After': String(retryAfterSeconds) },
  })

export const limitRevocations = (): MiddlewareHandler<Env> => {
  const limiter = new RateLimiterMemory({ points: revocationsPerMinute, duration: 60 })
  return async function limitRevocations(c, next) {
    await limiter.consume(c.var.client.client_id).catch((refusal: unknown) => {
      if (!(refusal instanceof RateLimiterRes)) throw refusal
      throw tooMany(Math.ceil(refusal.msBeforeNext / 1000))
    })
    await next()
  }
}
