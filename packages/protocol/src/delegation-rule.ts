/** Which rule decides whether one client may delegate to another. Pure. */
import { type AgentLimits, minLimits } from './agent-limits.js'
import type { NarrowRule } from './narrow.js'
import { intersectScope } from './scope.js'

/** One end of a rule: a client, all agents of a type, or every client of the tenant. */
export type RuleSelector = { client_id: string } | { agent_type: string } | '*'

/** `push`: the holder hands off or brings the other's token. `pull`: a resource server takes. */
export type DelegationMode = 'push' | 'pull'

export interface DelegationRule {
  id: string
  from: RuleSelector
  to: RuleSelector
  mode: DelegationMode | 'both'
  scope?: readonly string[] | undefined
  resources?: readonly string[] | undefined
  limits: AgentLimits
  /** Seconds that a delegation under this rule lives at most. */
  expiresInSeconds?: number | undefined
}

export interface RuleParty {
  client_id: string
  agent_type?: string | undefined
}

/** What the rules that decide allow together. */
export interface RuleDecision extends Omit<NarrowRule, 'expiresAt'> {
  /** The rules that decided: one, or several that are equally specific. */
  ids: readonly string[]
  limits: AgentLimits
  expiresInSeconds?: number | undefined
}

const clientRank = 2
const typeRank = 1
const anyRank = 0

/** How closely a selector fits a party; `undefined` when it does not. */
const rankOf = (selector: RuleSelector, party: RuleParty): number | undefined => {
  if (selector === '*') return anyRank
  if ('client_id' in selector) {
    return selector.client_id === party.client_id ? clientRank : undefined
  }
  return selector.agent_type === party.agent_type ? typeRank : undefined
}

const specificity = (rule: DelegationRule, from: RuleParty, to: RuleParty): number | undefined => {
  const [one, other] = [rankOf(rule.from, from), rankOf(rule.to, to)]
  return one === undefined || other === undefined ? undefined : one + other
}

const intersect = (
  one: readonly string[] | undefined,
  other: readonly string[] | undefined,
): readonly string[] | undefined => (one && other ? intersectScope(one, other) : (one ?? other))

const minSeconds = (one: number | undefined, other: number | undefined): number | undefined =>
  one === undefined || other === undefined ? (one ?? other) : Math.min(one, other)

const decisionOf = (rule: DelegationRule): RuleDecision => {
  const { id, scope, resources, limits, expiresInSeconds } = rule
  return { ids: [id], scope, resources, limits, expiresInSeconds }
}

/** What both allow: with rules of equal rank the stricter wins, in each dimension. */
const meet = (one: RuleDecision, other: RuleDecision): RuleDecision => ({
  ids: [...one.ids, ...other.ids].toSorted(),
  scope: intersect(one.scope, other.scope),
  resources: intersect(one.resources, other.resources),
  limits: minLimits(one.limits, other.limits),
  expiresInSeconds: minSeconds(one.expiresInSeconds, other.expiresInSeconds),
})

/**
 * Picks the rule for a hop. The most specific one decides: a client weighs more than a type, a type
 * more than any; of rules that weigh the same, all must allow.
 *
 * @param rules the enabled rules of the tenant
 * @returns `undefined` when no rule fits, which is a no
 */
export const selectRule = (
  rules: readonly DelegationRule[],
  hop: { from: RuleParty; to: RuleParty; mode: DelegationMode },
): RuleDecision | undefined => {
  const fitting = rules
    .filter(({ mode }) => mode === 'both' || mode === hop.mode)
    .flatMap((rule) => {
      const rank = specificity(rule, hop.from, hop.to)
      return rank === undefined ? [] : [{ rule, rank }]
    })
  const most = Math.max(...fitting.map(({ rank }) => rank))
  const [first, ...rest] = fitting
    .filter(({ rank }) => rank === most)
    .map(({ rule }) => decisionOf(rule))
  return first && rest.reduce(meet, first)
}
