/** Charged actions: nothing runs before its cost is held, and a failure gives it back. */
import {
  agentBudgetHeader,
  formatUsd,
  maxMicroUsd,
  OAuthError,
  parseUsd,
  type Reservation,
} from '@behalf/protocol'
import type { Caller } from './caller.js'
import type { Discovery } from './discovery.js'
import { requireAction } from './guards.js'
import { createLedger, type Ledger } from './ledger.js'
import type { Settings } from './settings.js'

export interface ChargeOptions {
  /** What is done, as in `allowed_actions`. */
  action: string
  /** The most that it can cost: decimal text of USD such as `'0.04'`, or whole micro-USD. */
  cost: string | bigint
  /** How long it may take before the reservation expires and is charged in full. @defaultValue 60 */
  ttlSeconds?: number | undefined
}

export interface Charge {
  /** Micro-USD that are held while the action runs. */
  readonly reserved: bigint
  /**
   * Says what it really cost. Then that is charged, even if the action fails after all. What goes
   * beyond the reservation is recorded and not charged.
   */
  readonly settle: (actual: string | bigint) => void
}

export interface Receipt {
  readonly action: string
  /** Micro-USD. */
  readonly cost: bigint
  /** What the tightest budget on the way to the tenant has left; absent when none has a cap. */
  readonly remaining: bigint | undefined
  readonly reservationId: string | undefined
  /** True when no ledger took part, so that nothing was charged anywhere. */
  readonly advisory: boolean
  /** `Agent-Budget`, for the response; empty when nothing was charged. */
  readonly headers: Readonly<Record<string, string>>
}

export interface Charged<T> {
  readonly result: T
  readonly receipt: Receipt
}

export interface Budgets {
  charge: <T>(
    caller: Caller,
    options: ChargeOptions,
    run: (charge: Charge) => T | Promise<T>,
  ) => Promise<Charged<T>>
}

const defaultTTLSeconds = 60
const maxTTLSeconds = 3600

/** @throws TypeError: what an action costs is written by the developer, not by the caller */
const microUsdOf = (amount: string | bigint): bigint => {
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

/** What the token itself says of one action, before anybody is asked. */
const checkCostPerAction = ({ limits }: Caller, cost: bigint, status: number): void => {
  const { maxCostPerAction: most } = limits
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

/** What the running action says of its cost; `undefined` while it has said nothing. */
const createMeter = (reserved: bigint) => {
  let actual: bigint | undefined
  const settle = (amount: string | bigint): void => {
    // Whatever is thrown here, something was done: until it is said how much, all of it counts.
    actual ??= reserved
    actual = microUsdOf(amount)
  }
  const charge: Charge = Object.freeze({ reserved, settle })
  return { charge, actual: () => actual }
}

const freeze = (receipt: Receipt): Receipt =>
  Object.freeze({ ...receipt, headers: Object.freeze(receipt.headers) })

const uncharged = (action: string, cost: bigint): Receipt =>
  freeze({
    action,
    cost,
    remaining: undefined,
    reservationId: undefined,
    advisory: true,
    headers: {},
  })

const receiptOf = (action: string, reserved: Reservation, settled?: Reservation): Receipt => {
  const { amount_usd, charged_usd, remaining_usd } = settled ?? reserved
  const cost = parseUsd(charged_usd ?? amount_usd) ?? 0n
  const remaining = remaining_usd === undefined ? undefined : parseUsd(remaining_usd)
  const headers = { 'Agent-Budget': agentBudgetHeader(cost, remaining) }
  return freeze({
    action,
    cost,
    remaining,
    reservationId: reserved.id,
    advisory: false,
    headers,
  })
}

const withoutLedger = async <T>(
  action: string,
  cost: bigint,
  run: (charge: Charge) => T | Promise<T>,
): Promise<Charged<T>> => {
  const meter = createMeter(cost)
  const result = await run(meter.charge)
  return { result, receipt: uncharged(action, meter.actual() ?? cost) }
}

const withLedger = async <T>(
  ledger: Ledger,
  asked: { token: string; action: string; amount: bigint; ttlSeconds: number },
  run: (charge: Charge) => T | Promise<T>,
): Promise<Charged<T>> => {
  const reserved = await ledger.reserve(asked)
  const meter = createMeter(asked.amount)
  try {
    const result = await run(meter.charge)
    const settled = await ledger.settle(reserved.id, meter.actual() ?? asked.amount)
    return { result, receipt: receiptOf(asked.action, reserved, settled) }
  } catch (error) {
    const actual = meter.actual()
    await (actual === undefined ? ledger.release(reserved.id) : ledger.settle(reserved.id, actual))
    throw error
  }
}

const cannotEnforce = (): OAuthError =>
  new OAuthError('access_denied', {
    description: 'The token has a budget, and this server cannot charge it.',
    reason: 'ledger_not_configured',
    hint: "Give createVerifier the option budget: credentials of this server, or 'advisory'.",
  })

/** "Cannot enforce" is not "no limit": without a ledger a budget refuses, unless told otherwise. */
export const createBudgets = (settings: Settings, discover: Discovery): Budgets => {
  const { budget, budgetStatus, logger } = settings
  const hasLedger = budget !== undefined && budget !== 'advisory'
  const ledger = hasLedger ? createLedger(settings, budget, discover) : undefined
  let told = false

  const refuseBudget = (): never => {
    if (!told) logger.error('A charged action was refused: no ledger is configured.')
    told = true
    throw cannotEnforce()
  }
  return {
    charge: async (caller, options, run) => {
      const { action } = options
      const cost = microUsdOf(options.cost)
      const ttlSeconds = checkTTL(options.ttlSeconds)
      requireAction(caller, action)
      checkCostPerAction(caller, cost, budgetStatus)
      if (cost === 0n) return withoutLedger(action, cost, run)
      // An ancestor or the tenant may have a cap where this token has none: the ledger knows.
      if (ledger) {
        const asked = { token: caller.token, action, amount: cost, ttlSeconds }
        return withLedger(ledger, asked, run)
      }
      const isCapped = caller.limits.costBudget !== undefined
      if (isCapped && budget !== 'advisory') refuseBudget()
      return withoutLedger(action, cost, run)
    },
  }
}
