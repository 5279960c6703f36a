/** A connection to Redis that may go away: it says so once, and nobody waits for it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '@redis/client'
import type { Logger } from 'pino'
import { ConfigError } from '../config-secret.js'

export interface RedisOptions {
  url: string
  log: Logger
}

/** Milliseconds. Counting waits no longer than this, and then goes on without Redis. */
const answerMs = 250
const connectMs = 2_000
const startMs = 1_000
const resetMs = 1_000

/** The first word of a refusal, or the code of a broken connection. A message could quote anything. */
const whyOf = (error: unknown): string => {
  const { code, message, name } = error as NodeJS.ErrnoException
  return code ?? /^[A-Z]+(?= )/.exec(message)?.[0] ?? name
}

const isRefusal = (error: unknown): boolean =>
  error instanceof Error && /^(WRONGPASS|NOAUTH|NOPERM)$/.test(whyOf(error))

/** One line when Redis goes, one when it is back, whatever happens in between. */
const createNotice = (log: Logger) => {
  let isAway = false
  return {
    away: (error: unknown): void => {
      if (isAway) return
      isAway = true
      log.warn({ why: whyOf(error) }, 'Redis does not count: each server limits by itself')
    },
    back: (): void => {
      if (!isAway) return
      isAway = false
      log.info('Redis counts again')
    },
  }
}

interface ScriptOptions {
  keys: string[]
  arguments: string[]
}

const tooSlow = (): Error => Object.assign(new Error('No answer'), { code: 'TOO_SLOW' })

/** @throws Error that says so, when there is no answer in time */
const inTime = <T>(answer: Promise<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(tooSlow()), answerMs)
    answer.then(resolve, reject).finally(() => clearTimeout(timer))
  })

/** @throws ConfigError when Redis refuses the credentials */
export const connectRedis = async ({ url, log }: RedisOptions) => {
  const { away, back } = createNotice(log)
  let hasStarted = false
  const reconnectStrategy = (retries: number, cause: Error): number | Error =>
    !hasStarted && isRefusal(cause) ? cause : Math.min(100 * 2 ** retries, 2_000)
  const socket = { connectTimeout: connectMs, reconnectStrategy }
  const client = createClient({ url, disableOfflineQueue: true, socket })
  client.on('error', away)

  const connect = (): Promise<unknown> => client.connect()
  const firstError = new Promise((resolve) => client.once('error', resolve))
  const connected = connect().then(
    () => undefined,
    (error: unknown) => error,
  )
  const problem = await Promise.race([
    connected,
    firstError,
    sleep(startMs, tooSlow(), { ref: false }),
  ])
  if (isRefusal(problem)) {
    if (client.isOpen) client.destroy()
    throw new ConfigError('REDIS_URL: Redis refuses the user name or the password')
  }
  hasStarted = true
  if (problem) away(problem)

  let resetAt = Number.NEGATIVE_INFINITY
  /** What hangs is given up: a connection that was lost without a word would hang for minutes. */
  const reset = (): void => {
    if (performance.now() - resetAt < resetMs || !client.isReady) return
    resetAt = performance.now()
    client.destroy()
    connect().catch(away)
  }
  const run = async (script: string, options: ScriptOptions) => {
    try {
      const answer = await inTime(client.eval(script, options))
      back()
      return answer
    } catch (error) {
      away(error)
      reset()
      throw error
    }
  }
  return {
    /** As much of a client as the limiters use. */
    client: {
      get isReady(): boolean {
        return client.isReady
      },
      eval: run,
    },
    close: async (): Promise<void> => {
      if (client.isOpen) client.destroy()
    },
  }
}
