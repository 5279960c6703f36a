#!/usr/bin/env node
/** The command: reads the environment and the configuration file; serves, or verifies the ledger. */
import { existsSync, readFileSync } from 'node:fs'
import { DrizzleQueryError } from 'drizzle-orm'
import { pino } from 'pino'
import { checkConfig } from './check-config.js'
import { type Config, ConfigError, parseConfig } from './config.js'
import { developmentSecret } from './development-secret.js'
import { startServer } from './server.js'
import { readDatabaseUrl, readSettings, type Settings } from './settings.js'
import { isDatabaseAway } from './store/failures.js'
import { printVerification } from './verify-command.js'

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

const serve = async (): Promise<void> => {
  const settings = readSettings(process.env)
  const config = readConfig(settings)
  const log = pino({ level: settings.logLevel }, pino.destination(2))
  if (config.clients.length === 0) {
    say('No clients are configured: see behalf.config.json in the README.')
  }
  const server = await startServer({ ...settings, secret: secretFor(settings), config, log })
  const stop = () => {
    server.close().then(
      () => process.exit(0),
      () => process.exit(1),
    )
  }
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  // Last of all: whoever reads it may send a signal at once.
  process.stdout.write(`listening on ${server.url}\n`)
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

run(process.argv[2]).catch((error: unknown) => {
  say(explain(error).replace(/^/gm, 'behalf: '))
  process.exit(1)
})
