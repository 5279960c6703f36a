/** Names of parties and things, and the URNs of the RFCs. */

export const grantTypes = {
  clientCredentials: 'client_credentials',
  authorizationCode: 'authorization_code',
  refreshToken: 'refresh_token',
  /** RFC 8693 §2.1 */
  tokenExchange: 'urn:ietf:params:oauth:grant-type:token-exchange',
  /** RFC 8628 §3.4 */
  deviceCode: 'urn:ietf:params:oauth:grant-type:device_code',
} as const

/** RFC 8693 §3 */
export const tokenTypes = {
  accessToken: 'urn:ietf:params:oauth:token-type:access_token',
  jwt: 'urn:ietf:params:oauth:token-type:jwt',
} as const

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for.
const controlCharacter = /[\u0000-\u001f\u007f-\u009f]/
const loneSurrogate = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/

const visibleASCII = /^[\x20-\x7e]*$/

/** True for text that may be stored, logged and shown: no control character, no lone surrogate. */
export const isCleanText = (value: string): boolean =>
  visibleASCII.test(value) || (!controlCharacter.test(value) && !loneSurrogate.test(value))

/** Ids of people begin so; those of clients may not, so the two cannot collide as `sub`. */
export const personPrefix = 'usr_'

export const isPersonId = (sub: string): boolean => sub.startsWith(personPrefix)

/** An absolute URI without a fragment. @see RFC 8707 §2 */
export const isResourceUri = (value: string): boolean =>
  value.length <= 2048 &&
  /^[A-Za-z][A-Za-z0-9+.-]*:[^\s#]+$/.test(value) &&
  isCleanText(value) &&
  URL.canParse(value)
