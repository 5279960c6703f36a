/** The only place where an error becomes an answer: the caller gets the code, the log the reason. */
import { isOAuthError, OAuthError } from '@behalf/protocol'
import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Logger } from 'pino'
import { databaseError, isDatabaseAway } from '../store/failures.js'
import { answerPage } from '../views/answer-page.js'
import { wordsFor } from '../views/error-words.js'
import { ErrorPage } from '../views/page.js'
import type { Env } from './env.js'

const retryAfterSeconds = '2'

const away = (cause: unknown): OAuthError =>
  new OAuthError('temporarily_unavailable', {
    description: 'The database does not answer. Try again shortly.',
    reason: 'database_away',
    headers: { 'Retry-After': retryAfterSeconds },
    cause,
  })

const unexpected = (cause: unknown): OAuthError =>
  new OAuthError('server_error', { description: 'Something went wrong here.', cause })

export const toOAuthError = (error: unknown): OAuthError => {
  if (isOAuthError(error)) return error
  return isDatabaseAway(error) ? away(error) : unexpected(error)
}

/** Of the cause only what cannot hold a parameter: drizzle puts statements and values in messages. */
const describeCause = (cause: unknown): object | undefined => {
  const inner = databaseError(cause)
  if (!(inner instanceof Error)) return undefined
  const { code } = inner as { code?: unknown }
  return { name: inner.name, code, message: inner.message, stack: inner.stack }
}

const writeLog = (c: Context<Env>, error: OAuthError, log: Logger): void => {
  const { method, path } = c.req
  // Only who has authenticated: anybody can say a name.
  const clientId = c.get('client')?.client_id
  const entry = { method, path, client_id: clientId, code: error.code, reason: error.reason }
  if (error.status < 500) log.info(entry, 'refused')
  else log.error({ ...entry, cause: describeCause(error.cause) }, 'failed')
}

const headersOf = (error: OAuthError): Record<string, string> => ({
  'Cache-Control': 'no-store',
  // RFC 9457 for what a resource server hands on as a problem; its members stand beside ours.
  ...(error.status === 402 && { 'Content-Type': 'application/problem+json' }),
  ...error.headers,
})

/** For a person the same refusal in words; `Retry-After` and the like stay. */
const errorPage = (c: Context, error: OAuthError): Response => {
  for (const [name, value] of Object.entries(error.headers ?? {})) c.header(name, value)
  const { description, hint } = wordsFor(error)
  const detail = [error.code, error.reason].filter((name) => name !== undefined).join(' · ')
  const page = <ErrorPage description={description} hint={hint} detail={detail} />
  return answerPage(c, page, { status: error.status })
}

export const onError =
  (log: Logger) =>
  (thrown: unknown, c: Context<Env>): Response => {
    const error = toOAuthError(thrown)
    writeLog(c, error, log)
    if (c.get('isPage')) return errorPage(c, error)
    return c.json(error.toJSON(), error.status as ContentfulStatusCode, headersOf(error))
  }
