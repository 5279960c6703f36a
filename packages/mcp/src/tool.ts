/** A tool behind the guard: who calls, may they, and what does it cost them? */
import type { Caller, Charge } from '@behalf/verifier'
import { callerIn, signalIn, type ToolContext } from './auth-info.js'
import type { GuardedResult, RunGuarded } from './charged.js'
import { type ToolDenial, toDenial } from './denial.js'
import type { DownstreamCaller } from './downstream.js'
import { checkRule, type ToolOptions, type ToolRule } from './tool-rule.js'

/**
 * What a tool answers, as far as it is read here. The kinds of content are spelt out so that an
 * answer written where no SDK says what it should be keeps them as they are.
 */
export interface ToolResult extends GuardedResult {
  content?:
    | readonly { type: 'text' | 'image' | 'audio' | 'resource' | 'resource_link' }[]
    | undefined
  structuredContent?: unknown
}

/**
 * Fits `server.registerTool(name, config, handler)` of both generations: with an input schema they
 * call it with arguments and a context, without one with the context alone.
 */
export interface ToolHandler<Args, Result, Context> {
  (context: NoInfer<Context>): Promise<Result | ToolDenial>
  (args: Args, context: Context): Promise<Result | ToolDenial>
}

/** What a handler knows of its caller. */
export type GuardedCaller = DownstreamCaller

/**
 * What a guarded tool, resource or prompt does. By `charge` it may say what it cost so far, which is
 * then charged even if it fails, or if the client goes; most have no need of it.
 */
export type Handle<Args, Result, Context, C extends Caller = Caller> = (
  args: Args,
  caller: GuardedCaller & C,
  context: Context,
  charge: Charge,
) => Result | Promise<Result>

export type IsVerified = (caller: unknown) => caller is GuardedCaller

export interface Guarding {
  run: RunGuarded
  /** Tells the callers of this guard from whatever else may stand in their place. */
  isVerified: IsVerified
}

/** What stands for arguments where there are none. One for all, so nobody may write on it. */
export const noArguments: Readonly<Record<string, never>> = Object.freeze({})

/** By their number, which the SDK decides by the schema and no client can change. */
const readCall = <Args, Context>(received: readonly unknown[]): { args: Args; context: Context } =>
  ({
    args: received.length > 1 ? received[0] : noArguments,
    context: received.at(-1),
  }) as { args: Args; context: Context }

/** @throws Error for a call that came past the guard: open to nobody rather than to everybody */
export const callerOf = (context: ToolContext, isVerified: IsVerified): GuardedCaller => {
  const caller = callerIn(context)
  if (isVerified(caller)) return caller
  throw new Error('This tool is guarded, and the call did not come through its guard.')
}

/** The caller has passed `visible`, which is what says that it is a `C`. */
const callerAs = <C extends Caller>(caller: GuardedCaller): GuardedCaller & C =>
  caller as GuardedCaller & C

/** What the SDK calls: with arguments and a context, or the context alone. */
export const guardHandler =
  <Args, Result extends GuardedResult, Context extends ToolContext, C extends Caller, Refusal>(
    { run, isVerified }: Guarding,
    rule: ToolRule<Args, Result>,
    { handle, refuse }: GuardedHandler<Args, Result, Context, C, Refusal>,
  ) =>
  async (...received: [Context] | [Args, Context]): Promise<Result | Refusal> => {
    const { args, context } = readCall<Args, Context>(received)
    const caller = callerOf(context, isVerified)
    const call = {
      caller,
      args,
      signal: signalIn(context),
      run: (charge: Charge) => handle(args, callerAs<C>(caller), context, charge),
    }
    return run(rule, call, refuse)
  }

export interface GuardedHandler<Args, Result, Context, C extends Caller, Refusal> {
  handle: Handle<Args, Result, Context, C>
  refuse: (error: Parameters<typeof toDenial>[0]) => Refusal
}

export type MakeTool = <
  Args,
  Result extends ToolResult,
  Context extends ToolContext = ToolContext,
  C extends Caller = Caller,
>(
  options: ToolOptions<Args, Result, C>,
  handler: Handle<Args, Result, Context, C>,
) => ToolHandler<Args, Result, Context>

export const createTool =
  (guarding: Guarding): MakeTool =>
  (options, handle) =>
    guardHandler(guarding, checkRule(options), { handle, refuse: toDenial })
