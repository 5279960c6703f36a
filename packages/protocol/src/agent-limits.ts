/** `agent_limits`: what a token's holder may do, how often, how far and for how much. */
import { parseUsd, usdClaim } from './money.js'
import { isInteger, isObject, isText, listOf, malformedMember, optional } from './shape.js'

/** Limits as the code holds them. An absent member does not limit. */
export interface AgentLimits {
  requestsPerHour?: number | undefined
  /** Micro-USD, for the lifetime of the delegation and everything below it. */
  costBudget?: bigint | undefined
  /** Micro-USD that one action may cost. */
  maxCostPerAction?: bigint | undefined
  /** Patterns: `docs.read`, `docs.*` (whole segments), `*`. An empty list allows nothing. */
  allowedActions?: readonly string[] | undefined
  /** Hops that may still follow, as in RFC 5280 §4.2.1.9 pathLenConstraint. */
  maxDelegationDepth?: number | undefined
}

const segment = '[A-Za-z0-9_-]+'
const actionName = new RegExp(`^${segment}(\\.${segment})*$`)
const actionPattern = new RegExp(`^(\\*|${segment}(\\.${segment})*(\\.\\*)?)$`)

export const isAction = (value: string): boolean => value.length <= 128 && actionName.test(value)

export const isActionPattern = (value: string): boolean =>
  value.length <= 128 && actionPattern.test(value)

/** More patterns than this are refused, on the wire and as the outcome of narrowing. */
export const maxAllowedActions = 100

/** The most hops that a chain can have, whatever a limit says. */
export const hardDelegationDepth = 10

export const maxRequestsPerHour = 1_000_000_000

/** The members of `agent_limits`, as spelt on the wire. */
export interface AgentLimitsClaim {
  requests_per_hour?: number
  cost_budget_usd?: number | string
  max_cost_per_action_usd?: number | string
  allowed_actions?: readonly string[]
  max_delegation_depth?: number
}

const isUsd = (value: unknown): value is number | string => parseUsd(value) !== undefined

const claimShape = {
  requests_per_hour: optional(isInteger(0, maxRequestsPerHour)),
  cost_budget_usd: optional(isUsd),
  max_cost_per_action_usd: optional(isUsd),
  allowed_actions: optional(
    listOf(
      (value): value is string => isText(value) && isActionPattern(value),
      0,
      maxAllowedActions,
    ),
  ),
  max_delegation_depth: optional(isInteger(0, hardDelegationDepth)),
}

const isClaim = (value: unknown): value is AgentLimitsClaim =>
  isObject(value) &&
  Object.keys(value).every((name) => Object.hasOwn(claimShape, name)) &&
  malformedMember(value, claimShape) === undefined

/** The claim, well formed, in words of ours. */
const fromClaim = (claim: AgentLimitsClaim): AgentLimits => {
  const limits: AgentLimits = {}
  if (claim.requests_per_hour !== undefined) limits.requestsPerHour = claim.requests_per_hour
  if (claim.cost_budget_usd !== undefined) limits.costBudget = parseUsd(claim.cost_budget_usd)
  if (claim.max_cost_per_action_usd !== undefined) {
    limits.maxCostPerAction = parseUsd(claim.max_cost_per_action_usd)
  }
  if (claim.allowed_actions !== undefined) {
    limits.allowedActions = [...new Set(claim.allowed_actions)]
  }
  if (claim.max_delegation_depth !== undefined) {
    limits.maxDelegationDepth = claim.max_delegation_depth
  }
  return limits
}

/**
 * The wire form, strict: a member that we do not know is an error, since a limit that is ignored is
 * authority widened.
 *
 * @returns `undefined` for anything else
 */
export const readAgentLimits = (claim: unknown): AgentLimits | undefined =>
  isClaim(claim) ? fromClaim(claim) : undefined

export const agentLimitsClaim = (limits: AgentLimits): AgentLimitsClaim => ({
  ...(limits.requestsPerHour !== undefined && { requests_per_hour: limits.requestsPerHour }),
  ...(limits.costBudget !== undefined && { cost_budget_usd: usdClaim(limits.costBudget) }),
  ...(limits.maxCostPerAction !== undefined && {
    max_cost_per_action_usd: usdClaim(limits.maxCostPerAction),
  }),
  ...(limits.allowedActions !== undefined && { allowed_actions: limits.allowedActions }),
  ...(limits.maxDelegationDepth !== undefined && {
    max_delegation_depth: limits.maxDelegationDepth,
  }),
})

/**
 * Does `pattern` allow all that `action` (a name or another pattern) allows? `a.b.*` covers what lies
 * below `a.b`, in whole dotted segments, and not `a.b` itself.
 */
export const coversAction = (pattern: string, action: string): boolean => {
  if (pattern === '*' || pattern === action) return true
  if (!pattern.endsWith('.*')) return false
  const above = pattern.slice(0, -1)
  return action.length > above.length && action.startsWith(above)
}

/** May this action be taken under these limits? */
export const allowsAction = (limits: AgentLimits, action: string): boolean =>
  limits.allowedActions === undefined ||
  limits.allowedActions.some((pattern) => coversAction(pattern, action))

/** The smallest of those that are there. */
export const least = <T extends number | bigint>(...values: (T | undefined)[]): T | undefined =>
  values.reduce((smallest, value) => {
    if (smallest === undefined || value === undefined) return smallest ?? value
    // biome-ignore lint/complexity/useMathMinMax: Math.min knows no bigint.
    return value < smallest ? value : smallest
  }, undefined)

/**
 * What both lists of patterns allow. Two patterns are nested or disjoint, so the smaller of each
 * nested pair is the whole intersection.
 */
const meetActions = (
  one: readonly string[] | undefined,
  other: readonly string[] | undefined,
): readonly string[] | undefined => {
  if (!one || !other) return one ?? other
  const inOther = one.filter((action) => other.some((pattern) => coversAction(pattern, action)))
  const inOne = other.filter((action) => one.some((pattern) => coversAction(pattern, action)))
  return [...new Set([...inOther, ...inOne])]
}

/** Without members that are there and undefined, so that limits compare and print as they are. */
export const withoutUndefined = (limits: AgentLimits): AgentLimits => {
  const kept: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(limits)) if (value !== undefined) kept[name] = value
  return kept
}

/** What both allow, member by member; an absent member does not limit. */
export const minLimits = (one: AgentLimits, other: AgentLimits): AgentLimits =>
  withoutUndefined({
    requestsPerHour: least(one.requestsPerHour, other.requestsPerHour),
    costBudget: least(one.costBudget, other.costBudget),
    maxCostPerAction: least(one.maxCostPerAction, other.maxCostPerAction),
    allowedActions: meetActions(one.allowedActions, other.allowedActions),
    maxDelegationDepth: least(one.maxDelegationDepth, other.maxDelegationDepth),
  })
