/** What is known of one delegation's lease: the one that is held, and what was refused a moment ago. */
import { OAuthError } from '@behalf/protocol'
import type { Caller } from './caller.js'
import type { HeldLease } from './lease.js'
import { type Demand, type Most, noDemand } from './lease-wish.js'
import type { LeaseWish } from './ledger.js'

/** A lease that was asked for, and nobody knows whether it was given: its key will say. */
export interface Opening {
  key: string
  wish: LeaseWish
  demand: Demand
  sentAt: number
}

/** A refusal that is repeated for a while without asking again. Times are of the monotonic clock. */
export interface Memory {
  error: OAuthError
  at: number
  until: number
}

export interface Slot {
  readonly delegationId: string
  readonly lineage: readonly string[]
  readonly most: Most
  lease: HeldLease | undefined
  opening: Opening | undefined
  /** One at a time: whoever needs more waits for it, and then looks again. */
  flight: Promise<void> | undefined
  /** The flight has not left yet, so what is added to its demand goes along. */
  isGathering: boolean
  demand: Demand
  /** Of money, for this cost and more. */
  refusedUsd: (Memory & { cost: bigint }) | undefined
  refusedRequests: Memory | undefined
  /** Any other: the ledger is away, the delegation has ended. */
  failure: Memory | undefined
  failures: number
  /** Nothing is asked for in the background before this. */
  backgroundFrom: number
  /** The ledger lends nothing here: money is reserved for each charge until then. */
  unlentUntil: number
  /** And it knows no lease of it at all, so that requests cannot be counted there either. */
  isUnknown: boolean
}

const never = Number.NEGATIVE_INFINITY

export const createSlot = ({ lineage, limits }: Caller): Slot => ({
  delegationId: lineage.at(-1) ?? '',
  lineage,
  most: { usd: limits.costBudget, requests: limits.requestsPerHour },
  lease: undefined,
  opening: undefined,
  flight: undefined,
  isGathering: false,
  demand: noDemand(),
  refusedUsd: undefined,
  refusedRequests: undefined,
  failure: undefined,
  failures: 0,
  backgroundFrom: never,
  unlentUntil: never,
  isUnknown: false,
})

/** A new error for everybody, with the time that is still to wait. */
const repeated = ({ error, at }: Memory, t: number): OAuthError => {
  const { code, status, description, reason, details, headers, cause } = error
  const { retry_after: wait } = details
  if (typeof wait !== 'number') return error
  const left = Math.max(1, Math.ceil(wait - (t - at) / 1000))
  const named = Object.entries(headers).map(([name, value]) => {
    if (name === 'Retry-After') return [name, String(left)]
    return [name, name === 'RateLimit' ? value.replace(/;t=\d+/, `;t=${left}`) : value]
  })
  return new OAuthError(code, {
    status,
    description,
    reason,
    cause,
    headers: Object.fromEntries(named),
    details: { ...details, retry_after: left },
  })
}

const remembered = (memory: Memory | undefined, t: number): Memory | undefined =>
  memory && t < memory.until ? memory : undefined

export const failureOf = (slot: Slot, t: number): OAuthError | undefined =>
  remembered(slot.failure, t)?.error

export const requestsRefusal = ({ refusedRequests }: Slot, t: number): OAuthError | undefined => {
  const memory = remembered(refusedRequests, t)
  return memory && repeated(memory, t)
}

/** Something smaller may still fit, so only what costs as much is refused without asking. */
export const usdRefusal = (
  { refusedUsd }: Slot,
  cost: bigint,
  required: string,
  t: number,
): OAuthError | undefined => {
  if (!refusedUsd || t >= refusedUsd.until || cost < refusedUsd.cost) return undefined
  const { code, status, description, reason, details } = refusedUsd.error
  return new OAuthError(code, { status, description, reason, details: { ...details, required } })
}

/** Nothing is held, and nothing is remembered. */
export const isForgettable = (slot: Slot, t: number): boolean =>
  !slot.lease &&
  t >= slot.unlentUntil &&
  [slot.failure, slot.refusedUsd, slot.refusedRequests].every((memory) => !remembered(memory, t))
