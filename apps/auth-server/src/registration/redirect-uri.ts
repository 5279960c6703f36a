/** Where an authorization response may be sent: what may be registered at all. */
import { isCleanText, isLoopbackHost } from '@behalf/protocol'

export const maxRedirectUris = 20
const maxLength = 1000

/** `web` runs on a server, `native` on the person's machine. OpenID Connect Registration §2. */
export const applicationTypes = ['web', 'native'] as const
export type ApplicationType = (typeof applicationTypes)[number]

/**
 * URIs are compared to the byte later on (RFC 9700 §4.1.3), so only the one spelling that every URL
 * parser keeps is taken: with dot segments, default ports, other cases or other numbers for an address,
 * the text that was checked would not be the place where the browser goes.
 */
const isCanonical = (uri: string, { href, pathname }: URL): boolean =>
  href === uri || (pathname === '/' && href === `${uri}/`)

/** Nothing that would mean more in a header than it does in a URL: parsers let `*` and `;` pass. */
const hasPlainHost = ({ hostname }: URL): boolean =>
  /^[a-z0-9._-]+$|^\[[0-9a-f:]+\]$/.test(hostname)

/** What is wrong with a redirect URI, in words; `undefined` when nothing is. */
export const redirectUriProblem = (uri: string): string | undefined => {
  if (uri.length > maxLength) return `is longer than ${maxLength} characters`
  if (!isCleanText(uri) || !URL.canParse(uri)) return 'is not a URL'
  const url = new URL(uri)
  // RFC 8252 §7.3: plain HTTP is for loopback only. No other scheme: `javascript:` would run.
  const isLoopback = url.protocol === 'http:' && isLoopbackHost(url.hostname)
  if (url.protocol !== 'https:' && !isLoopback) return 'must be https, or http on loopback'
  // RFC 6749 §3.1.2: MUST NOT include a fragment, not even an empty one.
  if (uri.includes('#')) return 'must have no fragment'
  if (/^[^/]*\/\/[^/?]*@/.test(uri)) return 'must have no user name'
  if (!hasPlainHost(url)) return 'must have a host name of letters, digits, "-" and "."'
  if (!isCanonical(uri, url)) return 'is not spelt as a URL parser would write it'
  return undefined
}

const isOnLoopback = (uri: string): boolean => isLoopbackHost(new URL(uri).hostname)

/** Those who do not say what they are, are what their redirect URIs are for. */
export const applicationTypeOf = (uris: readonly string[]): ApplicationType =>
  uris.some(isOnLoopback) ? 'native' : 'web'

/**
 * OpenID Connect Registration §2: a web application MUST NOT use localhost.
 *
 * @returns the URI that does not fit
 */
export const misfit = (type: ApplicationType, uris: readonly string[]): string | undefined =>
  type === 'web' ? uris.find(isOnLoopback) : undefined
