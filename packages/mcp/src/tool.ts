/** A tool behind the guard: who calls, may they, and what does it cost them. */
import { formatUsd, isOAuthError } from '@behalf/protocol'
import type { Caller, Charge, Receipt, Verifier } from '@behalf/verifier'
import { callerIn, signalIn, type ToolContext } from './auth-info.js'
import { type ToolDenial, toDenial } from './denial.js'
import type { DownstreamCaller } from './downstream.js'
import {
  checkCaller,
  checkRule,
  type Meter,
  type Price,
  type ToolOptions,
  type ToolResult,
  type ToolRule,
} from './tool-rule.js'

/** Where the result of a paid call says what was charged and what is left. */
export const budgetKey = 'dev.behalf/agent-budget'

/**
 * Fits `server.registerTool(name, config, handler)` of both generations: with an input schema they
 * call it with arguments and a context, without one with the context alone.
 */
export interface ToolHandler<Args, Result, Context> {
  (context: NoInfer<Context>): Promise<Result | ToolDenial>
  (args: Args, context: Context): Promise<Result | ToolDenial>
}

export type MakeTool = <Args, Result extends ToolResult, Context extends ToolContext = ToolContext>(
  options: ToolOptions<Args, Result>,
  handler: (args: Args, caller: DownstreamCaller, context: Context) => Result | Promise<Result>,
) => ToolHandler<Args, Result, Context>

const priceOf = <Args>(price: Price<Args>, args: Args): string =>
  typeof price === 'function' ? price(args) : price

/** It has asked the client something and will be called again, with the answer (MCP 2026-07-28). */
const isUnfinished = (result: ToolResult): boolean =>
  'resultType' in result && result.resultType === 'input_required'

/** What was said to fail has not been sold, unless the tool itself tells what it cost. */
const settle = <Args, Result extends ToolResult>(
  charge: Charge,
  { actual }: Meter<Args, Result>,
  result: Result,
): void => {
  if (isUnfinished(result) || (result.isError && !actual)) charge.settle(0n)
  else if (actual) {
    // First in full: a meter that throws after the work was done must not make it free.
    charge.settle(charge.reserved)
    charge.settle(actual(result))
  }
}

const withReceipt = <Result extends ToolResult>(result: Result, receipt: Receipt): Result => {
  const { action, cost, remaining, advisory } = receipt
  if (advisory) return result
  const charged = {
    action,
    cost_usd: formatUsd(cost),
    ...(remaining !== undefined && { remaining_usd: formatUsd(remaining) }),
  }
  return { ...result, _meta: { ...result._meta, [budgetKey]: charged } }
}

interface Call<Args, Result> {
  verifier: Pick<Verifier, 'chargeWithReceipt'>
  caller: Caller
  args: Args
  signal: AbortSignal | undefined
  run: () => Result | Promise<Result>
}

/** Holds the most that it can cost, runs, and charges what it did cost. A throw gives all back. */
const runCharged = async <Args, Result extends ToolResult>(
  meter: Meter<Args, Result>,
  { verifier, caller, args, signal, run }: Call<Args, Result>,
): Promise<Result | ToolDenial> => {
  const { action, max, ttlSeconds } = meter
  const options = { action, cost: priceOf(max, args), ttlSeconds }
  let hasRun = false
  try {
    const { result, receipt } = await verifier.chargeWithReceipt(
      caller,
      options,
      async (charge) => {
        signal?.throwIfAborted()
        hasRun = true
        const result = await run()
        settle(charge, meter, result)
        return result
      },
    )
    return withReceipt(result, receipt)
  } catch (error) {
    // An error of the tool is the tool's own, even one that looks like ours.
    if (hasRun || !isOAuthError(error)) throw error
    return toDenial(error)
  }
}

const refusalOf = <Args, Result>(
  rule: ToolRule<Args, Result>,
  caller: Caller,
): ToolDenial | undefined => {
  try {
    checkCaller(rule, caller)
    return undefined
  } catch (error) {
    if (isOAuthError(error)) return toDenial(error)
    throw error
  }
}

/** By their number, which the SDK decides by the tool's schema and no client can change. */
const readCall = <Args, Context>(received: readonly unknown[]): { args: Args; context: Context } =>
  ({
    args: received.length > 1 ? received[0] : {},
    context: received.at(-1),
  }) as { args: Args; context: Context }

type IsVerified = (caller: unknown) => caller is DownstreamCaller

const callerOf = (context: ToolContext, isVerified: IsVerified): DownstreamCaller => {
  const caller = callerIn(context)
  if (isVerified(caller)) return caller
  // Open to nobody rather than to everybody.
  throw new Error('This tool is guarded, and the call did not come through its guard.')
}

/** @param isVerified tells the callers of this guard from whatever else may stand in their place */
export const createTool =
  (verifier: Pick<Verifier, 'chargeWithReceipt'>, isVerified: IsVerified): MakeTool =>
  <Args, Result extends ToolResult, Context extends ToolContext>(
    options: ToolOptions<Args, Result>,
    handler: (args: Args, caller: DownstreamCaller, context: Context) => Result | Promise<Result>,
  ): ToolHandler<Args, Result, Context> => {
    const rule = checkRule(options)
    return async (...received: [Context] | [Args, Context]) => {
      const { args, context } = readCall<Args, Context>(received)
      const caller = callerOf(context, isVerified)
      const refusal = refusalOf(rule, caller)
      if (refusal) return refusal
      const run = () => handler(args, caller, context)
      if (!rule.meter) return run()
      return runCharged(rule.meter, { verifier, caller, args, signal: signalIn(context), run })
    }
  }
