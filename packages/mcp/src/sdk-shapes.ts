/**
 * The SDK's own types, read off the server object that it is used with: of either generation, and of
 * whichever version. None is named here, so none is imported.
 */

/** An `McpServer`. */
export interface ServesTools {
  registerTool(...args: never[]): unknown
}

export interface ServesResources {
  registerResource(...args: never[]): unknown
}

export interface ServesPrompts {
  registerPrompt(...args: never[]): unknown
}

type Method = (...args: never[]) => unknown

/**
 * What is registered shows the handler it was given, by the name that each has for it. The parameter of
 * `registerTool` would be the plainer place, but of a type that depends on a schema nothing is inferred.
 */
type HandlerOf<Registered> = Registered extends { handler: infer Handler }
  ? Handler
  : Registered extends { callback: infer Handler }
    ? Handler
    : Registered extends { readCallback: infer Handler }
      ? Handler
      : never

type CallbackOf<Register extends Method> = Extract<HandlerOf<ReturnType<Register>>, Method>

/** Of a callback that takes something and a context. One with the context alone says no more. */
type ContextIn<Callback> = Callback extends Method
  ? Parameters<Callback> extends readonly [unknown, ...unknown[], infer Context]
    ? Context
    : never
  : never

/** What the SDK gives a handler beside its arguments. */
export type ContextOf<Register extends Method> = ContextIn<CallbackOf<Register>>

/** What the SDK takes for an answer. */
export type ResultOf<Register extends Method> = Awaited<ReturnType<CallbackOf<Register>>>

/** Those say what the guard says itself. */
type OwnNames = 'inputSchema' | 'argsSchema' | 'scopeChallenge'

/** What else the SDK lets one say of a tool or a prompt: its title, its output schema and so on. */
export type ConfigOf<Register extends Method> = Register extends (
  name: string,
  config: infer Config,
  callback: never,
) => unknown
  ? Omit<Config, OwnNames>
  : never

type ResourceParametersOf<Register extends Method> = Register extends (
  name: string,
  template: infer Template,
  config: infer Config,
  callback: never,
) => unknown
  ? [Template, Config]
  : [never, never]

export type ResourceConfigOf<Register extends Method> = Omit<
  ResourceParametersOf<Register>[1],
  OwnNames
>

/** The `ResourceTemplate` of the same SDK. */
export type TemplateOf<Register extends Method> = ResourceParametersOf<Register>[0]

/** What is given for a resource, and for a template: two of its overloads. */
export type RegisteredResourceOf<Register extends Method, Uri> = Register extends {
  (...args: infer _One): infer Resource
  (...args: infer _Other): infer Template
}
  ? Uri extends string
    ? Resource
    : Template
  : never
