/** Counts in Redis, over all servers that share it. Loaded where `REDIS_URL` is set. */
import { createHash } from 'node:crypto'
import { RateLimiterRedis } from 'rate-limiter-flexible'
import { BoundedMemory, type Counters, counterOf, policyOf, windowSeconds } from './counters.js'
import { connectRedis, type RedisOptions } from './redis.js'

/** Of one length, and nobody's address or name is in Redis for others to read. */
const hash = (who: string): string => createHash('sha256').update(who).digest('base64url')

/** @throws ConfigError when Redis refuses the credentials. One that is away is waited for. */
export const openRedisCounters = async (options: RedisOptions): Promise<Counters> => {
  const redis = await connectRedis(options)
  return {
    under: (issuer) => (name, limit) => {
      const limiter = new RateLimiterRedis({
        storeClient: redis.client,
        useRedisPackage: true,
        points: limit,
        duration: windowSeconds,
        keyPrefix: `behalf:${issuer}:${name}`,
        // Redis is asked only while it can answer, and no more about who has too much already.
        rejectIfRedisNotReady: true,
        inMemoryBlockOnConsumed: limit + 1,
        insuranceLimiter: new BoundedMemory(limit),
      })
      const consume = (who: string) => limiter.consume(hash(who))
      return counterOf({ consume }, policyOf(name, limit))
    },
    close: redis.close,
  }
}
