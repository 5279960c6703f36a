/** What a tool, a resource or a prompt asks of its callers, checked once, when it is made. */
import { isAction, parseUsd, readScope } from '@behalf/protocol'
import type { Caller } from '@behalf/verifier'
import { type Admit, checkVisible, type Visible } from './visible.js'

/** Decimal text of USD such as `'0.04'`, or how to tell it from the arguments. */
export type Price<Args> = string | ((args: Args) => string)

/** A price, or the most that a call can cost and how to tell from its result what it did cost. */
export type ToolCost<Args, Result> =
  | Price<Args>
  | { readonly max: Price<Args>; readonly actual: (result: Result) => string }

export interface ToolOptions<Args, Result, C extends Caller = Caller> {
  /** Scopes that all must be there: one text, or a list. */
  scope?: string | readonly string[] | undefined
  /**
   * The action, as in `allowed_actions`. A tool that names none is not limited by them.
   */
  action?: string | undefined
  /** Who may know of it, and use it. @defaultValue everybody whom the guard lets in */
  visible?: Visible<C> | undefined
  /**
   * What others find. By default they do not find it listed, and for them it does not exist; but who
   * lacks nothing except scope, and calls it all the same, is told which scope to ask for. With
   * `hide` it does not exist for them either. With `mark` it is listed for all, as unavailable where
   * it is, and a call says why.
   */
  unavailable?: 'hide' | 'mark' | undefined
  /** What a call costs. It is held before the tool runs. Needs `action`, which the ledger records. */
  cost?: ToolCost<Args, Result> | undefined
  /** How long a call may take before what is held for it is charged in full. @defaultValue 60 */
  ttlSeconds?: number | undefined
}

export interface Meter<Args, Result> {
  action: string
  max: Price<Args>
  actual: ((result: Result) => string) | undefined
  ttlSeconds: number | undefined
}

/** Who may use it. Nothing in here knows of a request. */
export interface AccessRule {
  scope: readonly string[]
  action: string | undefined
  admit: Admit
  /** What `admit` asks, as text; `undefined` where it asks a function of the server. */
  declared: string | undefined
  unavailable: 'hide' | 'mark' | undefined
}

export interface ToolRule<Args, Result> extends AccessRule {
  meter: Meter<Args, Result> | undefined
}

const misuse = (problem: string): TypeError => new TypeError(`guard: ${problem}`)

/** @throws TypeError */
export const checkScopes = (scope: string | readonly string[] = []): readonly string[] =>
  [scope].flat().flatMap((text) => {
    const words = typeof text === 'string' ? readScope(text) : undefined
    if (words) return words
    throw new TypeError('A scope must be words of visible ASCII with one space between them.')
  })

const checkPrice = <Args>(price: Price<Args>): Price<Args> => {
  if (typeof price === 'function') return price
  if (typeof price === 'string' && parseUsd(price) !== undefined) return price
  throw misuse('a cost must be decimal text of USD such as "0.04", or a function that gives it.')
}

const checkTTL = (ttlSeconds: number | undefined): number | undefined => {
  if (ttlSeconds === undefined) return undefined
  if (Number.isInteger(ttlSeconds) && ttlSeconds >= 1 && ttlSeconds <= 3600) return ttlSeconds
  throw misuse('ttlSeconds must be a whole number from 1 to 3600.')
}

const checkMeter = <Args, Result, C extends Caller>(
  options: ToolOptions<Args, Result, C>,
): Meter<Args, Result> | undefined => {
  const { action, cost } = options
  if (cost === undefined) return undefined
  if (action === undefined) throw misuse('a cost needs an action, such as "docs.search".')
  const ttlSeconds = checkTTL(options.ttlSeconds)
  if (typeof cost !== 'object') {
    return { action, max: checkPrice(cost), actual: undefined, ttlSeconds }
  }
  if (typeof cost?.actual !== 'function') throw misuse('cost.actual must be a function.')
  return { action, max: checkPrice(cost.max), actual: cost.actual, ttlSeconds }
}

const checkUnavailable = (
  unavailable: 'hide' | 'mark' | undefined,
): 'hide' | 'mark' | undefined => {
  if (unavailable === undefined || unavailable === 'hide' || unavailable === 'mark') {
    return unavailable
  }
  throw misuse('unavailable must be "hide" or "mark".')
}

/** @throws TypeError for what could never work */
export const checkRule = <Args, Result, C extends Caller>(
  options: ToolOptions<Args, Result, C>,
): ToolRule<Args, Result> => {
  const { scope, action } = options
  if (action !== undefined && !isAction(action)) {
    throw misuse('an action must be words with dots, such as "docs.search".')
  }
  return {
    scope: checkScopes(scope),
    action,
    ...checkVisible(options.visible),
    unavailable: checkUnavailable(options.unavailable),
    meter: checkMeter(options),
  }
}
