/** The types of `redis.mjs`, for tests in TypeScript. */

export interface RedisServer {
  port: number
  url: string
  stop(): Promise<void>
  pause(): void
  resume(): void
  restart(): Promise<void>
}

/** Absent: there is none on this machine. */
export const redisBinary: string | undefined
export const startRedis: (options?: { flags?: string[] }) => Promise<RedisServer>
