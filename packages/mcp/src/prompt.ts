/** A prompt behind the guard. It has no result that says no, so a refusal is an error. */
import type { Caller } from '@behalf/verifier'
import type { ToolContext } from './auth-info.js'
import type { GuardedResult } from './charged.js'
import { refuseRequest } from './resource.js'
import { type Guarding, guardHandler, type Handle } from './tool.js'
import { checkRule, type ToolOptions } from './tool-rule.js'

/** What it answers, as far as it is read here: the words that must stay what they are. */
export interface PromptResult extends GuardedResult {
  messages?:
    | readonly {
        role: 'user' | 'assistant'
        content: { type: 'text' | 'image' | 'audio' | 'resource' | 'resource_link' }
      }[]
    | undefined
}

/** Fits `server.registerPrompt` of both generations, with arguments and without. */
export interface PromptHandler<Args, Result, Context> {
  (context: NoInfer<Context>): Promise<Result>
  (args: Args, context: Context): Promise<Result>
}

export type MakePrompt = <
  Args,
  Result extends PromptResult,
  Context extends ToolContext = ToolContext,
  C extends Caller = Caller,
>(
  options: ToolOptions<Args, Result, C>,
  handler: Handle<Args, Result, Context, C>,
) => PromptHandler<Args, Result, Context>

export const createPrompt =
  (guarding: Guarding): MakePrompt =>
  (options, handle) =>
    guardHandler(guarding, checkRule(options), { handle, refuse: refuseRequest })
