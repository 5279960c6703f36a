/** What a tool asks of its callers, checked once, when the tool is made. */
import {
  formatScope,
  isAction,
  missingScope,
  OAuthError,
  parseUsd,
  readScope,
} from '@behalf/protocol'
import { type Caller, requireAction } from '@behalf/verifier'

/**
 * What a tool answers, as far as it is read here. The kinds of content are spelt out so that an
 * answer written where no SDK says what it should be keeps them as they are.
 */
export interface ToolResult {
  content?:
    | readonly { type: 'text' | 'image' | 'audio' | 'resource' | 'resource_link' }[]
    | undefined
  structuredContent?: unknown
  isError?: boolean | undefined
  _meta?: Record<string, unknown> | undefined
}

/** Decimal text of USD such as `'0.04'`, or how to tell it from the arguments. */
export type Price<Args> = string | ((args: Args) => string)

/** A price, or the most that a call can cost and how to tell from its result what it did cost. */
export type ToolCost<Args, Result> =
  | Price<Args>
  | { readonly max: Price<Args>; readonly actual: (result: Result) => string }

export interface ToolOptions<Args, Result> {
  /** Scopes that all must be there: one text, or a list. */
  scope?: string | readonly string[] | undefined
  /**
   * The action, as in `allowed_actions`. A tool that names none is not limited by them.
   */
  action?: string | undefined
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

export interface ToolRule<Args, Result> {
  scope: readonly string[]
  action: string | undefined
  meter: Meter<Args, Result> | undefined
}

const misuse = (problem: string): TypeError => new TypeError(`guard.tool: ${problem}`)

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

const checkMeter = <Args, Result>(
  options: ToolOptions<Args, Result>,
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

/** @throws TypeError for what could never work */
export const checkRule = <Args, Result>(
  options: ToolOptions<Args, Result>,
): ToolRule<Args, Result> => {
  const { scope, action } = options
  if (action !== undefined && !isAction(action)) {
    throw misuse('an action must be words with dots, such as "docs.search".')
  }
  return { scope: checkScopes(scope), action, meter: checkMeter(options) }
}

/** @throws OAuthError `insufficient_scope`, `action_not_allowed` */
export const checkCaller = <Args, Result>(
  { scope, action }: ToolRule<Args, Result>,
  caller: Caller,
): void => {
  const missing = missingScope(scope, caller.scope)
  if (missing.length > 0) {
    throw new OAuthError('insufficient_scope', {
      description: `The token lacks the scope "${formatScope(missing)}".`,
      reason: 'insufficient_scope',
      // RFC 6750 §3.1: all that is needed, not only what is missing.
      details: { scope: formatScope(scope) },
    })
  }
  if (action !== undefined) requireAction(caller, action)
}
