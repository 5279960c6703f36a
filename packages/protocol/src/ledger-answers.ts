/** What the ledger answers, spelt as on the wire. Amounts are decimal text of USD. */
import { isBoolean, isInteger, isText, objectOf, oneOf, optional } from './shape.js'

export const reservationStates = [
  'reserved',
  'settled',
  'released',
  'expired_charged',
  'expired_released',
] as const
export type ReservationState = (typeof reservationStates)[number]

/** The answer to reserve, settle and release. */
export interface Reservation {
  id: string
  delegation_id: string
  state: ReservationState
  amount_usd: string
  charged_usd?: string | undefined
  overrun_usd?: string | undefined
  expires_at: string
  /** The least that any budget on the way to the tenant has left; absent when none has a cap. */
  remaining_usd?: string | undefined
}

export const isReservation = objectOf<Reservation>({
  id: isText,
  delegation_id: isText,
  state: oneOf(reservationStates),
  amount_usd: isText,
  charged_usd: optional(isText),
  overrun_usd: optional(isText),
  expires_at: isText,
  remaining_usd: optional(isText),
})

/** `expired`: charged as if all of it had been used; a report within a day takes the rest back. */
export const leaseStates = ['open', 'closed', 'expired'] as const
export type LeaseState = (typeof leaseStates)[number]

/** The answer to opening, renewing and closing a lease. */
export interface Lease {
  id: string
  delegation_id: string
  state: LeaseState
  /** One more than that of the open lease which this one took over from its holder; else 1. */
  epoch: number
  /** Of the newest report. */
  seq: number
  /** Held, beyond what was reported as spent. */
  amount_usd: string
  /** Requests held, beyond those reported. */
  requests: number
  /** Counted from the moment when the request for it was sent. */
  ttl_seconds: number
  expires_at: string
  /** The budget is near its end: reserve for each charge. */
  tail: boolean
  /** Close it and open another: the cap was cut, or the period is over. */
  recalled: boolean
  /** What was reported beyond what was held: never charged. */
  overrun_usd?: string | undefined
  remaining_usd?: string | undefined
  /** The least that any limit on the way has left of its hour; absent when none limits requests. */
  remaining_requests?: number | undefined
}

export const isLease = objectOf<Lease>({
  id: isText,
  delegation_id: isText,
  state: oneOf(leaseStates),
  epoch: isInteger(),
  seq: isInteger(),
  amount_usd: isText,
  requests: isInteger(),
  ttl_seconds: isInteger(),
  expires_at: isText,
  tail: isBoolean,
  recalled: isBoolean,
  overrun_usd: optional(isText),
  remaining_usd: optional(isText),
  remaining_requests: optional(isInteger()),
})

/** The `Agent-Budget` header of a success: whole micro-USD. */
export const agentBudgetHeader = (cost: bigint, remaining: bigint | undefined): string =>
  [
    `cost=${cost}`,
    ...(remaining === undefined ? [] : [`remaining=${remaining}`]),
    'unit="USD"',
    'decimals=6',
  ].join('; ')
