/** Puts the server together: database, configuration, keys, routes, a port. */
import { randomBytes } from 'node:crypto'
import type { Server } from 'node:http'
import { createServer as createNetServer, type Server as NetServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createAdaptorServer } from '@hono/node-server'
import type { Logger } from 'pino'
import { createApp } from './app.js'
import { createOpenHolds } from './budgets/open-holds.js'
import { checkConfig } from './check-config.js'
import { type Config, ConfigError } from './config.js'
import type { Deps } from './deps.js'
import { openKeys } from './keys.js'
import { lifetimesOf } from './lifetimes.js'
import { startMaintenance } from './maintenance.js'
import { createPasswords } from './people/passwords.js'
import { openPeople, type PeopleOptions } from './people/people.js'
import type { People } from './people/person.js'
import { type Counters, memoryCounters } from './rate-limits/counters.js'
import { createRateLimits } from './rate-limits/rate-limits.js'
import type { DocumentNetwork } from './registration/metadata-document-network.js'
import { createRegistration } from './registration/registration.js'
import { retentionOf } from './retention.js'
import { createSeal } from './seal.js'
import { hashSecret } from './secrets.js'
import { applyConfig } from './store/apply-config.js'
import { type Database, openDatabase } from './store/database.js'
import type { FanOut } from './store/issuances.js'
import { openStore } from './store/store.js'

export interface ServerOptions {
  database: Database
  /** Seals the signing keys. */
  secret: string
  config: Config
  log: Logger
  now?: () => Date
  /** Milliseconds. */
  wait?: ((ms: number) => Promise<unknown>) | undefined
  /** Another source of people than this server's own. */
  people?: People | undefined
  mailer?: PeopleOptions['mailer']
  passwordCost?: PeopleOptions['passwordCost']
  /** How metadata documents of clients are reached. */
  documentNetwork?: Partial<DocumentNetwork> | undefined
  /** Where limits are counted over all servers. Absent: see `counters`. */
  redisUrl?: string | undefined
  /** Where limits are counted without Redis. Absent: in the memory of this process. */
  counters?: Counters | undefined
  /** Another process has brought the database to what the configuration says. */
  isPrepared?: boolean | undefined
  /** Processes that serve one port, and share a machine. */
  workers?: number | undefined
}

/** Random bytes are asked for by the page: a call costs more than the bytes. */
const createNewId = (idBytes = 16, pageBytes = 4096): Deps['newId'] => {
  let page = Buffer.alloc(0)
  return (prefix) => {
    if (page.length < idBytes) page = randomBytes(pageBytes)
    const id = page.toString('base64url', 0, idBytes)
    page = page.subarray(idBytes)
    return `${prefix}_${id}`
  }
}

/** Plenty for an orchestrator, and an end to a loop that delegates. */
const defaultFanOut = 1000

const fanOutOf = ({ delegation_bounds: bounds }: Config): FanOut => ({
  maxChildren: bounds?.max_children ?? defaultFanOut,
  maxChildrenPerMinute: bounds?.max_children_per_minute ?? defaultFanOut,
})

/** The library for Redis is loaded by those who use it. */
const openCounters = async (options: ServerOptions): Promise<Counters> => {
  const { redisUrl: url, log } = options
  if (url === undefined) return options.counters ?? memoryCounters
  const { openRedisCounters } = await import('./rate-limits/redis-counters.js')
  return openRedisCounters({ url, log })
}

/** Opens everything that needs no address. Takes the database over, and closes it. */
export const openServer = async (options: ServerOptions) => {
  const { config, database, log, now = () => new Date(), wait = sleep } = options
  const newId = createNewId()
  try {
    checkConfig(config)
    if (!options.isPrepared) {
      const { hash: hashPassword } = createPasswords(options.passwordCost)
      await applyConfig(database, config, {
        hashSecret,
        hashPassword,
        newId: () => newId('dlg'),
        newPersonId: newId,
        now: now(),
      })
    }
    const store = openStore(database, fanOutOf(config), now)
    const seal = createSeal(options.secret)
    const alg = config.signing_alg ?? 'ES256'
    const maxTokenLifetimeSeconds = await store.tokenLifetimes.longest()
    const ofKeys = { store: store.signingKeys, seal, alg, maxTokenLifetimeSeconds, now }
    const keys = await openKeys(ofKeys)
    const { secret, mailer, passwordCost, workers } = options
    // Last: what comes after it would have to close it.
    const counters = await openCounters(options)
    return {
      maxConnections: store.maxConnections,
      depsFor: (issuer: string): Deps => {
        const shared = { issuer, store, now, wait, newId, log }
        const own = { secret, database, config: config.people, mailer, passwordCost, workers }
        const signIn = openPeople({ ...shared, ...own })
        const openHolds = createOpenHolds(store.budgets, now)
        const { people } = signIn
        const lifetimes = lifetimesOf(config)
        const open = counters.under(issuer)
        const rateLimits = createRateLimits(open, config.rate_limits)
        const registration = createRegistration(config, open, options.documentNetwork)
        const allowedOrigins = config.cors?.allowed_origins
        const rest = { keys, seal, lifetimes, openHolds, signIn, registration, rateLimits }
        return {
          ...shared,
          ...rest,
          allowedOrigins,
          listResources: config.metadata?.list_resources ?? false,
          retention: retentionOf(config),
          people: options.people ?? people,
        }
      },
      close: async () => {
        await counters.close()
        await database.close()
      },
    }
  } catch (error) {
    await database.close()
    throw error
  }
}

export interface Address {
  databaseUrl: string
  port: number
  host: string
  issuer?: string | undefined
}

export interface RunningServer {
  url: string
  issuer: string
  close(): Promise<void>
}

/** Slow headers and slow bodies are cut off. Milliseconds. */
const timeouts = { headersTimeout: 10_000, requestTimeout: 20_000, keepAliveTimeout: 5_000 }

const listenProblem = ({ code }: NodeJS.ErrnoException, port: number, host: string): string =>
  code === 'EADDRINUSE'
    ? `PORT: ${port} is taken by another program`
    : `HOST, PORT: cannot listen on ${host}, port ${port} (${code})`

/** Tokens for the issuer are for this server's own API, and nobody else may look into them. */
const checkIssuerIsNoResource = (issuer: string, { resources }: Config): void => {
  if (!resources.some(({ resource }) => resource === issuer)) return
  throw new ConfigError(`resources: "${issuer}" is the issuer, which cannot be a resource`)
}

interface Listening {
  url: string
  port: number
}

const listen = (server: NetServer, port: number, host: string): Promise<Listening> =>
  new Promise((resolve, reject) => {
    const fail = (error: Error) => reject(new ConfigError(listenProblem(error, port, host)))
    server.once('error', fail)
    server.listen(port, host, () => {
      server.off('error', fail)
      const address = server.address()
      const actual = typeof address === 'object' && address ? address.port : port
      resolve({ url: `http://${host.includes(':') ? `[${host}]` : host}:${actual}`, port: actual })
    })
  })

const closeServer = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve())
    server.closeIdleConnections()
  })

export type ServerToStart = Omit<ServerOptions, 'database'> & Address

const open = async (options: ServerToStart) => {
  const database = await openDatabase(options.databaseUrl, { isMigrated: options.isPrepared })
  return openServer({ ...options, database })
}

/** Binds the port and lets go of it: port 0 is one that is free. */
const tryPort = async ({ port, host }: Address): Promise<Listening> => {
  const server = createNetServer()
  const listening = await listen(server, port, host)
  await new Promise((resolve) => server.close(resolve))
  return listening
}

/** All that a server does once, for those that are then started as `isPrepared`. Refuses as it would. */
export const prepareServer = async (
  options: ServerToStart,
): Promise<Listening & { issuer: string; maxConnections: number }> => {
  const listening = await tryPort(options)
  const issuer = options.issuer ?? listening.url
  checkIssuerIsNoResource(issuer, options.config)
  const opened = await open(options)
  const maxConnections = await opened.maxConnections().finally(opened.close)
  return { ...listening, issuer, maxConnections }
}

/** Opens, listens and serves. Without an issuer, the address that it listens on is the issuer. */
export const startServer = async (options: ServerToStart): Promise<RunningServer> => {
  const opened = await open(options)
  // The routes need the issuer, which may need the port, which is known once the server listens.
  let fetch: (request: Request) => Response | Promise<Response> = () =>
    new Response(null, { status: 503, headers: { 'Retry-After': '1' } })
  const server = createAdaptorServer({ fetch: (request) => fetch(request) }) as Server
  Object.assign(server, timeouts)
  try {
    const { url } = await listen(server, options.port, options.host)
    const issuer = options.issuer ?? url
    checkIssuerIsNoResource(issuer, options.config)
    const deps = opened.depsFor(issuer)
    fetch = createApp(deps).fetch
    const stopMaintenance = startMaintenance(deps)
    return {
      url,
      issuer,
      close: async () => {
        stopMaintenance()
        await closeServer(server)
        await opened.close()
      },
    }
  } catch (error) {
    server.close()
    await opened.close()
    throw error
  }
}
