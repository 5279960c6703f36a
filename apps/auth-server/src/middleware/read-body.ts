/** Bodies, bounded and of the type asked for. */
import { isOAuthError, OAuthError, parseJsonObject } from '@behalf/protocol'
import type { Context, MiddlewareHandler } from 'hono'
import { parseForm } from '../form.js'
import type { Env } from './env.js'

const maxBodyBytes = 64 * 1024

const refuse = (status: number, description: string, reason: string): OAuthError =>
  new OAuthError('invalid_request', { status, description, reason })

const tooLarge = (): OAuthError => refuse(413, 'The body is larger than 64 KiB.', 'body_too_large')

/** Stops at the first byte too many. */
const readStream = async (stream: ReadableStream<Uint8Array>): Promise<string> => {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of stream as unknown as AsyncIterable<Uint8Array>) {
    bytes += chunk.length
    if (bytes > maxBodyBytes) throw tooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/**
 * A body that announces its length is refused by it; Node reads no more than was announced. Only one
 * that does not is read as a stream, which costs as much as the rest of the request.
 */
const readBounded = async (c: Context): Promise<string> => {
  const length = c.req.header('content-length')
  if (length === undefined) return c.req.raw.body ? readStream(c.req.raw.body) : ''
  if (Number(length) > maxBodyBytes) throw tooLarge()
  return c.req.text()
}

/** A caller that hangs up in the middle is no failure of ours, whatever code its socket reports. */
export const readText = (c: Context): Promise<string> =>
  readBounded(c).catch((error: unknown) => {
    throw isOAuthError(error) ? error : refuse(400, 'The body ended too early.', 'body_aborted')
  })

const checkContent = (c: Context, type: string): void => {
  // A compressed body could unpack to anything: we take none.
  if (c.req.header('content-encoding')) {
    throw refuse(415, 'Send the body without a content encoding.', 'content_encoding')
  }
  const given = c.req.header('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (given !== type) throw refuse(400, `Send the body as ${type}.`, 'content_type')
}

const checkNoQuery = (c: Context): void => {
  // RFC 6749 §2.3.1: credentials MUST NOT be in the request URI; no endpoint here takes a query.
  if (!c.req.url.includes('?')) return
  throw refuse(400, 'Send parameters in the body, not in the query.', 'parameters_in_query')
}

/** `application/x-www-form-urlencoded`, as all OAuth endpoints take it. RFC 6749 Appendix B. */
export const readForm: MiddlewareHandler<Env> = async function readForm(c, next) {
  checkNoQuery(c)
  checkContent(c, 'application/x-www-form-urlencoded')
  c.set('form', parseForm(await readText(c)))
  await next()
}

const parseAny = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    throw refuse(400, 'The body is not JSON.', 'malformed_json')
  }
}

const parseObject = (text: string): Record<string, unknown> => {
  try {
    return parseJsonObject(Buffer.from(text))
  } catch (error) {
    const reason = isOAuthError(error) ? error.reason : undefined
    throw refuse(
      400,
      'The body is not a JSON object with each name once.',
      reason ?? 'malformed_json',
    )
  }
}

/** What is no object is for whoever asked for one to refuse. */
const parseJson = (text: string): unknown =>
  /^\s*\{/.test(text) ? parseObject(text) : parseAny(text)

/** `application/json`; an absent body counts as `{}`. */
export const readJson: MiddlewareHandler<Env> = async function readJson(c, next) {
  checkNoQuery(c)
  const text = await readText(c)
  if (text !== '') checkContent(c, 'application/json')
  c.set('json', text === '' ? {} : parseJson(text))
  await next()
}

/** A JSON object whose names stand there once: of two, another reader might believe the other one. */
export const readJsonObject: MiddlewareHandler<Env> = async function readJsonObject(c, next) {
  checkNoQuery(c)
  const text = await readText(c)
  checkContent(c, 'application/json')
  c.set('members', parseObject(text))
  await next()
}
