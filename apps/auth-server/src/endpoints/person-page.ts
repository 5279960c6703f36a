/** What the pages of people share: where they stand, who calls, and how a refusal is told. */
import { isOAuthError, type OAuthError } from '@behalf/protocol'
import type { Context, Handler } from 'hono'
import type { Deps } from '../deps.js'
import type { Env } from '../middleware/env.js'
import { checkFormToken } from '../middleware/form-token.js'
import { knownAddress } from '../middleware/remote-address.js'
import type { PersonSession } from '../people/person.js'
import { isPersonRefusal } from '../people/refusal.js'
import { invitationTokenIn, safeReturnTo } from '../people/return-to.js'
import { texts } from '../views/texts.js'

/** The path of the issuer, `''` at the root of its host. */
export const baseOf = (issuer: string): string => new URL(issuer).pathname.replace(/\/$/, '')

export const returnToOf = (text: string | undefined, { issuer }: Deps): string =>
  safeReturnTo(text, baseOf(issuer))

/** The secret of the letter, for somebody who is on the way to an invitation. */
export const invitationOf = (returnTo: string, { issuer }: Deps): string | undefined =>
  invitationTokenIn(returnTo, baseOf(issuer))

/** Undefined where it says nothing: a proxy on this host stands in front of everybody. */
export const addressOf = (c: Context<Env>, { signIn }: Deps): string | undefined =>
  knownAddress(c, signIn.config)

export const setCookies = (c: Context, lines: readonly string[]): void => {
  for (const line of lines) c.header('Set-Cookie', line, { append: true })
}

/** 303: whatever was posted is not posted again. RFC 9700 §4.12. */
export const seeOther = (c: Context, location: string): Response => {
  c.header('Cache-Control', 'no-store')
  return c.redirect(location, 303)
}

export interface Refused {
  text: string
  status: number
}

/** What to say in the form. Anything but a refusal of ours is thrown on, to the page of errors. */
export const refusedBy = (c: Context, error: unknown): Refused & { reason: string } => {
  if (!isOAuthError(error)) throw error
  const { reason, status, headers } = error as OAuthError
  if (!isPersonRefusal(reason)) throw error
  for (const [name, value] of Object.entries(headers)) c.header(name, value)
  return { text: texts.refusals[reason], status, reason }
}

/** Whoever has no session signs in first, and comes back. */
export const signInFirst = (c: Context, path: string, { issuer }: Deps): Response => {
  const base = baseOf(issuer)
  const query = new URLSearchParams({ return_to: `${base}${path}` })
  return seeOther(c, `${base}/sign-in?${query}`)
}

export const sessionOf = (c: Context, { people }: Deps): Promise<PersonSession | undefined> =>
  people.sessionOf(c.req.raw)

type SessionHandler = (c: Context<Env>, session: PersonSession) => Response | Promise<Response>

/** For those who have a session; the others are sent to sign in and back to `path`. */
export const withSession = (path: string, deps: Deps, handler: SessionHandler): Handler<Env> =>
  async function withSession(c) {
    const session = await sessionOf(c, deps)
    if (!session) return signInFirst(c, path, deps)
    if (c.req.method === 'POST') checkFormToken(c, deps.issuer, session.id)
    return handler(c, session)
  }
