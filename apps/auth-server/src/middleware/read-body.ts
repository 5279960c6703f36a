/** Bodies, bounded and of the type asked for. */
import { OAuthError } from '@behalf/protocol'
import type { Context, MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { parseForm } from '../form.js'
import type { Env } from './env.js'

const maxBodyBytes = 64 * 1024

const refuse = (status: number, description: string, reason: string): OAuthError =>
  new OAuthError('invalid_request', { status, description, reason })

/** Refuses before a byte more is read. */
export const limitBody = bodyLimit({
  maxSize: maxBodyBytes,
  onError: () => {
    throw refuse(413, 'The body is larger than 64 KiB.', 'body_too_large')
  },
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
  c.set('form', parseForm(await c.req.text()))
  await next()
}

/** `application/json`; an absent body counts as `{}`. */
export const readJson: MiddlewareHandler<Env> = async function readJson(c, next) {
  checkNoQuery(c)
  const text = await c.req.text()
  if (text !== '') checkContent(c, 'application/json')
  try {
    c.set('json', text === '' ? {} : JSON.parse(text))
  } catch {
    throw refuse(400, 'The body is not JSON.', 'malformed_json')
  }
  await next()
}
