/** Where an authorization response may go. RFC 9700 §2.1: equal to the byte; RFC 8252 §7.3. Pure. */

/** The literals alone: `localhost` may resolve to somewhere else (RFC 8252 §8.3). */
const loopback = /^http:\/\/(127\.0\.0\.1|\[::1\])(?::([1-9][0-9]{0,4}))?((?:[/?][\x21-\x7e]*)?)$/

/** A header carries it as it is, so it is visible ASCII whatever was registered. */
const printable = /^[\x21-\x7e]{1,2048}$/

const maxPort = 65_535

interface Loopback {
  host: string
  /** Path and query, as they are written. */
  rest: string
}

const readLoopback = (uri: string): Loopback | undefined => {
  const [, host, port = '80', rest = ''] = loopback.exec(uri) ?? []
  return host === undefined || Number(port) > maxPort ? undefined : { host, rest }
}

/** True for a redirect that stays on the person's own machine: any program there may ask for it. */
export const isLoopbackRedirect = (uri: string): boolean =>
  readLoopback(uri) !== undefined || /^http:\/\/localhost[:/?]/.test(`${uri}/`)

/**
 * The same string; of a loopback literal, the port alone may differ, since the system picks it when
 * the program asks.
 */
export const matchesRedirectUri = (registered: string, given: string): boolean => {
  if (!printable.test(given) || given.includes('#')) return false
  if (registered === given) return true
  const [one, other] = [readLoopback(registered), readLoopback(given)]
  return one !== undefined && one.host === other?.host && one.rest === other.rest
}

/** The host that a person is shown. */
export const redirectHost = (uri: string): string => new URL(uri).host

/** What a Content-Security-Policy has to let a form end at. */
export const redirectOrigin = (uri: string): string => {
  const { origin, protocol } = new URL(uri)
  return origin === 'null' ? protocol : origin
}
