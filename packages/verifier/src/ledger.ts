/** The ledger over HTTP: reservations, each for one charge, and leases, each for many. */
import {
  formatUsd,
  isLease,
  isReservation,
  type LeaseState,
  maxMicroUsd,
  type OAuthError,
  parseUsd,
  type Reservation,
} from '@behalf/protocol'
import type { Discovery } from './discovery.js'
import { why } from './http.js'
import type { Report, Want } from './lease-account.js'
import { createPostToLedger, isVerdict } from './ledger-http.js'
import type { LedgerCredentials, Settings } from './settings.js'

export interface ReserveRequest {
  token: string
  action: string
  /** Micro-USD. */
  amount: bigint
  ttlSeconds: number
}

/** What a holder asks for. */
export interface LeaseWish extends Want {
  /** What the charge at hand needs, beyond what was reported as spent. */
  readonly need: bigint | undefined
}

/** The ledger's answer about one lease. */
export interface Lent {
  id: string
  state: LeaseState
  /** Held beyond what was reported: micro-USD, and requests. */
  amount: bigint
  requests: number
  ttlSeconds: number
  /** It does not cover the charge at hand: reserve for each. */
  tail: boolean
  recalled: boolean
  /** Micro-USD that the tightest budget has left beside what is held. */
  remaining: bigint | undefined
}

/** Of each report one more. */
export interface NumberedReport extends Report {
  readonly seq: number
}

export interface Ledger {
  /** @throws OAuthError the refusal, or `temporarily_unavailable` when the ledger cannot be asked */
  reserve: (asked: ReserveRequest) => Promise<Reservation>
  /** @returns `undefined` when it could not be settled: it is charged in full when it expires */
  settle: (id: string, actual: bigint) => Promise<Reservation | undefined>
  /** Gives back all of it. A failure is logged: the reservation is then charged when it expires. */
  release: (id: string) => Promise<void>
  /** The same key finds a lease again whose answer was lost. @throws OAuthError */
  openLease: (delegationId: string, wish: LeaseWish, idempotencyKey: string) => Promise<Lent>
  /** @throws OAuthError */
  renewLease: (id: string, report: NumberedReport, wish: LeaseWish) => Promise<Lent>
  /** The same key for the same report, however often it is tried. @throws OAuthError */
  closeLease: (id: string, report: NumberedReport, idempotencyKey: string) => Promise<Lent>
}

/** Somebody waits for these. */
const waitedAttempts = 2
const endAttempts = 4
/** Of a lease: more than this would be spent for too long after a revocation. */
export const leaseSeconds = 30
const maxLeaseSeconds = 300

const parseReservation = (body: unknown): Reservation | undefined =>
  isReservation(body) ? body : undefined

const parseLent = (body: unknown): Lent | undefined => {
  if (!isLease(body)) return undefined
  const { id, state, requests, ttl_seconds: ttl, tail, recalled, remaining_usd } = body
  const amount = parseUsd(body.amount_usd)
  if (amount === undefined) return undefined
  return {
    id,
    state,
    amount,
    requests: Math.max(0, requests),
    ttlSeconds: Math.min(Math.max(0, ttl), maxLeaseSeconds),
    tail,
    recalled,
    remaining: parseUsd(remaining_usd),
  }
}

const usd = (microUsd: bigint | undefined): string | undefined =>
  microUsd === undefined ? undefined : formatUsd(microUsd)

/** More than can be written down is not wanted either. */
const atMost = (want: bigint | undefined): bigint | undefined =>
  want === undefined || want <= maxMicroUsd ? want : maxMicroUsd

/** As on the wire; what is undefined is not in it. */
const wishBody = ({ usd: want, requests, need }: LeaseWish) => ({
  want_usd: usd(atMost(want)),
  need_usd: usd(need),
  want_requests: requests,
  ttl_seconds: leaseSeconds,
})

const reportBody = ({ seq, spent, requests }: NumberedReport) => ({
  seq,
  spent_usd: formatUsd(spent),
  requests,
})

const leasePath = (id: string, what: string): string => `/leases/${encodeURIComponent(id)}/${what}`

export const createLedger = (
  settings: Settings,
  credentials: LedgerCredentials,
  discover: Discovery,
): Ledger => {
  const { logger } = settings
  const post = createPostToLedger(settings, credentials, discover)

  const end = async (id: string, how: string, body: Record<string, unknown>) => {
    try {
      const path = `/reservations/${encodeURIComponent(id)}/${how}`
      return await post({ path, body, attempts: endAttempts, parse: parseReservation })
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
      const call = { path: '/reservations', body, attempts: waitedAttempts }
      try {
        return await post({ ...call, parse: parseReservation })
      } catch (error) {
        if (!isVerdict(error)) logger.error('The ledger cannot be asked.', why(error))
        throw error as OAuthError
      }
    },
    settle: (id, actual) => end(id, 'settle', { amount_usd: formatUsd(actual) }),
    release: async (id) => {
      await end(id, 'release', {})
    },
    openLease: (delegationId, wish, idempotencyKey) => {
      const body = { delegation_id: delegationId, ...wishBody(wish) }
      const call = { path: '/leases', body, attempts: waitedAttempts, idempotencyKey }
      return post({ ...call, parse: parseLent })
    },
    renewLease: (id, report, wish) => {
      const body = { ...reportBody(report), ...wishBody(wish) }
      const call = { path: leasePath(id, 'renew'), body, attempts: waitedAttempts }
      return post({ ...call, parse: parseLent })
    },
    closeLease: (id, report, idempotencyKey) => {
      const call = { path: leasePath(id, 'close'), body: reportBody(report), attempts: 1 }
      return post({ ...call, idempotencyKey, parse: parseLent })
    },
  }
}
