/** What a request asks for by name, in every method that names something. */
import { type Registry, ruleForTemplate, ruleForUri } from './registry.js'
import type { MethodRequest } from './request-handlers.js'
import type { AccessRule } from './tool-rule.js'
import type { Named } from './unknown.js'

export interface Called extends Named {
  rule: AccessRule
}

type Params = { [name: string]: unknown }

type Find = (registry: Registry, params: Params) => Called | undefined

const byMember =
  (member: string, ruleOf: (registry: Registry, name: string) => AccessRule | undefined): Find =>
  (registry, params) => {
    const name = params[member]
    const rule = typeof name === 'string' ? ruleOf(registry, name) : undefined
    if (!rule || typeof name !== 'string') return undefined
    return { rule, name, as: (other) => ({ ...params, [member]: other }) }
  }

const isParams = (value: unknown): value is Params => typeof value === 'object' && value !== null

/** Completions come from what may not be seen, so they are asked for like the thing itself. */
const completion: Find = (registry, params) => {
  const { ref } = params
  if (!isParams(ref)) return undefined
  const found =
    ref.type === 'ref/prompt'
      ? byMember('name', ({ prompts }, name) => prompts.get(name))(registry, ref)
      : byMember('uri', findWritten)(registry, ref)
  return found && { ...found, as: (other) => ({ ...params, ref: found.as(other) }) }
}

const findWritten = (registry: Registry, uri: string): AccessRule | undefined =>
  ruleForTemplate(registry, uri) ?? registry.resources.get(uri)

const finders = new Map<string, Find>([
  ['tools/call', byMember('name', ({ tools }, name) => tools.get(name))],
  ['prompts/get', byMember('name', ({ prompts }, name) => prompts.get(name))],
  ['resources/read', byMember('uri', ruleForUri)],
  ['resources/subscribe', byMember('uri', ruleForUri)],
  ['completion/complete', completion],
])

export const isCalled = (method: string): boolean => finders.has(method)

/** What of ours is asked for; `undefined` for everything else. */
export const findCalled = (registry: Registry, request: MethodRequest): Called | undefined =>
  finders.get(request.method)?.(registry, request.params ?? {})
