/** The access token of a request: from the Authorization header and from nowhere else. RFC 6750. */
import { OAuthError } from '@behalf/protocol'

/** What we read of a request: a web `Request`, or anything else that has headers. */
export interface HasHeaders {
  headers: { get: (name: string) => string | null }
}

/** The reason that makes the challenge a bare one. */
export const missingToken = 'missing_token'

const scheme = /^Bearer(?:[\s,]|$)/i
// RFC 6750 §2.1: one b64token. A second header arrives joined with a comma, which is none.
const credentials = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i

const missing = (): OAuthError =>
  new OAuthError('invalid_token', {
    description: 'No access token was sent.',
    reason: missingToken,
    hint: 'Send "Authorization: Bearer" with an access token for this resource.',
  })

const malformed = (): OAuthError =>
  new OAuthError('invalid_token', {
    description: 'The Authorization header is malformed.',
    reason: 'malformed_authorization',
  })

/** @throws OAuthError `invalid_token` */
export const readBearer = ({ headers }: HasHeaders): string => {
  const header = headers.get('authorization')
  // Another scheme is no attempt at this one.
  if (header === null || !scheme.test(header)) throw missing()
  const token = credentials.exec(header)?.[1]
  if (token === undefined) throw malformed()
  return token
}

/** Takes the text of the token too, from those who have read the header on their own. */
export const readToken = (input: HasHeaders | string): string => {
  if (typeof input === 'string' && input !== '') return input
  if (typeof input === 'object' && input?.headers) return readBearer(input)
  throw missing()
}
