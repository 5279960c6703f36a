/**
 * Forms of our pages come from our pages: from this origin, from this browser, from this session.
 * The token is a MAC under a random value that only a cookie of this browser holds.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { OAuthError } from '@behalf/protocol'
import type { Context, MiddlewareHandler } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import { formTokenField } from '../views/page.js'
import { texts } from '../views/texts.js'
import type { Env } from './env.js'

/** With `__Host-`, no other host of the domain can set it. It needs `Secure`, so not on loopback. */
export const cookieName = (issuer: string, name: string): string =>
  issuer.startsWith('https:') ? `__Host-behalf.${name}` : `behalf.${name}`

const keyBytes = 32
const keyPattern = /^[A-Za-z0-9_-]{43}$/

const readKey = (c: Context, issuer: string): string | undefined => {
  const key = getCookie(c, cookieName(issuer, 'form'))
  return key !== undefined && keyPattern.test(key) ? key : undefined
}

const tokenOf = (key: string, sessionId = ''): string =>
  createHmac('sha256', key).update(sessionId).digest('base64url')

/** A token for the forms of one page. Sets the cookie when this browser has none yet. */
export const issueFormToken = (
  c: Context<Env>,
  issuer: string,
  sessionId: string | undefined,
): string => {
  const known = readKey(c, issuer)
  const key = known ?? randomBytes(keyBytes).toString('base64url')
  if (known === undefined) {
    const secure = issuer.startsWith('https:')
    setCookie(c, cookieName(issuer, 'form'), key, {
      path: '/',
      httpOnly: true,
      secure,
      sameSite: 'Lax',
    })
  }
  return tokenOf(key, sessionId)
}

const refuse = (reason: string): OAuthError =>
  new OAuthError('access_denied', { description: texts.common.needsOwnPage, reason })

/** @throws OAuthError when the posted token is not the one of this browser and session */
export const checkFormToken = (
  c: Context<Env>,
  issuer: string,
  sessionId: string | undefined,
): void => {
  const key = readKey(c, issuer)
  if (key === undefined) throw refuse('form_cookie_missing')
  const expected = Buffer.from(tokenOf(key, sessionId))
  const given = Buffer.from(c.var.form.get(formTokenField) ?? '')
  if (given.length === expected.length && timingSafeEqual(given, expected)) return
  throw refuse('wrong_form_token')
}

/**
 * A browser says where a form comes from. One header of the two is always there for a POST; what
 * says neither is no browser that could be tricked into it, and no browser that we serve.
 */
export const requireOwnOrigin = (issuer: string): MiddlewareHandler => {
  const { origin: own } = new URL(issuer)
  return async function requireOwnOrigin(c, next) {
    const site = c.req.header('sec-fetch-site')
    const origin = c.req.header('origin')
    const isForeign =
      (site !== undefined && site !== 'same-origin') || (origin !== undefined && origin !== own)
    if (isForeign || (site === undefined && origin === undefined)) throw refuse('foreign_origin')
    await next()
  }
}
