/** Authority in words that a person reads. Never a token. */
import {
  type Actor,
  type AgentLimitsClaim,
  formatScope,
  type NarrowingReport,
} from '@behalf/protocol'

export interface Described {
  scope: readonly string[]
  resources: readonly string[]
  limits: AgentLimitsClaim
  narrowed?: NarrowingReport | undefined
}

const hops = (left: number): string => {
  if (left === 0) return 'no more hops'
  return left === 1 ? '1 more hop' : `${left} more hops`
}

const actions = (patterns: readonly string[]): string =>
  patterns.length === 0 ? 'no actions' : `actions ${patterns.join(' ')}`

const say = <T>(value: T | undefined, words: (value: T) => string): string | undefined =>
  value === undefined ? undefined : words(value)

const limitWords = (limits: AgentLimitsClaim): [name: string, words: string | undefined][] => [
  ['cost_budget_usd', say(limits.cost_budget_usd, (usd) => `${usd} USD`)],
  [
    'max_cost_per_action_usd',
    say(limits.max_cost_per_action_usd, (usd) => `at most ${usd} USD an action`),
  ],
  ['requests_per_hour', say(limits.requests_per_hour, (count) => `${count} requests an hour`)],
  ['allowed_actions', say(limits.allowed_actions, actions)],
  ['max_delegation_depth', say(limits.max_delegation_depth, hops)],
]

const scopeWords = ({ scope, resources }: Described): string => {
  const words = scope.length > 0 ? formatScope(scope) : 'no scope'
  return resources.length > 0 ? `${words} at ${resources.join(' and ')}` : words
}

const askedWords = (name: string, { narrowed = {} }: Described): string => {
  const asked = narrowed[name]?.asked
  if (asked === undefined) return ''
  return ` (asked ${typeof asked === 'string' ? asked : JSON.stringify(asked)})`
}

/** `docs:read at https://mcp.example/mcp, 0.08 USD (asked 10), 1 more hop` */
export const authorityWords = (described: Described): string =>
  [['scope', scopeWords(described)] as const, ...limitWords(described.limits)]
    .flatMap(([name, words]) => (words === undefined ? [] : words + askedWords(name, described)))
    .join(', ')

/** `scraper via researcher for orchestrator`: who acts, who lent it to them, for whom. */
export const chainWords = (actors: readonly string[], subject: string): string =>
  actors.length === 0 ? subject : `${actors.join(' via ')} for ${subject}`

export const actorNames = (chain: readonly Actor[]): string[] => chain.map(({ sub }) => sub)

const count = (value: number, unit: string): string => `${value} ${unit}${value === 1 ? '' : 's'}`

/** `5 minutes`, to the nearest unit that has two or more. */
export const lifeWords = (seconds: number): string => {
  if (seconds < 120) return count(Math.max(0, Math.floor(seconds)), 'second')
  if (seconds < 7200) return count(Math.round(seconds / 60), 'minute')
  if (seconds < 172_800) return count(Math.round(seconds / 3600), 'hour')
  return count(Math.round(seconds / 86_400), 'day')
}

/** `2027-01-15T08:00:00Z` */
export const instantWords = (seconds: number): string =>
  new Date(Math.floor(seconds) * 1000).toISOString().replace('.000', '')
