/** The environment, read once by `main.ts` and checked here. */
import { availableParallelism } from 'node:os'
import { issuerProblem } from '@behalf/protocol'
import { ConfigError } from './config.js'

export interface Settings {
  port: number
  host: string
  /** Absent: the address that the server listens on. */
  issuer: string | undefined
  configPath: string | undefined
  secret: string | undefined
  /** `postgres://…`, `pglite:PATH` or `memory:` */
  databaseUrl: string
  /** `redis://…`: where limits are counted over all servers. */
  redisUrl: string | undefined
  logLevel: string
  /** Processes that serve the port. 1: this one. */
  workers: number
}

const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']

const minSecretLength = 32

const readPort = (text: string): number => {
  const port = Number(text)
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port
  throw new ConfigError(`PORT: "${text}" is not a port`)
}

const checkDatabaseUrl = (url: string): string => {
  if (url === 'memory:' || /^pglite:.+/.test(url) || /^postgres(ql)?:\/\//.test(url)) return url
  throw new ConfigError('DATABASE_URL: must be postgres://…, pglite:PATH or memory:')
}

const canDecode = (text: string): boolean => {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

/** The message never quotes it: there may be a password in it. */
const checkRedisUrl = (text: string | undefined): string | undefined => {
  if (text === undefined) return undefined
  const url = /^rediss?:\/\/./.test(text) && URL.canParse(text) ? new URL(text) : undefined
  const isGood =
    url?.hostname && /^(\/\d*)?$/.test(url.pathname) && canDecode(url.username + url.password)
  if (isGood) return text
  throw new ConfigError(
    'REDIS_URL: must be redis://HOST:PORT or rediss://HOST:PORT, with USER:PASSWORD@ before it and /DATABASE behind it where there are any',
  )
}

const checkSecret = (secret: string | undefined, databaseUrl: string): string | undefined => {
  if (secret !== undefined && secret.length < minSecretLength) {
    throw new ConfigError(
      `BEHALF_SECRET: needs ${minSecretLength} characters; make one with: openssl rand -base64 32`,
    )
  }
  if (secret === undefined && databaseUrl.startsWith('postgres')) {
    throw new ConfigError(
      'BEHALF_SECRET: must be set with a PostgreSQL database, since all its servers share it; make one with: openssl rand -base64 32',
    )
  }
  return secret
}

const checkIssuer = (issuer: string | undefined): string | undefined => {
  const problem = issuer === undefined ? undefined : issuerProblem(issuer)
  if (problem === undefined) return issuer
  throw new ConfigError(`BEHALF_ISSUER: "${issuer}" ${problem}`)
}

const maxWorkers = 256

/** PGlite lives in one process, so there `auto` is refused as well: the machine must not decide it. */
const readWorkers = (text: string, databaseUrl: string): number => {
  const count = text === 'auto' ? Math.min(availableParallelism(), maxWorkers) : Number(text)
  if (text !== 'auto' && !(/^[1-9]\d{0,2}$/.test(text) && count <= maxWorkers)) {
    throw new ConfigError(`WORKERS: must be auto, or a number from 1 to ${maxWorkers}`)
  }
  if (text !== '1' && !databaseUrl.startsWith('postgres')) {
    throw new ConfigError(
      'WORKERS: PGlite and memory: are for one process; more need PostgreSQL: set DATABASE_URL to postgres://…',
    )
  }
  return count
}

type Environment = Record<string, string | undefined>

/** @throws ConfigError */
export const readDatabaseUrl = (env: Environment): string =>
  checkDatabaseUrl(env.DATABASE_URL || 'pglite:./.behalf')

/** @throws ConfigError with one line that says what to change */
export const readSettings = (env: Environment): Settings => {
  const databaseUrl = readDatabaseUrl(env)
  const logLevel = env.LOG_LEVEL || 'info'
  if (!logLevels.includes(logLevel)) {
    throw new ConfigError(`LOG_LEVEL: must be one of ${logLevels.join(', ')}`)
  }
  return {
    port: readPort(env.PORT || '4000'),
    host: env.HOST || '127.0.0.1',
    issuer: checkIssuer(env.BEHALF_ISSUER || undefined),
    configPath: env.BEHALF_CONFIG || undefined,
    secret: checkSecret(env.BEHALF_SECRET || undefined, databaseUrl),
    databaseUrl,
    redisUrl: checkRedisUrl(env.REDIS_URL || undefined),
    logLevel,
    workers: readWorkers(env.WORKERS || '1', databaseUrl),
  }
}
