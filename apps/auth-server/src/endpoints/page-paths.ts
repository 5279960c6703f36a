/** Where one page sends a person to another. Those of ours are all below the issuer's path. */
import type { Context } from 'hono'
import type { Deps } from '../deps.js'

/** On with a GET, whatever this was (RFC 9700 §4.12), and nobody is told the address that it was. */
export const seeOther = (c: Context, location: string): Response => {
  c.header('Referrer-Policy', 'no-referrer')
  return c.redirect(location, 303)
}

/** `''` at the root of the host. */
export const basePath = ({ issuer }: Pick<Deps, 'issuer'>): string => {
  const { pathname } = new URL(issuer)
  return pathname === '/' ? '' : pathname
}

/** A bound for the number in the address. */
const maxPage = 10_000

/** Of a list, from 0. What is no number is the first. */
export const readPage = (text: string | undefined): number => {
  const page = Number(text ?? 0)
  return Number.isInteger(page) ? Math.min(Math.max(page, 0), maxPage) : 0
}

export interface SignInHints {
  /** Asks for the password although somebody is signed in. */
  again: boolean
  loginHint?: string | undefined
}

/** @param returnTo a path of ours, with its query */
export const signInPath = (
  returnTo: string,
  { again, loginHint }: SignInHints,
  deps: Pick<Deps, 'issuer'>,
): string => {
  const query = new URLSearchParams({ return_to: returnTo })
  if (again) query.set('prompt', 'login')
  if (loginHint !== undefined) query.set('login_hint', loginHint)
  return `${basePath(deps)}/sign-in?${query}`
}
