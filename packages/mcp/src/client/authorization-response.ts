/** What comes back from a sign-in, judged before anything in it is believed. RFC 6749 §4.1.2, RFC 9207. */
import { isOAuthErrorCode, OAuthError } from '@behalf/protocol'

export interface ExpectedResponse {
  redirectUrl: string
  state: string | undefined
  issuer: string
  /** The server has said that it always names itself. */
  sendsIssuer: boolean
}

const refuse = (reason: string, description: string): OAuthError =>
  new OAuthError('access_denied', {
    description,
    reason,
    hint: 'Nothing was exchanged. Let the person sign in again, from the start.',
  })

const single = (params: URLSearchParams, name: string): string | undefined => {
  const values = params.getAll(name)
  if (values.length < 2) return values[0]
  throw refuse('malformed_callback', 'The answer of the sign-in holds a parameter twice.')
}

/** A path as well, which is what a server finds in a request. What is no address is in no error. */
const readAddress = (callback: string | URL, redirectUrl: string): URL => {
  const own = new URL(redirectUrl)
  const url = URL.canParse(callback, own) ? new URL(callback, own) : undefined
  if (url?.origin === own.origin && url.pathname === own.pathname) return url
  throw refuse('wrong_callback', 'The answer came to another address than the one asked for.')
}

// RFC 6749 §10.12: an answer to a question that this client has not asked.
const checkState = (params: URLSearchParams, expected: string | undefined): void => {
  const state = single(params, 'state')
  if (expected !== undefined && state === expected) return
  throw refuse('state_mismatch', 'The answer belongs to no sign-in that was begun here.')
}

// RFC 9207 §2.4: compared as text. Before any `error`: a stranger's words are not shown.
const checkIssuer = (params: URLSearchParams, { issuer, sendsIssuer }: ExpectedResponse): void => {
  const iss = single(params, 'iss')
  if (iss === issuer || (iss === undefined && !sendsIssuer)) return
  throw refuse('issuer_mismatch', 'The answer is of another authorization server.')
}

const toError = (error: string, description: string | undefined): OAuthError =>
  new OAuthError(isOAuthErrorCode(error) ? error : 'server_error', {
    description: description ?? 'The authorization server has refused.',
    reason: 'sign_in_refused',
  })

/**
 * An answer and the code in it, once everything about it is right.
 *
 * @throws OAuthError what the server has refused, or why the answer is not believed
 */
export const readAuthorizationResponse = (
  callback: string | URL,
  expected: ExpectedResponse,
): { code: string; params: URLSearchParams } => {
  const { searchParams: params } = readAddress(callback, expected.redirectUrl)
  checkState(params, expected.state)
  checkIssuer(params, expected)
  const [code, error, description] = ['code', 'error', 'error_description'].map((name) =>
    single(params, name),
  )
  if (error !== undefined && code === undefined) throw toError(error, description)
  if (code !== undefined && code !== '' && error === undefined) return { code, params }
  throw refuse('malformed_callback', 'The answer holds neither a code nor a refusal, or both.')
}
