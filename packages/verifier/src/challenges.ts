/** How a refusal looks on the wire. RFC 6750 §3, RFC 9457, RFC 9728 §5.1. */
import { isOAuthError, OAuthError, type OAuthErrorCode } from '@behalf/protocol'
import { missingToken } from './bearer.js'

export interface ChallengeOptions {
  /** The RFC 9728 document of this resource. */
  resourceMetadataUrl?: string | undefined
}

/** What a resource server says. Anything else, say of a call downstream, is no verdict on its caller. */
const titles = new Map<OAuthErrorCode, string>([
  ['invalid_token', 'The access token is not acceptable'],
  ['insufficient_scope', 'The access token lacks a scope'],
  ['access_denied', 'This caller may not do this'],
  ['action_not_allowed', 'This action is not allowed'],
  ['budget_exhausted', 'The budget is spent'],
  ['insufficient_budget', 'The budget does not cover this'],
  ['rate_limited', 'Too many requests'],
  ['temporarily_unavailable', 'Temporarily unavailable'],
  ['server_error', 'Something went wrong here'],
])

/** Those that another token would help against; the rest would only start a pointless step-up. */
const challenged: ReadonlySet<OAuthErrorCode> = new Set(['invalid_token', 'insufficient_scope'])

/** Members of a body beside the fixed ones. */
const shownDetails = [
  'required',
  'remaining',
  'limited_by',
  'limit',
  'retry_after',
  'renews_at',
  'scope',
  'action',
]

/** RFC 6750 §3: what may stand between the quotes. Nothing of it comes from the request. */
const quoted = (text: string): string => `"${text.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, '')}"`

const problem = (code: OAuthErrorCode): OAuthError =>
  new OAuthError(code, { description: 'Something went wrong here.' })

const toRefusal = (error: unknown): OAuthError =>
  isOAuthError(error) && titles.has(error.code) ? error : problem('server_error')

/** The value of `WWW-Authenticate`; `undefined` for what no token could change. */
export const challenge = (error: unknown, options: ChallengeOptions = {}): string | undefined => {
  const { code, reason, description, details } = toRefusal(error)
  if (!challenged.has(code)) return undefined
  // RFC 6750 §3.1: a request without a token gets no error code.
  const isBare = reason === missingToken
  const { scope } = details
  const parameters = [
    ...(isBare ? [] : [`error=${quoted(code)}`]),
    ...(isBare || !description ? [] : [`error_description=${quoted(description)}`]),
    ...(typeof scope === 'string' && scope !== '' ? [`scope=${quoted(scope)}`] : []),
    ...(options.resourceMetadataUrl
      ? [`resource_metadata=${quoted(options.resourceMetadataUrl)}`]
      : []),
  ]
  return parameters.length === 0 ? 'Bearer' : `Bearer ${parameters.join(', ')}`
}

const detailsOf = ({ details, status }: OAuthError): Record<string, unknown> =>
  Object.fromEntries(
    shownDetails
      .filter((member) => status < 500 && details[member] !== undefined)
      .map((member) => [member, details[member]]),
  )

const oauthBody = (error: OAuthError): Record<string, unknown> => ({
  error: error.code,
  error_description: error.description,
  error_detail: error.reason,
  ...detailsOf(error),
  error_uri: error.docs,
})

// The operator's own hints and reasons stay in the log for what is not the caller's to mend.
const problemBody = (error: OAuthError): Record<string, unknown> => ({
  type: error.docs,
  title: titles.get(error.code),
  status: error.status,
  detail: error.description,
  error: error.code,
  error_detail: error.status < 500 || error.status === 503 ? error.reason : undefined,
  ...detailsOf(error),
})

const headersOf = (error: OAuthError, options: ChallengeOptions): Headers => {
  const headers = new Headers(error.headers)
  headers.set('Cache-Control', 'no-store')
  const value = challenge(error, options)
  if (value !== undefined) headers.set('WWW-Authenticate', value)
  return headers
}

/** Turns whatever was thrown into the answer. Causes stay behind; so does all that is no refusal. */
export const toResponse = (error: unknown, options: ChallengeOptions = {}): Response => {
  const refusal = toRefusal(error)
  const { status, reason, code } = refusal
  const headers = headersOf(refusal, options)
  if (reason === missingToken) return new Response(null, { status, headers })
  const isChallenged = challenged.has(code)
  headers.set('Content-Type', isChallenged ? 'application/json' : 'application/problem+json')
  const body = isChallenged ? oauthBody(refusal) : problemBody(refusal)
  return new Response(JSON.stringify(body), { status, headers })
}
