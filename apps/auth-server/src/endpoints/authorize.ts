/** Authorization endpoint. RFC 6749 §3.1. Nobody can sign in yet, and nothing is ever redirected. */
import type { Handler } from 'hono'
import { noSignInPage } from '../views/no-sign-in.js'

export const authorizeEndpoint: Handler = function authorizeEndpoint(c) {
  return c.html(noSignInPage, 403, {
    'Cache-Control': 'no-store',
    'Content-Security-Policy':
      "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
  })
}
