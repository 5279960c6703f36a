/** `guard.tool(server, name, rule, schema, handler)`: registered, guarded and seen by the right ones. */
import type { Caller } from '@behalf/verifier'
import type { MakePrompt } from './prompt.js'
import type { MakeResource, ResourceArgs } from './resource.js'
import type { ArgsOf, ArgsSchema } from './schema-output.js'
import type {
  ConfigOf,
  ContextOf,
  RegisteredResourceOf,
  ResourceConfigOf,
  ResultOf,
  ServesPrompts,
  ServesResources,
  ServesTools,
  TemplateOf,
} from './sdk-shapes.js'
import type { Handle, MakeTool } from './tool.js'
import type { ToolOptions } from './tool-rule.js'

/** What a meter sees. A question to the client is not what is sold. */
type Sold<Result> = Exclude<Result, { resultType: 'input_required' }>

/** The guard's own options, and the SDK's of the same thing. */
type Offer<Args, Result, C extends Caller, Config> = ToolOptions<Args, Sold<Result>, C> & Config

/**
 * A handler, told by the server. It is a conditional type for one reason: where it hangs from a type
 * parameter as a whole, TypeScript reads it with the server already known, and `type: 'text'` in what is
 * returned stays that word. As a function type whose parts are unknown yet it would become any text.
 */
type Handler<
  S,
  Register extends (...args: never[]) => unknown,
  Args,
  C extends Caller,
> = S extends S ? Handle<Args, ResultOf<Register>, ContextOf<Register>, C> : never

/** A tool for `server.registerTool`, or one that is registered at once. */
export interface GuardTool extends MakeTool {
  <S extends ServesTools, Schema extends ArgsSchema, C extends Caller = Caller>(
    server: S,
    name: string,
    rule: Offer<ArgsOf<Schema>, ResultOf<S['registerTool']>, C, ConfigOf<S['registerTool']>>,
    schema: Schema,
    handler: Handler<S, S['registerTool'], ArgsOf<Schema>, C>,
  ): ReturnType<S['registerTool']>
}

/** A resource for `server.registerResource`, or one that is registered at once. */
export interface GuardResource extends MakeResource {
  <
    S extends ServesResources,
    Uri extends string | TemplateOf<S['registerResource']>,
    C extends Caller = Caller,
  >(
    server: S,
    name: string,
    uri: Uri,
    rule: Offer<
      ResourceArgs,
      ResultOf<S['registerResource']>,
      C,
      ResourceConfigOf<S['registerResource']>
    >,
    handler: Handler<S, S['registerResource'], ResourceArgs, C>,
  ): RegisteredResourceOf<S['registerResource'], Uri>
}

/** A prompt for `server.registerPrompt`, or one that is registered at once. */
export interface GuardPrompt extends MakePrompt {
  <S extends ServesPrompts, Schema extends ArgsSchema, C extends Caller = Caller>(
    server: S,
    name: string,
    rule: Offer<ArgsOf<Schema>, ResultOf<S['registerPrompt']>, C, ConfigOf<S['registerPrompt']>>,
    schema: Schema,
    handler: Handler<S, S['registerPrompt'], ArgsOf<Schema>, C>,
  ): ReturnType<S['registerPrompt']>
}
