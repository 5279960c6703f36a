#!/usr/bin/env node
/** The command: reads the environment and the configuration file; serves, or verifies the ledger. */
import cluster from 'node:cluster'
import { existsSync, readFileSync } from 'node:fs'
import { DrizzleQueryError } from 'drizzle-orm'
import { type Logger, pino } from 'pino'
import { checkConfig } from './check-config.js'
import { type Config, ConfigError, parseConfig } from './config.js'
import { developmentSecret } from './development-secret.js'
import { openSharedCounters } from './rate-limits/shared-counters.js'
import { startServer } from './server.js'
import { readDatabaseUrl, readSettings, type Settings } from './settings.js'
import { isDatabaseAway } from './store/failures.js'
import { printVerification } from './verify-command.js'
import { countExchange, report, takeOrders } from './workers/report.js'
import { serveWithWorkers } from './workers/serve-with-workers.js'

const defaultConfigPath = './behalf.config.json'

const readConfig = ({ configPath }: Settings): Config => {
  const path = configPath ?? defaultConfigPath
  if (configPath === undefined && !existsSync(path)) return parseConfig('{}', process.env)
  try {
    const config = parseConfig(readFileSync(path, 'utf8'), process.env)
    checkConfig(config)
    return config
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code) throw new ConfigError(`BEHALF_CONFIG: cannot read ${path} (${code})`)
    if (error instanceof ConfigError) throw new ConfigError(message.replace(/^/gm, `${path}: `))
    throw error
  }
}

const say = (line: string): void => {
  process.stderr.write(`${line}\n`)
}

const secretFor = ({ secret, databaseUrl }: Settings): string => {
  if (secret !== undefined) return secret
  const made = developmentSecret(databaseUrl)
  if (made.madeIn) say(`Made a server secret in ${made.madeIn}. Set BEHALF_SECRET in production.`)
  return made.secret
}

const enderOf = (close: () => Promise<void>): (() => void) => {
  let isEnding = false
  return () => {
    if (isEnding) return
    isEnding = true
    close().then(
      () => process.exit(0),
      () => process.exit(1),
    )
  }
}

const openLog = ({ logLevel }: Settings): Logger => pino({ level: logLevel }, pino.destination(2))

const serve = async (): Promise<void> => {
  if (cluster.isWorker) return serveAsWorker()
  const settings = readSettings(process.env)
  const config = readConfig(settings)
  if (config.clients.length === 0) {
    say('No clients are configured: see behalf.config.json in the README.')
  }
  const options = { ...settings, secret: secretFor(settings), config, log: openLog(settings) }
  const server = await (settings.workers > 1 ? serveWithWorkers(options) : startServer(options))
  const end = enderOf(server.close)
  // Once: a second one means at once.
  process.once('SIGINT', end)
  process.once('SIGTERM', end)
  // Last of all: whoever reads it may send a signal at once.
  process.stdout.write(`listening on ${server.url}\n`)
}

const serveAsWorker = async (): Promise<void> => {
  // The terminal's is for the primary, which then tells its workers.
  process.on('SIGINT', () => {})
  const { slot, port, config } = await takeOrders()
  const settings = readSettings(process.env)
  const log = openLog(settings).child({ worker: slot })
  const options = { ...settings, port, config, log, secret: secretFor(settings) }
  const counters = openSharedCounters(countExchange)
  const server = await startServer({ ...options, counters, isPrepared: true })
  // It may come from the primary and from whoever stops them all.
  process.on('SIGTERM', enderOf(server.close))
  await report({ isServing: true })
}

/** What the operator can act on. Drizzle's own message holds the statement and its parameters. */
const explain = (error: unknown): string => {
  if (error instanceof ConfigError) return error.message
  if (error instanceof DrizzleQueryError) return explain(error.cause)
  const { code, message, name, syscall, path } = error as NodeJS.ErrnoException
  if (syscall === 'mkdir' || syscall === 'open') return `DATABASE_URL: cannot use ${path} (${code})`
  if (isDatabaseAway(error)) return `DATABASE_URL: the database does not answer (${code})`
  if (name === 'PostgresError') return `DATABASE_URL: ${message}`
  if (code === 'ERR_INVALID_URL' || name === 'URIError') return 'DATABASE_URL: is not a URL'
  return message ?? String(error)
}

const verify = async (): Promise<void> => {
  const ok = await printVerification(readDatabaseUrl(process.env), (line) => {
    process.stdout.write(`${line}\n`)
  })
  process.exitCode = ok ? 0 : 1
}

const commands: Record<string, () => Promise<void>> = { serve, 'ledger:verify': verify }

const run = async (name = 'serve'): Promise<void> => {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command) return command()
  throw new ConfigError(`there is no command "${name}": ${Object.keys(commands).join(', ')}`)
}

run(process.argv[2]).catch(async (error: unknown) => {
  const refusal = explain(error)
  // Of many workers with the same problem the primary says it once.
  if (cluster.isWorker) await report({ refusal })
  else say(refusal.replace(/^/gm, 'behalf: '))
  process.exit(1)
})
