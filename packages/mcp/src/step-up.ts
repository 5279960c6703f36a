/**
 * The 403 that says which scope to come back with, for servers whose SDK has none: those of the first
 * generation have sent their 200 before a tool is asked. MCP Authorization, "Scope Challenge Handling".
 *
 * It only makes a refusal better. Whatever it does not see, or sees otherwise than the server, is
 * refused by the tool itself.
 */
import { formatScope, OAuthError } from '@behalf/protocol'
import { type Caller, toResponse } from '@behalf/verifier'
import { challengedScope, isChallenged, lacksScope } from './access.js'
import type { AuthInfo } from './auth-info.js'
import { findCalled } from './called.js'
import type { NodeMiddleware } from './express.js'
import { sendOnNode } from './guarded-request.js'
import { createRegistry, type Registry, type TemplateEntry } from './registry.js'
import type { IsVerified } from './tool.js'
import type { AccessRule } from './tool-rule.js'

/** Of a caller who was let in, and what they ask for: the JSON-RPC message or messages, parsed. */
export type Challenge = (authInfo: AuthInfo, body: unknown) => Response | undefined

export interface StepUp {
  /** Learns what stands on a server that cannot challenge. */
  readonly known: Registry
  note: (map: Map<string, AccessRule>, key: string, rule: AccessRule) => void
  noteTemplate: (key: string, entry: TemplateEntry) => void
  challenge: Challenge
  /** Of whoever was found on a request; for those who did not come through the guard, nothing. */
  challengeCaller: (caller: unknown, body: unknown) => Response | undefined
  /** The same, of a request whose body nobody has read yet. */
  challengeRequest: (
    request: Request,
    authInfo: AuthInfo,
    parsedBody?: unknown,
  ) => Promise<Response | undefined>
}

/** What stands on servers that are made for each request is learned again and again. */
const maxKnown = 10_000

/** More than any message that asks for something by its name. */
const maxBytes = 1024 * 1024
const maxMessages = 100

/** Says nothing: the tool will. */
const silent: AccessRule = Object.freeze({
  scope: [],
  action: undefined,
  admit: () => undefined,
  declared: undefined,
  unavailable: undefined,
})

const describe = ({ scope, action, declared, unavailable }: AccessRule): string =>
  JSON.stringify([scope, action, declared, unavailable])

/**
 * What may be known beyond one server object: nothing that asks a function, since that may hold what
 * belongs to one request, and nothing on which two servers differ.
 */
const agree = (before: AccessRule | undefined, rule: AccessRule): AccessRule => {
  if (rule.declared === undefined) return silent
  return !before || describe(before) === describe(rule) ? rule : silent
}

const isRecord = (value: unknown): value is { [name: string]: unknown } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isMessage = (
  value: unknown,
): value is { method: string; params?: { [name: string]: unknown } } =>
  isRecord(value) &&
  typeof value.method === 'string' &&
  (value.params === undefined || isRecord(value.params))

const insufficient = (rule: AccessRule, caller: Caller): OAuthError => {
  const { description, reason } = lacksScope(rule, caller)
  const details = { scope: formatScope(challengedScope(rule, caller)) }
  return new OAuthError('insufficient_scope', { description, reason, details })
}

/** The text of a stream that may have no end. What is left of it is not waited for. */
const readText = async (stream: ReadableStream<Uint8Array>): Promise<string | undefined> => {
  const reader = stream.getReader()
  const decoder = new TextDecoder()
  let text = ''
  for (let length = 0; ; ) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    length += value.byteLength
    if (length > maxBytes) {
      reader.cancel().catch(() => undefined)
      return undefined
    }
    text += decoder.decode(value, { stream: true })
  }
}

/** A copy is read: the request goes on as it came. */
const readBody = async (request: Request): Promise<unknown> => {
  if (request.method !== 'POST' || request.bodyUsed) return undefined
  if (!request.headers.get('content-type')?.includes('application/json')) return undefined
  try {
    // Throws where somebody else holds the body.
    const { body } = request.clone()
    const text = body && (await readText(body))
    return text ? JSON.parse(text) : undefined
  } catch {
    return undefined
  }
}

export const createStepUp = (
  isVerified: IsVerified,
  server: { resourceMetadataUrl: string },
): StepUp => {
  const known = createRegistry()
  const challengeCaller: StepUp['challengeCaller'] = (caller, body) => {
    if (!isVerified(caller)) return undefined
    for (const message of [body].flat().slice(0, maxMessages)) {
      const rule = isMessage(message) ? findCalled(known, message)?.rule : undefined
      if (rule && isChallenged(rule, caller)) return toResponse(insufficient(rule, caller), server)
    }
    return undefined
  }
  const challenge: Challenge = ({ extra }, body) => challengeCaller(extra.caller, body)
  let asksForScope = false
  return {
    known,
    note: (map, key, rule) => {
      asksForScope ||= rule.scope.length > 0
      if (map.size < maxKnown || map.has(key)) map.set(key, agree(map.get(key), rule))
    },
    noteTemplate: (key, { rule, template: { uriTemplate } }) => {
      asksForScope ||= rule.scope.length > 0
      const { templates } = known
      if (templates.size >= maxKnown && !templates.has(key)) return
      templates.set(key, {
        rule: agree(templates.get(key)?.rule, rule),
        template: { uriTemplate },
      })
    },
    challenge,
    challengeCaller,
    challengeRequest: async (request, authInfo, parsedBody) => {
      if (!asksForScope) return undefined
      return challenge(authInfo, parsedBody ?? (await readBody(request)))
    },
  }
}

/** What stands on a request of Express by then: `auth` of the guard, and `body` of a parser. */
const readParsed = (request: object): { caller: unknown; body: unknown } => {
  const auth: unknown = Reflect.get(request, 'auth')
  const extra = isRecord(auth) && isRecord(auth.extra) ? auth.extra : {}
  return { caller: extra.caller, body: Reflect.get(request, 'body') }
}

/** For after the guard and after what parses the body: the very object that the transport is given. */
export const createStepUpMiddleware =
  (challengeCaller: StepUp['challengeCaller']): NodeMiddleware =>
  async (request, response, next) => {
    try {
      const { caller, body } = readParsed(request)
      const refusal = challengeCaller(caller, body)
      if (refusal) return await sendOnNode(refusal, response)
    } catch (error) {
      return next(error)
    }
    next()
  }
