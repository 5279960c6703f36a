/** The one error of the house. Codes are the RFCs'; reasons are ours, fine-grained and stable. */

/** Error codes that may cross the wire, with the HTTP status they carry unless told otherwise. */
const statusByCode = {
  // RFC 6749 §5.2
  invalid_request: 400,
  invalid_client: 401,
  invalid_grant: 400,
  unauthorized_client: 400,
  unsupported_grant_type: 400,
  invalid_scope: 400,
  // RFC 6749 §4.1.2.1, in an authorization response.
  unsupported_response_type: 400,
  // RFC 9101 §7, OpenID Connect Core §3.1.2.6.
  invalid_request_uri: 400,
  request_not_supported: 400,
  login_required: 400,
  consent_required: 400,
  // RFC 6749 §4.1.2.1. Also our answer to a policy or limit refusal at the token endpoint: stock
  // MCP clients throw their credentials away on `invalid_client` and `invalid_grant`.
  access_denied: 403,
  server_error: 500,
  temporarily_unavailable: 503,
  // RFC 7591 §3.2.2
  invalid_redirect_uri: 400,
  invalid_client_metadata: 400,
  // RFC 8707 §2
  invalid_target: 400,
  // RFC 8628 §3.5
  authorization_pending: 400,
  slow_down: 400,
  expired_token: 400,
  // RFC 6750 §3.1
  invalid_token: 401,
  insufficient_scope: 403,
  // At a resource, for limits: RFC 9457 problem types with these titles.
  action_not_allowed: 403,
  budget_exhausted: 402,
  insufficient_budget: 402,
  rate_limited: 429,
  // The server's own API.
  not_found: 404,
  idempotency_conflict: 409,
  reservation_ended: 409,
  lease_ended: 409,
  stale_report: 409,
} as const

export type OAuthErrorCode = keyof typeof statusByCode

const codes: ReadonlySet<string> = new Set(Object.keys(statusByCode))

export const isOAuthErrorCode = (code: unknown): code is OAuthErrorCode =>
  typeof code === 'string' && codes.has(code)

/** Where every code has an anchor. */
export const errorDocs = 'https://github.com/behalf-dev/behalf/blob/main/docs/errors.md'

export interface OAuthErrorOptions {
  /** A sentence for the caller: what was wrong. No token, secret or parameter value. */
  description?: string | undefined
  /** HTTP status, when it differs from the code's own. */
  status?: number | undefined
  /** Fine-grained and stable, for the log and, where it leaks nothing, `error_detail`. */
  reason?: string | undefined
  /** What to do about it, in plain words. */
  hint?: string | undefined
  /** Response headers, for example `WWW-Authenticate`. */
  headers?: Record<string, string> | undefined
  /** Further members of the error body, for example `remaining`. */
  details?: Record<string, unknown> | undefined
  /** The underlying error. Only ever for the log. */
  cause?: unknown
}

/**
 * Every refusal, on both sides of the wire. Test by `code` or {@link isOAuthError}, not by
 * `instanceof`: two copies of this package would break that.
 *
 * @see RFC 6749 §5.2
 */
export class OAuthError extends Error {
  override readonly name = 'OAuthError'
  readonly code: OAuthErrorCode
  readonly status: number
  readonly description: string | undefined
  readonly reason: string | undefined
  readonly hint: string | undefined
  readonly headers: Record<string, string>
  readonly details: Record<string, unknown>

  constructor(code: OAuthErrorCode, options: OAuthErrorOptions = {}) {
    const cause = options.cause === undefined ? undefined : { cause: options.cause }
    super(options.description ? `${code}: ${options.description}` : code, cause)
    this.code = code
    this.status = options.status ?? statusByCode[code]
    this.description = options.description
    this.reason = options.reason
    this.hint = options.hint
    this.headers = options.headers ?? {}
    this.details = options.details ?? {}
  }

  /** A page that says what this code means and how to get rid of it. */
  get docs(): string {
    return `${errorDocs}#${this.code}`
  }

  /** The wire form. `cause` never leaves the house. @see RFC 6749 §5.2 */
  toJSON(): Record<string, unknown> {
    return {
      error: this.code,
      ...(this.description !== undefined && { error_description: this.description }),
      ...(this.reason !== undefined && { error_detail: this.reason }),
      ...(this.hint !== undefined && { error_hint: this.hint }),
      ...this.details,
      error_uri: this.docs,
    }
  }
}

export const isOAuthError = (error: unknown): error is OAuthError =>
  error instanceof Error &&
  error.name === 'OAuthError' &&
  isOAuthErrorCode((error as { code?: unknown }).code)

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

const knownMembers = new Set([
  'error',
  'error_description',
  'error_detail',
  'error_hint',
  'error_uri',
  '__proto__',
])

/** Rebuilds a server's refusal from its body; a code we do not know becomes `server_error`. */
export const oauthErrorFromBody = (status: number, body: unknown): OAuthError => {
  const members: Record<string, unknown> =
    typeof body === 'object' && body !== null ? { ...body } : {}
  const known = isOAuthErrorCode(members.error)
  return new OAuthError(known ? (members.error as OAuthErrorCode) : 'server_error', {
    status,
    description: text(members.error_description) ?? `The server answered ${status}.`,
    reason: text(members.error_detail) ?? (known ? undefined : 'unexpected_response'),
    hint: text(members.error_hint),
    details: Object.fromEntries(Object.entries(members).filter(([key]) => !knownMembers.has(key))),
  })
}
