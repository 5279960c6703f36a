/** Scopes of one route or tool, beside those that get a caller in. MCP, "Scope Challenge Handling". */
import { formatScope, missingScope, OAuthError } from '@behalf/protocol'
import { toResponse } from '@behalf/verifier'
import { callerIn, type HasExtra } from './auth-info.js'
import type { DownstreamCaller } from './downstream.js'
import type { NodeMiddleware } from './express.js'
import { type FastifyHook, sendOnFastify } from './fastify.js'
import { sendOnNode } from './guarded-request.js'
import type { HonoMiddleware } from './hono.js'

/** What the SDK makes a 403 of. */
export interface ScopeChallenge {
  scopes: [string, ...string[]]
  errorDescription: string
}

export interface ScopeRequirement {
  /** As `scopeChallenge` of a tool, a prompt or a resource of the v2 SDK. */
  (context: { authInfo?: HasExtra | undefined }): ScopeChallenge | undefined
  /** The 403 for this caller, or `undefined` when they have it all. */
  refuse(authInfo: HasExtra | undefined): Response | undefined
  /** For routes behind the guard: after `guard.express()`, `guard.hono()`, `guard.fastify()`. */
  express(): NodeMiddleware
  hono(): HonoMiddleware
  fastify(): FastifyHook
}

export interface RequireOptions {
  resourceMetadataUrl: string
  isVerified: (caller: unknown) => caller is DownstreamCaller
}

const description = 'The token does not have the scope that this needs.'

const authOf = (request: { auth?: unknown } | object): HasExtra | undefined =>
  'auth' in request && typeof request.auth === 'object' && request.auth !== null
    ? request.auth
    : undefined

// RFC 6750 §3.1: all that the operation needs, so that one step-up is enough.
const refusal = (scopes: readonly string[]): OAuthError =>
  new OAuthError('insufficient_scope', {
    description,
    reason: 'insufficient_scope',
    details: { scope: formatScope(scopes) },
  })

/** The same refusal in the middle of three frameworks. */
const facesOf = (
  refuse: ScopeRequirement['refuse'],
): Pick<ScopeRequirement, 'express' | 'hono' | 'fastify'> => ({
  express: () => async (request, response, next) => {
    const answer = refuse(authOf(request))
    if (answer) await sendOnNode(answer, response)
    else next()
  },
  hono: () => async (context, next) => {
    const answer = refuse(authOf({ auth: context.get('auth') }))
    if (answer) return answer
    await next()
    return undefined
  },
  fastify: () => async (request, reply) => {
    const answer = refuse(authOf(request))
    return answer && sendOnFastify(answer, reply)
  },
})

/**
 * Whole words: no scope implies another here, as at the authorization server. Who did not come
 * through the guard has none at all.
 *
 * @throws TypeError without a scope
 */
export const createRequirement = (
  scopes: readonly string[],
  { resourceMetadataUrl, isVerified }: RequireOptions,
): ScopeRequirement => {
  const [first, ...rest] = scopes
  if (first === undefined) throw new TypeError('guard.require: which scope?')
  const has = (authInfo: HasExtra | undefined): boolean => {
    const caller = callerIn({ authInfo })
    return isVerified(caller) && missingScope(scopes, caller.scope).length === 0
  }
  const challenge = ({ authInfo }: { authInfo?: HasExtra | undefined }) => {
    if (has(authInfo)) return undefined
    return { scopes: [first, ...rest], errorDescription: description } satisfies ScopeChallenge
  }
  const refuse = (authInfo: HasExtra | undefined): Response | undefined =>
    has(authInfo) ? undefined : toResponse(refusal(scopes), { resourceMetadataUrl })
  return Object.freeze(Object.assign(challenge, { refuse, ...facesOf(refuse) }))
}
