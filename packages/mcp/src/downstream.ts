/**
 * Tokens for the servers that this one calls. What it was called with stays here: MCP Authorization,
 * "Access Token Privilege Restriction": the server MUST NOT pass it through. RFC 8693.
 */
import {
  type Agent,
  type AgentLimitsClaim,
  createAgent,
  type DelegatedToken,
  type Fetch,
} from '@behalf/client'
import {
  agentLimitsClaim,
  agentLimitsSchema,
  formatScope,
  isOAuthError,
  OAuthError,
} from '@behalf/protocol'
import type { Caller, Logger } from '@behalf/verifier'
import { withJSON } from './auth-info.js'
import { untilAborted } from './until-aborted.js'

/**
 * A token for one resource, in which this server acts and the chain of its caller goes on. Its text
 * is in no log and no JSON; `fetch` brings it, to the origin of its resource only.
 */
export type DownstreamToken = DelegatedToken

export interface ExchangeForOptions {
  /** Absent: all that the caller's token and the rules have there. */
  scope?: string | readonly string[] | undefined
  /** As spelt on the wire; money as a number or as decimal text. */
  limits?: AgentLimitsClaim | undefined
  /** Ends the waiting; what others wait for too goes on. */
  signal?: AbortSignal | undefined
}

/** Who calls, and the way on for what this server does for them elsewhere. */
export interface DownstreamCaller extends Caller {
  /**
   * A token for the next server. The same for the same caller's token, resource, scope and limits,
   * until shortly before it expires.
   *
   * @throws OAuthError when the authorization server refuses it, `exchange_across_tenants` for callers
   * of another tenant than this server's client; TypeError without credentials
   */
  exchangeFor(resource: string, options?: ExchangeForOptions): Promise<DownstreamToken>
}

export interface ClientCredentials {
  clientId: string
  clientSecret: string
}

export interface DownstreamOptions {
  issuer: string
  /** This server at the authorization server. Absent: `exchangeFor` is a misuse. */
  client: ClientCredentials | undefined
  fetch?: Fetch | undefined
  now?: (() => number) | undefined
  timeoutMs?: number | undefined
  /** Told of every refusal, and why: what a tool answers need not say it. @defaultValue console */
  logger?: Pick<Logger, 'warn'> | undefined
  /** Tokens kept. @defaultValue 1000 */
  maxEntries?: number | undefined
}

export type WithDownstream = (caller: Caller) => DownstreamCaller

const noClient = (): TypeError =>
  new TypeError('exchangeFor: protectMcp needs `client`, or a `budget` with credentials.')

const words = (scope: ExchangeForOptions['scope'] = []): string[] =>
  [...new Set([scope].flat().flatMap((text) => text.split(' ')))].sort()

/**
 * By the caller's very token. Not by its delegation: two tokens of one delegation may have different
 * scopes, and the one would get what only the other may have.
 */
const keyOf = (caller: Caller, resource: string, options: ExchangeForOptions): string => {
  const limits = Object.entries(options.limits ?? {}).sort(([one], [other]) =>
    one < other ? -1 : 1,
  )
  return JSON.stringify([caller.token, resource, formatScope(words(options.scope)), limits])
}

/**
 * Read once, as the exchange reads them: what would be another text there is another token here, and
 * nothing that happens to the object later changes a renewal.
 */
const readLimits = (limits: ExchangeForOptions['limits']): ExchangeForOptions['limits'] => {
  const result = agentLimitsSchema.safeParse(limits)
  return result.success ? agentLimitsClaim(result.data) : limits
}

type Exchange = (
  caller: Caller,
  resource: string,
  options: ExchangeForOptions,
) => Promise<DownstreamToken>

/** Each token asked for once however many wait for it; the least recently used goes first. */
const createExchange = (agent: Agent, maxEntries: number): Exchange => {
  const kept = new Map<string, Promise<DownstreamToken>>()
  const keep = (key: string, token: Promise<DownstreamToken>): void => {
    kept.delete(key)
    kept.set(key, token)
    const [oldest] = kept.keys()
    if (kept.size > maxEntries && oldest !== undefined) kept.delete(oldest)
  }
  /** A token that is renewed when it is about to expire; one that cannot be had is not kept. */
  const fresh = async (key: string, pull: () => Promise<DownstreamToken>) => {
    const token = kept.get(key) ?? pull()
    keep(key, token)
    try {
      const known = await token
      await known.token()
      return known
    } catch (error) {
      if (kept.get(key) === token) kept.delete(key)
      throw error
    }
  }
  return async (caller, resource, { scope, limits: given, signal }) => {
    signal?.throwIfAborted()
    const limits = readLimits(given)
    const pull = () => agent.pull({ token: caller.token, resource, scope, limits })
    return untilAborted(fresh(keyOf(caller, resource, { scope, limits }), pull), signal)
  }
}

/**
 * The authorization server lets nobody act across tenants: a client of acme never gets a token for what
 * somebody of globex has lent. That it says of the token; this says it of the servers.
 */
const explain = (error: unknown, { tenantId }: Caller): unknown => {
  if (!isOAuthError(error) || error.reason !== 'subject_token_tenant_mismatch') return error
  const whose = tenantId === undefined ? 'no tenant' : `the tenant "${tenantId}"`
  return new OAuthError('access_denied', {
    description: `This server's client is of another tenant than its caller, who is of ${whose}.`,
    reason: 'exchange_across_tenants',
    hint: 'Give each tenant a resource of its own, whose client is of that tenant, and each a guard.',
    cause: error,
  })
}

/** Without any token: who asked for what, and what stood against it. */
const refusalOf = (error: unknown, caller: Caller, resource: string) => {
  const { subject, actor, clientId, tenantId } = caller
  const asked = { resource, subject, actor, client_id: clientId, tenant_id: tenantId }
  if (!isOAuthError(error)) return { ...asked, error: 'unexpected' }
  const { code, reason, description, hint } = error
  return { ...asked, error: code, reason, description, hint }
}

const agentFor = ({ issuer, client, fetch, now, timeoutMs }: DownstreamOptions) =>
  client && createAgent({ issuer, ...client, fetch, now, timeoutMs })

/** What Node, Deno and Bun call when an object is logged. */
const inspect = Symbol.for('nodejs.util.inspect.custom')

/**
 * Gives callers their way on: the same object for the same caller, since one caller serves every
 * request that brings the same token. Like `token`, `exchangeFor` is not enumerable: in a log a
 * caller is data.
 *
 * @throws TypeError for credentials that are none
 */
export const createDownstream = (options: DownstreamOptions): WithDownstream => {
  const agent = agentFor(options)
  const exchange = agent && createExchange(agent, options.maxEntries ?? 1000)
  const { logger = console } = options
  const made = new WeakMap<Caller, DownstreamCaller>()
  const refused = (thrown: unknown, caller: Caller, resource: string): unknown => {
    const error = explain(thrown, caller)
    logger.warn('A token for the next server was refused.', refusalOf(error, caller, resource))
    return error
  }

  const withDownstream = (caller: Caller): DownstreamCaller => {
    const exchangeFor: DownstreamCaller['exchangeFor'] = async (resource, asked = {}) => {
      if (!exchange) throw noClient()
      try {
        return await exchange(caller, resource, asked)
      } catch (error) {
        // Who stops waiting has been refused nothing.
        throw asked.signal?.aborted ? error : refused(error, caller, resource)
      }
    }
    const whole: DownstreamCaller = { ...caller, token: caller.token, exchangeFor }
    Object.defineProperty(whole, 'token', { enumerable: false })
    Object.defineProperty(whole, 'exchangeFor', { enumerable: false })
    // A Date cannot be frozen, so everybody gets their own.
    Object.defineProperty(whole, 'expiresAt', { get: () => caller.expiresAt })
    Object.defineProperty(whole, inspect, { value: () => ({ ...whole }), enumerable: false })
    return Object.freeze(withJSON(whole))
  }
  return (caller) => {
    const known = made.get(caller) ?? withDownstream(caller)
    made.set(caller, known)
    return known
  }
}
