/** What a caller asks for, read into lists: one spelling for the cache and for the wire. */
import {
  type AgentLimitsClaim,
  agentLimitsClaim,
  agentLimitsSchema,
  type BudgetMode,
  budgetModes,
  isResourceUri,
  readScope,
} from '@behalf/protocol'

/** Words with a space between them, or a list of words. */
export type ScopeOption = string | readonly string[] | undefined

/** One value, or several for a parameter that may be repeated. */
export type OneOrMore = string | readonly string[] | undefined

export const readScopeOption = (scope: ScopeOption): readonly string[] => {
  if (scope === undefined || scope.length === 0) return []
  const words = readScope(typeof scope === 'string' ? scope : scope.join(' '))
  if (words) return words
  throw new TypeError('scope must be words of visible ASCII with one space between them.')
}

const list = (values: OneOrMore): readonly string[] =>
  values === undefined ? [] : [...new Set(typeof values === 'string' ? [values] : values)]

export const readResources = (resource: OneOrMore): readonly string[] => {
  const resources = list(resource)
  if (resources.every(isResourceUri)) return resources
  throw new TypeError('resource must be an absolute URI without a fragment (RFC 8707).')
}

export const readAudiences = (audience: OneOrMore): readonly string[] => {
  const audiences = list(audience)
  if (audiences.every((one) => typeof one === 'string' && one !== '')) return audiences
  throw new TypeError('audience must not be empty.')
}

/** The JSON text of the `agent_limits` parameter. @throws TypeError for a limit that we do not know */
export const readLimits = (limits: AgentLimitsClaim | undefined): string | undefined => {
  if (limits === undefined) return undefined
  const result = agentLimitsSchema.safeParse(limits)
  if (result.success) return JSON.stringify(agentLimitsClaim(result.data))
  const [issue] = result.error.issues
  throw new TypeError(`limits: ${[...(issue?.path ?? []), issue?.message].join(' ')}.`)
}

/** @throws TypeError for a mode that we do not know: money would be lent in another way than meant */
export const readBudgetMode = (mode: BudgetMode | undefined): BudgetMode | undefined => {
  if (mode === undefined || budgetModes.includes(mode)) return mode
  throw new TypeError(`budgetMode must be ${budgetModes.map((one) => `"${one}"`).join(' or ')}.`)
}
