/** Stands between a server object and its requests, which is where a caller is known. */
import { isOAuthError } from '@behalf/protocol'
import type { Caller } from '@behalf/verifier'
import { checkCaller, isHidden } from './access.js'
import { callerIn, type ToolContext } from './auth-info.js'
import { findCalled, isCalled } from './called.js'
import { toRequestDenial } from './denial.js'
import { cutList, isCutList, isList } from './lists.js'
import { createRegistry, type Registry } from './registry.js'
import { type Around, isModern, type RequestHandler, surround } from './request-handlers.js'
import { callerOf, type IsVerified } from './tool.js'
import type { AccessRule } from './tool-rule.js'
import { answerUnknown } from './unknown.js'

const isResult = (value: unknown): value is object => typeof value === 'object' && value !== null

/** MCP 2026-07-28, "Caching": what differs by caller is for no cache that others share. */
const keepPrivate = (result: unknown, context: ToolContext): unknown =>
  isModern(context) && isResult(result) ? { ...result, cacheScope: 'private' } : result

/** These run no handler of ours, so the rule is looked at here. */
const hasNoHandler: ReadonlySet<string> = new Set(['completion/complete', 'resources/subscribe'])

const checkRequest = (rule: AccessRule, caller: Caller): void => {
  try {
    checkCaller(rule, caller)
  } catch (error) {
    throw isOAuthError(error) ? toRequestDenial(error) : error
  }
}

const listed =
  (registry: Registry, isVerified: IsVerified): Around =>
  (method, handler) =>
  async (request, context) => {
    const result = await handler(request, context)
    if (!isCutList(method, registry)) return result
    const caller = callerIn(context)
    const known = isVerified(caller) ? caller : undefined
    return keepPrivate(cutList(method, result, { registry, caller: known }), context)
  }

const called =
  (registry: Registry, isVerified: IsVerified): Around =>
  (method, handler) =>
  async (request, context) => {
    const named = findCalled(registry, request)
    if (!named) return handler(request, context)
    const caller = callerOf(context, isVerified)
    if (isHidden(named.rule, caller)) return answerUnknown(handler, { request, context, named })
    if (hasNoHandler.has(method)) checkRequest(named.rule, caller)
    const result = await handler(request, context)
    return method === 'resources/read' ? keepPrivate(result, context) : result
  }

const interceptBy = (registry: Registry, isVerified: IsVerified): Around => {
  const [list, call] = [listed(registry, isVerified), called(registry, isVerified)]
  return (method, handler): RequestHandler => {
    if (isList(method)) return list(method, handler)
    return isCalled(method) ? call(method, handler) : handler
  }
}

/** What stands on which server. The first thing on one puts us between it and its requests. */
export const createRegistries = (isVerified: IsVerified): ((server: object) => Registry) => {
  const registries = new WeakMap<object, Registry>()
  return (server) => {
    const known = registries.get(server)
    if (known) return known
    const registry = createRegistry()
    surround(server, interceptBy(registry, isVerified))
    registries.set(server, registry)
    return registry
  }
}
