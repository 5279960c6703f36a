/** The types of `redis.mjs`, for tests in TypeScript. */

export interface RedisServer {
  port: number
  url: string
  stop(): Promise<void>
  pause(): void
  resume(): void
  restart(): Promise<void>
}

/** There is none on this machine. */
export const withoutRedis: boolean
export const startRedis: (options?: { flags?: string[] }) => Promise<RedisServer>
