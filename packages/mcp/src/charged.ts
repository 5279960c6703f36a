/** A guarded call: may this caller, what can it cost, and what did it cost after all? */
import { formatUsd, isOAuthError, type OAuthError } from '@behalf/protocol'
import type { Caller, Charge, Receipt, Verifier } from '@behalf/verifier'
import { checkCaller } from './access.js'
import type { Meter, Price, ToolRule } from './tool-rule.js'

/** Where the result of a paid call says what was charged and what is left. */
export const budgetKey = 'dev.behalf/agent-budget'

/** What a tool, a resource or a prompt answers, as far as it is read here. */
export interface GuardedResult {
  isError?: boolean | undefined
  _meta?: Record<string, unknown> | undefined
}

export interface Call<Args, Result> {
  caller: Caller
  args: Args
  /** Aborts when the client cancels or goes away. */
  signal: AbortSignal | undefined
  run: (charge: Charge) => Result | Promise<Result>
}

type Charger = Pick<Verifier, 'chargeWithReceipt'>

/** What is free of charge holds nothing, and whatever is said of its cost is forgotten. */
const free: Charge = Object.freeze({ reserved: 0n, settle: () => undefined })

const priceOf = <Args>(price: Price<Args>, args: Args): string =>
  typeof price === 'function' ? price(args) : price

/** It has asked the client something and will be called again, with the answer (MCP 2026-07-28). */
const isUnfinished = (result: GuardedResult): boolean =>
  'resultType' in result && result.resultType === 'input_required'

/** Remembers whether the handler has said by itself what it cost so far. */
const overhear = (charge: Charge) => {
  let hasSaid = false
  const settle: Charge['settle'] = (amount) => {
    hasSaid = true
    charge.settle(amount)
  }
  return { said: () => hasSaid, charge: { reserved: charge.reserved, settle } }
}

/** What was said to fail has not been sold, unless the handler or its meter tells what it cost. */
const settle = <Args, Result extends GuardedResult>(
  { charge, said }: ReturnType<typeof overhear>,
  { actual }: Meter<Args, Result>,
  result: Result,
): void => {
  if (isUnfinished(result) || (result.isError && !actual)) {
    if (!said()) charge.settle(0n)
  } else if (actual) {
    // First in full: a meter that throws after the work was done must not make it free.
    charge.settle(charge.reserved)
    charge.settle(actual(result))
  }
}

const withReceipt = <Result extends GuardedResult>(result: Result, receipt: Receipt): Result => {
  const { action, cost, remaining, advisory } = receipt
  if (advisory) return result
  const charged = {
    action,
    cost_usd: formatUsd(cost),
    ...(remaining !== undefined && { remaining_usd: formatUsd(remaining) }),
  }
  return { ...result, _meta: { ...result._meta, [budgetKey]: charged } }
}

/** Holds the most that it can cost, runs, and charges what it did cost. A throw gives all back. */
const runCharged = async <Args, Result extends GuardedResult, Refusal>(
  { verifier, meter }: { verifier: Charger; meter: Meter<Args, Result> },
  { caller, args, signal, run }: Call<Args, Result>,
  refuse: (error: OAuthError) => Refusal,
): Promise<Result | Refusal> => {
  const { action, max, ttlSeconds } = meter
  const options = { action, cost: priceOf(max, args), ttlSeconds, signal }
  let hasRun = false
  try {
    const { result, receipt } = await verifier.chargeWithReceipt(
      caller,
      options,
      async (charge) => {
        hasRun = true
        const overheard = overhear(charge)
        const result = await run(overheard.charge)
        settle(overheard, meter, result)
        return result
      },
    )
    return withReceipt(result, receipt)
  } catch (error) {
    // An error of the handler is its own, even one that looks like ours.
    if (hasRun || !isOAuthError(error)) throw error
    return refuse(error)
  }
}

const refusalOf = <Args, Result>(
  rule: ToolRule<Args, Result>,
  caller: Caller,
): OAuthError | undefined => {
  try {
    checkCaller(rule, caller)
    return undefined
  } catch (error) {
    if (isOAuthError(error)) return error
    throw error
  }
}

export type RunGuarded = <Args, Result extends GuardedResult, Refusal>(
  rule: ToolRule<Args, Result>,
  call: Call<Args, Result>,
  refuse: (error: OAuthError) => Refusal,
) => Promise<Result | Refusal>

/** `refuse` says no in the way of the method: a result for tools, an error for everything else. */
export const createRunGuarded =
  (verifier: Charger): RunGuarded =>
  async (rule, call, refuse) => {
    const refusal = refusalOf(rule, call.caller)
    if (refusal) return refuse(refusal)
    if (!rule.meter) return call.run(free)
    return runCharged({ verifier, meter: rule.meter }, call, refuse)
  }
