/** Where to go after sign-in: only ever to a page of ours. RFC 9700 §4.11, CWE-601. */

const targets = ['/authorize', '/account', '/device', '/logout']

/** What a link to an invitation leads to. */
export const invitationPath = '/account/invitation'

/** Longer than any authorization request that a URL can carry. */
const maxLength = 16_384

/** What a path of ours is made of. No backslash, no control character, nothing unescaped. */
const plain = /^\/[\x21-\x5b\x5d-\x7e]*$/

/**
 * @param base the path of the issuer, `''` at the root of its host
 * @returns the path and query of `text` if it is one of ours, otherwise the account page
 */
export const safeReturnTo = (text: string | undefined, base: string): string => {
  const fallback = `${base}/account`
  if (text === undefined || text.length > maxLength || !plain.test(text)) return fallback
  const [path = ''] = text.split(/[?#]/, 1)
  if (text.includes('#') || path.includes('//') || path.includes('%')) return fallback
  if (path.split('/').some((segment) => segment === '.' || segment === '..')) return fallback
  const isOurs = targets.some(
    (target) => path === `${base}${target}` || path.startsWith(`${base}${target}/`),
  )
  return isOurs ? text : fallback
}

/** The secret of the letter, for somebody who is on the way to an invitation. */
export const invitationTokenIn = (returnTo: string, base: string): string | undefined => {
  const [path, query = ''] = returnTo.split('?', 2)
  if (path !== `${base}${invitationPath}`) return undefined
  return new URLSearchParams(query).get('token')?.slice(0, 100) ?? undefined
}
