/** The verified caller, in the plain shape that both generations of the MCP SDK hand to tools. */
import { type AgentLimits, agentLimitsClaim } from '@behalf/protocol'
import type { Caller } from '@behalf/verifier'
import type { DownstreamCaller } from './downstream.js'

/** What tools find in `authInfo.extra`. A type and not an interface, so that it fits a record. */
export type AuthInfoExtra = {
  caller: DownstreamCaller
  subject: Caller['subject']
  actor: Caller['actor']
  chain: Caller['chain']
  tenantId: Caller['tenantId']
  limits: Caller['limits']
  lineage: Caller['lineage']
}

/** Fits the `AuthInfo` of `@modelcontextprotocol/sdk` and of `@modelcontextprotocol/server`. */
export interface AuthInfo {
  /**
   * Not the token: the SDKs ask for a text here and read it nowhere, and a tool that sends it on
   * would pass its caller's credential through. {@link noToken} always; see `caller.exchangeFor`.
   */
  token: string
  clientId: string
  scopes: string[]
  /** Seconds since 1970. */
  expiresAt: number
  resource: URL
  resourceMetadataUrl: string
  extra: AuthInfoExtra
}

/** Good for nothing anywhere, and says so where it is tried. */
export const noToken = 'not-the-token.use-caller.exchangeFor'

/**
 * In JSON the limits are spelt as on the wire: amounts of money are `bigint`, on which `JSON.stringify`
 * throws, and a log line must not be what ends a request.
 */
export const withJSON = <T extends { limits: AgentLimits }>(holder: T): T =>
  Object.defineProperty(holder, 'toJSON', {
    value: () => ({ ...holder, limits: agentLimitsClaim(holder.limits) }),
    enumerable: false,
  })

/** A new object for each request, so that nothing of one caller can reach another. */
export const toAuthInfo = (
  caller: DownstreamCaller,
  server: { resource: string; resourceMetadataUrl: string },
): AuthInfo => {
  const { subject, actor, chain, tenantId, limits, lineage } = caller
  return {
    token: noToken,
    clientId: caller.clientId,
    scopes: [...caller.scope],
    expiresAt: Math.floor(caller.expiresAt.getTime() / 1000),
    resource: new URL(server.resource),
    resourceMetadataUrl: server.resourceMetadataUrl,
    extra: withJSON({ caller, subject, actor, chain, tenantId, limits, lineage }),
  }
}

/** An `AuthInfo`, as it comes back from wherever an SDK or a framework kept it. */
export interface HasExtra {
  extra?: Record<string, unknown> | undefined
}

/** What both generations give a tool beside its arguments, as far as it is read here. */
export interface ToolContext {
  /** v1: `extra.authInfo` */
  authInfo?: HasExtra | undefined
  /** v1: aborts when the client cancels or goes away. */
  signal?: AbortSignal | undefined
  /** v2: `ctx.http.authInfo` */
  http?: { authInfo?: HasExtra | undefined } | undefined
  /** v2 */
  mcpReq?: { signal?: AbortSignal | undefined } | undefined
}

/** What a tool was given as its caller, not believed yet. */
export const callerIn = (context: ToolContext | undefined): unknown =>
  (context?.authInfo ?? context?.http?.authInfo)?.extra?.caller

export const signalIn = (context: ToolContext): AbortSignal | undefined =>
  context.signal ?? context.mcpReq?.signal
