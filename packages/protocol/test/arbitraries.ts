/** Random authorities, limits and rules, over few names, so that they meet and nest often. */
import fc from 'fast-check'
import {
  type AgentLimits,
  type Authority,
  coversAction,
  type DelegationRule,
  type NarrowRequest,
  type NarrowRule,
  type RuleParty,
  type RuleSelector,
} from '../src/index.js'

const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })

const amount = fc.integer({ min: 0, max: 5 })

const scopes = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 4 })

const resources = fc.uniqueArray(fc.constantFrom('https://r1', 'https://r2', 'https://r3'), {
  minLength: 1,
})

export const actions = fc.uniqueArray(
  fc.constantFrom('*', 'a', 'a.*', 'a.b', 'a.b.*', 'a.b.c', 'ab.*', 'd', 'd.*'),
  { maxLength: 5 },
)

const limits: fc.Arbitrary<AgentLimits> = fc.record({
  requestsPerHour: optional(amount),
  costBudget: optional(amount.map(BigInt)),
  maxCostPerAction: optional(amount.map(BigInt)),
  allowedActions: optional(actions),
  maxDelegationDepth: optional(amount),
})

export const authorities: fc.Arbitrary<Authority> = fc.record({
  scope: scopes,
  resources,
  limits,
  expiresAt: amount,
})

export const requests: fc.Arbitrary<NarrowRequest> = fc.record({
  scope: optional(scopes),
  resources: optional(resources),
  limits: optional(limits),
  expiresAt: optional(amount),
  hop: fc.boolean(),
  overAsk: fc.constantFrom('refuse' as const, 'trim' as const),
})

export const narrowRules: fc.Arbitrary<NarrowRule> = fc.record({
  scope: optional(scopes),
  resources: optional(resources),
  limits: optional(limits),
  expiresAt: optional(amount),
})

const names = fc.constantFrom('ann', 'bob', 'cem')
const types = fc.constantFrom('planner', 'writer')

export const parties: fc.Arbitrary<RuleParty> = fc.record({
  client_id: names,
  agent_type: optional(types),
})

const selectors: fc.Arbitrary<RuleSelector> = fc.oneof(
  fc.constant('*' as const),
  names.map((client_id) => ({ client_id })),
  types.map((agent_type) => ({ agent_type })),
)

/** Any number of rules, each with an id of its own. */
export const ruleLists: fc.Arbitrary<DelegationRule[]> = fc
  .array(
    fc.record({
      from: selectors,
      to: selectors,
      mode: fc.constantFrom('push' as const, 'pull' as const, 'both' as const),
      scope: optional(scopes),
      resources: optional(resources),
      limits,
      expiresInSeconds: optional(fc.integer({ min: 1, max: 5 })),
    }),
    { maxLength: 8 },
  )
  .map((rules) => rules.map((rule, index) => ({ id: `rul_${index}`, ...rule })))

export const modes = fc.constantFrom('push' as const, 'pull' as const)

type Amount = number | bigint | undefined

export const isAtMost = (value: Amount, bound: Amount): boolean =>
  bound === undefined || (value !== undefined && value <= bound)

const isSubset = (
  inner: readonly string[] | undefined,
  outer: readonly string[] | undefined,
): boolean => outer === undefined || (inner?.every((one) => outer.includes(one)) ?? false)

const allCovered = (
  inner: readonly string[] | undefined,
  outer: readonly string[] | undefined,
): boolean =>
  outer === undefined ||
  (inner?.every((one) => outer.some((pattern) => coversAction(pattern, one))) ?? false)

const limitsWithin = (inner: AgentLimits, outer: AgentLimits): boolean =>
  isAtMost(inner.requestsPerHour, outer.requestsPerHour) &&
  isAtMost(inner.costBudget, outer.costBudget) &&
  isAtMost(inner.maxCostPerAction, outer.maxCostPerAction) &&
  isAtMost(inner.maxDelegationDepth, outer.maxDelegationDepth) &&
  allCovered(inner.allowedActions, outer.allowedActions)

/** Is `inner` at most `outer`, in every dimension that `outer` bounds? */
export const isWithin = (inner: NarrowRule, outer: NarrowRule): boolean =>
  isSubset(inner.scope, outer.scope) &&
  isSubset(inner.resources, outer.resources) &&
  isAtMost(inner.expiresAt, outer.expiresAt) &&
  limitsWithin(inner.limits ?? {}, outer.limits ?? {})
