/** A resource behind the guard. It has no result that says no, so a refusal is an error. */
import type { OAuthError } from '@behalf/protocol'
import type { Caller } from '@behalf/verifier'
import type { ToolContext } from './auth-info.js'
import type { GuardedResult } from './charged.js'
import { toRequestDenial } from './denial.js'
import { type Guarding, guardHandler, type Handle, noArguments } from './tool.js'
import { checkRule, type ToolOptions } from './tool-rule.js'

/** What is read. */
export interface ResourceArgs {
  uri: URL
  /** What stood in the URI where its template has variables; empty without a template. */
  variables: { [name: string]: string | string[] }
}

/** What it answers, as far as it is read here. */
export interface ResourceResult extends GuardedResult {
  contents?: readonly { uri: string }[] | undefined
}

/** Fits `server.registerResource` of both generations, with a URI and with a template. */
export interface ResourceHandler<Result, Context> {
  (uri: URL, context: NoInfer<Context>): Promise<Result>
  (uri: URL, variables: ResourceArgs['variables'], context: Context): Promise<Result>
}

export type MakeResource = <
  Result extends ResourceResult,
  Context extends ToolContext = ToolContext,
  C extends Caller = Caller,
>(
  options: ToolOptions<ResourceArgs, Result, C>,
  handler: Handle<ResourceArgs, Result, Context, C>,
) => ResourceHandler<Result, Context>

/** @throws an error that both SDKs send as it is */
export const refuseRequest = (error: OAuthError): never => {
  throw toRequestDenial(error)
}

/** By their number, which the SDK decides by whether there is a template. */
const readReceived = <Context>(received: readonly unknown[]): [ResourceArgs, Context] =>
  [
    { uri: received[0], variables: received.length > 2 ? received[1] : noArguments },
    received.at(-1),
  ] as unknown as [ResourceArgs, Context]

export const createResource =
  (guarding: Guarding): MakeResource =>
  <Result extends ResourceResult, Context extends ToolContext, C extends Caller>(
    options: ToolOptions<ResourceArgs, Result, C>,
    handle: Handle<ResourceArgs, Result, Context, C>,
  ): ResourceHandler<Result, Context> => {
    const guarded = guardHandler(guarding, checkRule(options), { handle, refuse: refuseRequest })
    return (...received: readonly unknown[]) => guarded(...readReceived<Context>(received))
  }
