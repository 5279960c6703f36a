/** The authorization response: a redirect with a code or a refusal. RFC 6749 §4.1.2, RFC 9207. Pure. */
import type { OAuthError } from '@behalf/protocol'
import type { Sender } from './request.js'

/** Written behind what is there: the URI stays as it was registered, to the byte. */
const withQuery = (uri: string, members: Record<string, string | undefined>): string => {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(members)) {
    if (value !== undefined) query.append(name, value)
  }
  return `${uri}${uri.includes('?') ? '&' : '?'}${query}`
}

/** RFC 9207 §2: who answers, in every answer, so that a client cannot be talked into another one. */
export const codeResponse = (
  { redirectUri, state }: Pick<Sender, 'redirectUri' | 'state'>,
  code: string,
  issuer: string,
): string => withQuery(redirectUri, { code, state, iss: issuer })

export const errorResponse = (
  { redirectUri, state }: Pick<Sender, 'redirectUri' | 'state'>,
  error: OAuthError,
  issuer: string,
): string =>
  withQuery(redirectUri, {
    error: error.code,
    error_description: error.description,
    state,
    iss: issuer,
  })
