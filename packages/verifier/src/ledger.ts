/** The ledger over HTTP: reserve before, settle or release after. Money never moves twice. */
import {
  basicAuthorization,
  formatUsd,
  isOAuthError,
  isOAuthErrorCode,
  OAuthError,
  type OAuthErrorCode,
  oauthErrorFromBody,
  type Reservation,
  reservationSchema,
} from '@behalf/protocol'
import type { Discovery } from './discovery.js'
import { parseJson, request, unavailable, why } from './http.js'
import type { LedgerCredentials, Settings } from './settings.js'

export interface ReserveRequest {
  token: string
  action: string
  /** Micro-USD. */
  amount: bigint
  ttlSeconds: number
}

export interface Ledger {
  /** @throws OAuthError the refusal, or `temporarily_unavailable` when the ledger cannot be asked */
  reserve: (asked: ReserveRequest) => Promise<Reservation>
  /** @returns `undefined` when it could not be settled: it is charged in full when it expires */
  settle: (id: string, actual: bigint) => Promise<Reservation | undefined>
  /** Gives back all of it. A failure is logged: the reservation is then charged when it expires. */
  release: (id: string) => Promise<void>
}

interface Call {
  path: string
  body: Record<string, unknown>
  /** Attempts, all with one Idempotency-Key: the answer to a lost answer is the same answer. */
  attempts: number
}

const reserveAttempts = 2
const endAttempts = 4
const backoffMs = [100, 400, 1600]

/** Verdicts on the caller or its money. Everything else is between us and the ledger. */
const verdicts: ReadonlySet<OAuthErrorCode> = new Set([
  'budget_exhausted',
  'insufficient_budget',
  'action_not_allowed',
  'access_denied',
  'invalid_token',
])
const moneyCodes: ReadonlySet<OAuthErrorCode> = new Set(['budget_exhausted', 'insufficient_budget'])

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

/** @returns the refusal as the caller may see it */
const toRefusal = (
  status: number,
  body: Record<string, unknown>,
  budgetStatus: number,
): OAuthError => {
  const error = oauthErrorFromBody(status, body)
  if (!isOAuthErrorCode(body.error) || !verdicts.has(error.code)) {
    const hint = 'Check the client id, the secret and what this server may charge.'
    return misconfigured('ledger_refused', hint, error)
  }
  const { description, reason, details } = error
  const { required, remaining, limited_by } = details
  const money = moneyCodes.has(error.code)
  return new OAuthError(error.code, {
    status: money ? budgetStatus : undefined,
    description,
    reason,
    details: money ? { required, remaining, limited_by } : {},
  })
}

const isWorthRetrying = (error: unknown): boolean =>
  isOAuthError(error) && error.code === 'temporarily_unavailable'

export const createLedger = (
  settings: Settings,
  credentials: LedgerCredentials,
  discover: Discovery,
): Ledger => {
  const { logger, sleep, budgetStatus } = settings
  const authorization = basicAuthorization(credentials.clientId, credentials.clientSecret)

  const once = async ({ path, body }: Call, idempotencyKey: string): Promise<Reservation> => {
    const { agent_budget_endpoint: base } = await discover()
    if (base === undefined) throw noEndpoint()
    const { status, bytes } = await request(`${base.replace(/\/$/, '')}${path}`, {
      settings,
      init: {
        method: 'POST',
        body: JSON.stringify(body),
        headers: {
          Authorization: authorization,
          'Content-Type': 'application/json',
          Accept: 'application/json, application/problem+json',
          'Idempotency-Key': idempotencyKey,
        },
      },
    })
    if (status >= 500 || status === 429) throw unavailable(`ledger_status_${status}`)
    const answer = parseJson(bytes)
    if (status !== 200 && status !== 201) throw toRefusal(status, answer, budgetStatus)
    const reservation = reservationSchema.safeParse(answer)
    if (reservation.success) return reservation.data
    throw unavailable('ledger_malformed_answer')
  }
  const post = async (call: Call): Promise<Reservation> => {
    const idempotencyKey = crypto.randomUUID()
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await once(call, idempotencyKey)
      } catch (error) {
        if (attempt >= call.attempts || !isWorthRetrying(error)) throw error
        await sleep(backoffMs[attempt - 1] ?? 0)
      }
    }
  }
  const end = async (id: string, how: string, body: Call['body']) => {
    try {
      const path = `/reservations/${encodeURIComponent(id)}/${how}`
      return await post({ path, body, attempts: endAttempts })
    } catch (error) {
      logger.error(`A reservation could not be ended: ${how}.`, { reservation: id, ...why(error) })
      return undefined
    }
  }
  return {
    reserve: async ({ token, action, amount, ttlSeconds }) => {
      const body = {
        token,
        amount_usd: formatUsd(amount),
        action,
        ttl_seconds: ttlSeconds,
        on_expiry: 'charge',
      }
      try {
        return await post({ path: '/reservations', body, attempts: reserveAttempts })
      } catch (error) {
        const { code } = error as OAuthError
        if (!verdicts.has(code)) logger.error('The ledger cannot be asked.', why(error))
        throw error
      }
    },
    settle: (id, actual) => end(id, 'settle', { amount_usd: formatUsd(actual) }),
    release: async (id) => {
      await end(id, 'release', {})
    },
  }
}
