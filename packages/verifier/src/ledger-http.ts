/** One call to the ledger: the same key on every attempt, and refusals as the caller may see them. */
import {
  basicAuthorization,
  isOAuthError,
  OAuthError,
  type OAuthErrorCode,
  oauthErrorFromBody,
} from '@behalf/protocol'
import type { Discovery } from './discovery.js'
import { parseJson, request, unavailable } from './http.js'
import { requestsPerHour } from './request-rate.js'
import type { LedgerCredentials, Settings } from './settings.js'

export interface Call<Answer> {
  path: string
  body: Record<string, unknown>
  /** Attempts, all with one Idempotency-Key: the answer to a lost answer is the same answer. */
  attempts: number
  /** @returns `undefined` for an answer that makes no sense */
  parse: (body: Record<string, unknown>) => Answer | undefined
  /** For a request whose outcome is still open, the key that it had. */
  idempotencyKey?: string | undefined
}

/** @throws OAuthError the refusal, or `temporarily_unavailable` when the ledger cannot be asked */
export type PostToLedger = <Answer>(call: Call<Answer>) => Promise<Answer>

const backoffMs = [100, 400, 1600]

/** Verdicts on the caller or its money. Everything else is between us and the ledger. */
const verdicts: ReadonlySet<OAuthErrorCode> = new Set([
  'budget_exhausted',
  'insufficient_budget',
  'action_not_allowed',
  'access_denied',
  'invalid_token',
  'rate_limited',
])
const moneyCodes: ReadonlySet<OAuthErrorCode> = new Set(['budget_exhausted', 'insufficient_budget'])

export const isMoneyRefusal = (error: unknown): boolean =>
  isOAuthError(error) && moneyCodes.has(error.code)

export const isRequestsRefusal = (error: unknown): boolean =>
  isOAuthError(error) && error.code === 'rate_limited'

/** Is it about the caller, so that it says nothing about how the ledger is? */
export const isVerdict = (error: unknown): boolean =>
  isOAuthError(error) && verdicts.has(error.code)

/** Nobody knows whether it was done. */
export const isOutcomeUnknown = (error: unknown): boolean =>
  isOAuthError(error) && error.code === 'temporarily_unavailable'

/** The code that the ledger itself used, where it is not shown to the caller. */
export const ledgerCode = (error: unknown): OAuthErrorCode | undefined => {
  const { cause } = Object(error) as { cause?: unknown }
  if (isOAuthError(cause)) return cause.code
  return isOAuthError(error) ? error.code : undefined
}

/** This server has too many leases open; a reservation may still be had. */
export const isTooManyHolds = (error: unknown): boolean => {
  const { cause } = Object(error) as { cause?: unknown }
  return isOAuthError(cause) && cause.reason === 'too_many_open_holds'
}

const misconfigured = (reason: string, hint: string, cause?: unknown): OAuthError =>
  new OAuthError('server_error', {
    status: 503,
    description: 'The ledger cannot be used by this server.',
    reason,
    hint,
    cause,
  })

const noEndpoint = (): OAuthError =>
  misconfigured('no_budget_endpoint', 'The metadata of the issuer names no agent_budget_endpoint.')

const moneyRefusal = (
  { code, description, reason, details }: OAuthError,
  status: number,
): OAuthError => {
  const { required, remaining, limited_by, renews_at } = details
  return new OAuthError(code, {
    status,
    description,
    reason,
    details: { required, remaining, limited_by, renews_at },
  })
}

const rateHeaders = ['Retry-After', 'RateLimit-Policy', 'RateLimit']

const requestsRefusal = (
  { description, reason, details }: OAuthError,
  headers: Headers,
  status: number,
): OAuthError => {
  const { limited_by, limit, remaining, retry_after } = details
  const passedOn = rateHeaders.flatMap((name) => {
    const value = headers.get(name)
    return value === null ? [] : [[name, value] as const]
  })
  return new OAuthError('rate_limited', {
    status,
    description,
    reason,
    headers: Object.fromEntries(passedOn),
    details: { limited_by, limit, remaining: String(remaining ?? 0), retry_after },
  })
}

type Statuses = Pick<Settings, 'budgetStatus' | 'requestsStatus'>

/** @returns the refusal as the caller may see it */
const toRefusal = (error: OAuthError, headers: Headers, statuses: Statuses): OAuthError => {
  if (isRequestsRefusal(error)) return requestsRefusal(error, headers, statuses.requestsStatus)
  if (isMoneyRefusal(error)) return moneyRefusal(error, statuses.budgetStatus)
  if (!verdicts.has(error.code)) {
    const hint = 'Check the client id, the secret and what this server may charge.'
    return misconfigured('ledger_refused', hint, error)
  }
  const { code, description, reason } = error
  return new OAuthError(code, { description, reason })
}

const errorIn = (status: number, bytes: Uint8Array): OAuthError => {
  try {
    return oauthErrorFromBody(status, parseJson(bytes))
  } catch {
    return oauthErrorFromBody(status, undefined)
  }
}

/** What a ledger says that is busy. Of a caller whose hour is used up it says another 429. */
const checkBusy = (status: number, bytes: Uint8Array): void => {
  if (status < 500 && status !== 429) return
  const cause = errorIn(status, bytes)
  if (status === 429 && cause.reason === requestsPerHour) return
  throw unavailable(`ledger_status_${status}`, { cause })
}

const headersFor = (authorization: string, idempotencyKey: string): Record<string, string> => ({
  Authorization: authorization,
  'Content-Type': 'application/json',
  Accept: 'application/json, application/problem+json',
  'Idempotency-Key': idempotencyKey,
})

export const createPostToLedger = (
  settings: Settings,
  credentials: LedgerCredentials,
  discover: Discovery,
): PostToLedger => {
  const authorization = basicAuthorization(credentials.clientId, credentials.clientSecret)

  const once = async <Answer>(call: Call<Answer>, idempotencyKey: string): Promise<Answer> => {
    const { agent_budget_endpoint: base } = await discover()
    if (base === undefined) throw noEndpoint()
    const headers = headersFor(authorization, idempotencyKey)
    const init = { method: 'POST', body: JSON.stringify(call.body), headers }
    const answer = await request(`${base.replace(/\/$/, '')}${call.path}`, { settings, init })
    const { status, bytes } = answer
    checkBusy(status, bytes)
    const body = parseJson(bytes)
    if (status !== 200 && status !== 201) {
      throw toRefusal(oauthErrorFromBody(status, body), answer.headers, settings)
    }
    const parsed = call.parse(body)
    if (parsed !== undefined) return parsed
    throw unavailable('ledger_malformed_answer')
  }
  return async (call) => {
    const idempotencyKey = call.idempotencyKey ?? crypto.randomUUID()
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await once(call, idempotencyKey)
      } catch (error) {
        const isOver = attempt >= call.attempts || isTooManyHolds(error)
        if (isOver || !isOutcomeUnknown(error)) throw error
        await settings.sleep(backoffMs[attempt - 1] ?? 0)
      }
    }
  }
}
