/** Names of parties and things, and the URNs of the RFCs. */
import { z } from 'zod'

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

/** True for text that may be stored, logged and shown: no control character, no lone surrogate. */
export const isCleanText = (value: string): boolean =>
  !controlCharacter.test(value) && !loneSurrogate.test(value)

/** Text from outside, clean and bounded. */
export const cleanText = (maxLength: number) =>
  z
    .string()
    .min(1)
    .max(maxLength)
    .refine(isCleanText, 'contains a control character or half a character')

/** Ids of people begin so; those of clients may not, so the two cannot collide as `sub`. */
export const personPrefix = 'usr_'

export const isPersonId = (sub: string): boolean => sub.startsWith(personPrefix)

/** RFC 6749 Appendix A.1 allows any VSCHAR; a person's prefix is taken. */
export const clientId = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[\x21-\x7e]+$/, 'may hold visible ASCII only, no spaces')
  .refine((id) => !isPersonId(id), `must not begin with "${personPrefix}": that is a person`)

export const tenantId = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?$/, 'is lower case letters, digits, "-" and "_"')

export const delegationId = z.string().regex(/^dlg_[A-Za-z0-9_-]{1,64}$/)

/** An absolute URI without a fragment. @see RFC 8707 §2 */
export const isResourceUri = (value: string): boolean =>
  value.length <= 2048 &&
  /^[A-Za-z][A-Za-z0-9+.-]*:[^\s#]+$/.test(value) &&
  isCleanText(value) &&
  URL.canParse(value)

export const resourceUri = z
  .string()
  .refine(isResourceUri, 'must be an absolute URI without a fragment (RFC 8707)')
