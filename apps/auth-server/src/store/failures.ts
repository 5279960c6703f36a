/** Tells a database that is away from a statement that is wrong. */

const awayCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
  'CONNECTION_CLOSED',
  'CONNECTION_ENDED',
  'CONNECTION_DESTROYED',
  'CONNECT_TIMEOUT',
  // PostgreSQL: too many connections, shutting down, starting up, read-only after a failover, disk full.
  '53300',
  '57P01',
  '57P02',
  '57P03',
  '25006',
  '53100',
  // Idle in a transaction for too long, a lock that was not to be had, a statement that was cut off.
  '25P03',
  '55P03',
  '57014',
])

const codeOf = (error: unknown): string | undefined => {
  const code = (error as { code?: unknown } | undefined)?.code
  return typeof code === 'string' ? code : undefined
}

/** The error under drizzle's wrapper, whose message holds the parameters and must never be shown. */
export const databaseError = (error: unknown): unknown => {
  let inner = error
  while (inner instanceof Error && inner.cause !== undefined) inner = inner.cause
  return inner
}

export const isDatabaseAway = (error: unknown): boolean => {
  const code = codeOf(databaseError(error))
  return code !== undefined && (awayCodes.has(code) || code.startsWith('08'))
}

/** PostgreSQL recovers, and takes connections when it has. */
export const isDatabaseStarting = (error: unknown): boolean =>
  codeOf(databaseError(error)) === '57P03'

/** PostgreSQL asks to try again: a serialization failure or a deadlock. */
const isRetryable = (error: unknown): boolean => {
  const code = codeOf(databaseError(error))
  return code === '40001' || code === '40P01'
}

/** Runs again, a few times, what the database refused only for its timing. */
export const withRetry = async <T>(run: () => Promise<T>, attempts = 5): Promise<T> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await run()
    } catch (error) {
      if (attempt >= attempts || !isRetryable(error)) throw error
    }
  }
}
