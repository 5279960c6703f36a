/** What a developer says of one charge: what is done, what it can cost, and how long it may take. */
import { formatUsd, maxMicroUsd, OAuthError, parseUsd } from '@behalf/protocol'
import type { Caller } from './caller.js'
import { requireAction } from './guards.js'

/** Decimal text of USD such as `'0.04'`, or whole micro-USD. */
export type Amount = string | bigint

export interface ChargeOptions<Result = unknown> {
  /** What is done, as in `allowed_actions`. */
  action: string
  /** The most that it can cost. Where its result says what it did cost, how to tell. */
  cost: Amount | { readonly max: Amount; readonly actual: (result: Result) => Amount }
  /**
   * How long it may take before a reservation for it expires and is charged in full; and how long
   * nobody may read on from a stream. What runs on a lease may take longer. @defaultValue 60
   */
  ttlSeconds?: number | undefined
  /** Aborted before the charge runs, it does not run, and nothing is held. */
  signal?: AbortSignal | undefined
}

/** The same, checked. */
export interface CheckedCharge<Result> {
  action: string
  /** Micro-USD. */
  cost: bigint
  actual: ((result: Result) => Amount) | undefined
  ttlSeconds: number
  signal: AbortSignal | undefined
}

const defaultTTLSeconds = 60
const maxTTLSeconds = 3600

/** @throws TypeError: what an action costs is written by the developer, not by the caller */
export const microUsdOf = (amount: Amount): bigint => {
  const microUsd = typeof amount === 'string' ? parseUsd(amount) : amount
  if (typeof microUsd === 'bigint' && microUsd >= 0n && microUsd <= maxMicroUsd) return microUsd
  throw new TypeError('An amount must be decimal text of USD such as "0.04", or bigint micro-USD.')
}

const checkTTL = (ttlSeconds: number = defaultTTLSeconds): number => {
  if (Number.isInteger(ttlSeconds) && ttlSeconds >= 1 && ttlSeconds <= maxTTLSeconds) {
    return ttlSeconds
  }
  throw new TypeError(`ttlSeconds must be a whole number from 1 to ${maxTTLSeconds}.`)
}

const checkActual = <Result>(actual: (result: Result) => Amount): ((result: Result) => Amount) => {
  if (typeof actual === 'function') return actual
  throw new TypeError('cost.actual must be a function that tells from the result what it did cost.')
}

/** @throws TypeError */
export const checkCharge = <Result>(options: ChargeOptions<Result>): CheckedCharge<Result> => {
  const { action, cost, signal } = options
  const isMetered = typeof cost === 'object' && cost !== null
  return {
    action,
    cost: microUsdOf(isMetered ? cost.max : cost),
    actual: isMetered ? checkActual(cost.actual) : undefined,
    ttlSeconds: checkTTL(options.ttlSeconds),
    signal,
  }
}

/** What the token itself says of one action, before anybody is asked. @throws OAuthError */
export const checkAllowed = (
  caller: Caller,
  { action, cost }: Pick<CheckedCharge<never>, 'action' | 'cost'>,
  status: number,
): void => {
  requireAction(caller, action)
  const { maxCostPerAction: most } = caller.limits
  if (most === undefined || cost <= most) return
  throw new OAuthError('insufficient_budget', {
    status,
    description: 'One action may not cost that much.',
    reason: 'max_cost_per_action',
    details: {
      required: formatUsd(cost),
      remaining: formatUsd(most),
      limited_by: 'max_cost_per_action_usd',
    },
  })
}

export interface Charge {
  /** Micro-USD that are held while the action runs. */
  readonly reserved: bigint
  /**
   * Says what it cost so far. That is then charged, even if the action fails after all; the last
   * word counts. What goes beyond what was held is recorded and not charged.
   */
  readonly settle: (actual: Amount) => void
}

export interface Meter<Result> {
  readonly charge: Charge
  /** What was said; `undefined` while nothing was. */
  readonly said: () => bigint | undefined
  /** What it cost, now that it is done. @throws whatever `actual` throws, and then all of it counts */
  readonly total: (result: Result) => bigint
}

/** What the running action says of its cost. */
export const createMeter = <Result>({ cost, actual }: CheckedCharge<Result>): Meter<Result> => {
  let said: bigint | undefined
  const settle = (amount: Amount): void => {
    // Whatever is thrown here, something was done: until it is said how much, all of it counts.
    said ??= cost
    said = microUsdOf(amount)
  }
  return {
    charge: { reserved: cost, settle },
    said: () => said,
    total: (result) => {
      if (said !== undefined) return said
      if (!actual) return cost
      said = cost
      said = microUsdOf(actual(result))
      return said
    },
  }
}
