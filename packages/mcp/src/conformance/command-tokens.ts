/** The tokens that a command line names. */
import { exec } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { type Arguments, UsageError } from './arguments.js'
import { createSocketSend, readObject } from './http.js'
import {
  type SuppliedKind,
  type SuppliedTokens,
  suppliedKinds,
  type TokenSource,
  tokensByClientCredentials,
  tokensFrom,
} from './token-source.js'

export type Environment = Readonly<Record<string, string | undefined>>

const commandTimeoutMs = 30_000

const variable = (env: Environment, name: string): string => {
  const value = env[name]
  if (value) return value
  throw new UsageError(`The environment has no ${name}.`)
}

const kebab = (kind: SuppliedKind): string =>
  kind.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

/** @throws UsageError */
const readTokens = async (path: string): Promise<{ good?: string; supplied: SuppliedTokens }> => {
  const tokens = readObject(await readFile(path, 'utf8').catch(() => ''))
  if (!tokens) throw new UsageError(`${path} is no JSON object of tokens.`)
  const named = new Map<string, SuppliedKind>(suppliedKinds.map((kind) => [kebab(kind), kind]))
  const supplied: { [Kind in SuppliedKind]?: string } = {}
  const { good, ...rest } = tokens
  for (const [name, token] of Object.entries(rest)) {
    const kind = named.get(name)
    if (!kind || typeof token !== 'string') throw new UsageError(`${path}: "${name}" is not known.`)
    supplied[kind] = token
  }
  return { ...(typeof good === 'string' && { good }), supplied }
}

const printedBy = (command: string, env: Environment) => async (): Promise<string> => {
  const { stdout } = await promisify(exec)(command, { timeout: commandTimeoutMs, env: { ...env } })
  const token = stdout.trim()
  if (token !== '') return token
  throw new Error('The command printed no token.')
}

/** The secret goes to the issuer that was named, and to nobody whom the server under test names. */
const clientCredentials = (
  { values }: Arguments,
  env: Environment,
  supplied: SuppliedTokens,
): TokenSource | undefined => {
  const { 'client-id': clientId, 'client-secret-env': name, issuer } = values
  if (clientId === undefined) return undefined
  if (name === undefined) throw new UsageError('--client-id needs --client-secret-env.')
  if (issuer === undefined) throw new UsageError('--client-id needs --issuer.')
  const clientSecret = variable(env, name)
  const send = createSocketSend(commandTimeoutMs)
  return tokensByClientCredentials({ issuer, clientId, clientSecret, supplied }, send)
}

/**
 * For everything but the kit's own issuer.
 *
 * @throws UsageError
 */
export const readTokenSource = async (args: Arguments, env: Environment): Promise<TokenSource> => {
  const { values } = args
  const file = values.tokens === undefined ? { supplied: {} } : await readTokens(values.tokens)
  const byCredentials = clientCredentials(args, env, file.supplied)
  if (byCredentials) return byCredentials
  const { 'token-command': command, 'token-env': name, token } = values
  if (command !== undefined) return tokensFrom(printedBy(command, env), file.supplied)
  if (name !== undefined) return tokensFrom(variable(env, name), file.supplied)
  if (token !== undefined) return tokensFrom(token, file.supplied)
  if (file.good !== undefined) return tokensFrom(file.good, file.supplied)
  throw new UsageError('Say where tokens come from: --test-issuer, --client-id, --token-command, …')
}
