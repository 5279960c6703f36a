/** The one place where authority is lent: what comes out is never more than what went in. */
import {
  type AgentLimits,
  coversAction,
  least,
  maxAllowedActions,
  minLimits,
  withoutUndefined,
} from './agent-limits.js'
import { OAuthError } from './errors.js'
import { intersectScope, missingScope } from './scope.js'

/** What someone may do: the whole of it, in every dimension that can shrink. */
export interface Authority {
  scope: readonly string[]
  /** RFC 8707 resource URIs. */
  resources: readonly string[]
  limits: AgentLimits
  /** Seconds since 1970. */
  expiresAt: number
}

/** What is asked of a parent authority. An absent member asks for all that there is. */
export interface NarrowRequest {
  scope?: readonly string[] | undefined
  resources?: readonly string[] | undefined
  limits?: AgentLimits | undefined
  expiresAt?: number | undefined
  /** True when the authority passes to another actor, which costs one hop. */
  hop: boolean
  /** An over-ask of scope is refused, or cut to what is allowed (RFC 6749 §3.3). */
  overAsk: 'refuse' | 'trim'
}

/** What a policy allows at most. An absent member does not limit. */
export interface NarrowRule {
  scope?: readonly string[] | undefined
  resources?: readonly string[] | undefined
  limits?: AgentLimits | undefined
  expiresAt?: number | undefined
}

const narrowScope = (
  held: readonly string[],
  rule: readonly string[] | undefined,
  request: NarrowRequest,
): string[] => {
  const allowed = rule ? intersectScope(held, rule) : held
  const wanted = request.scope
  const granted = wanted ? intersectScope([...new Set(wanted)], allowed) : [...allowed]
  const hasExtra = wanted !== undefined && missingScope(wanted, allowed).length > 0
  // Who asks for all that there is has not asked for nothing.
  const hasNothingLeft = wanted?.length !== 0 && held.length > 0 && granted.length === 0
  if (hasNothingLeft || (hasExtra && (request.overAsk === 'refuse' || granted.length === 0))) {
    throw new OAuthError('invalid_scope', {
      description: 'The scope asked for is more than may be granted.',
      reason: 'scope_not_allowed',
      hint: 'Ask for a scope that the subject token and the delegation rule both have.',
    })
  }
  return granted
}

const narrowResources = (allowed: readonly string[], wanted?: readonly string[]): string[] => {
  const granted = wanted ? [...new Set(wanted)] : [...allowed]
  if (granted.length === 0 || granted.some((resource) => !allowed.includes(resource))) {
    throw new OAuthError('invalid_target', {
      description: 'A resource asked for is not one that may be used here.',
      reason: 'resource_not_allowed',
      hint: 'Name a resource that the client, or the delegation, lists, spelt exactly as it is registered.',
    })
  }
  return granted
}

const narrowDepth = (parent: AgentLimits, rule: AgentLimits, asked: AgentLimits, hop: boolean) => {
  const left = parent.maxDelegationDepth
  if (hop && left === 0) {
    throw new OAuthError('access_denied', {
      description: 'This delegation may not be passed on any further.',
      reason: 'max_depth',
      hint: 'Raise max_delegation_depth where the chain begins, or hand off from higher up.',
    })
  }
  const after = left !== undefined && hop ? left - 1 : left
  return least(after, rule.maxDelegationDepth, asked.maxDelegationDepth)
}

const narrowActions = (
  allowed: readonly string[] | undefined,
  wanted: readonly string[] | undefined,
): readonly string[] | undefined => {
  if (!wanted || !allowed) return wanted ?? allowed
  if (wanted.every((action) => allowed.some((pattern) => coversAction(pattern, action)))) {
    return wanted
  }
  throw new OAuthError('access_denied', {
    description: 'An action asked for is not among those that may be passed on.',
    reason: 'action_not_covered',
    hint: 'Ask for actions that the allowed_actions of the parent cover.',
  })
}

/** Two lists can meet in more patterns than either has, and no verifier would read the token. */
const checkActionCount = (actions: readonly string[] | undefined) => {
  if (actions === undefined || actions.length <= maxAllowedActions) return actions
  throw new OAuthError('access_denied', {
    description: 'More actions are left than one token can name.',
    reason: 'too_many_actions',
    hint: `Ask for the actions that are needed, ${maxAllowedActions} at most.`,
  })
}

const narrowLimits = (parent: AgentLimits, rule: AgentLimits, request: NarrowRequest) => {
  const asked = request.limits ?? {}
  const allowed = minLimits(parent, rule)
  // Actions asked for in excess are refused, not cut.
  const allowedActions = narrowActions(allowed.allowedActions, asked.allowedActions)
  return withoutUndefined({
    ...minLimits(allowed, { ...asked, allowedActions: undefined }),
    allowedActions: checkActionCount(allowedActions),
    maxDelegationDepth: narrowDepth(parent, rule, asked, request.hop),
  })
}

/**
 * Narrows `parent` to what is asked, within what `rule` allows. Pure. For every input that does not
 * throw, the result is at most the parent and at most the rule in every dimension.
 *
 * Scope, resources and actions asked for in excess are refused; amounts, rates, depth and expiry are
 * cut to the least of the three.
 *
 * @throws OAuthError `invalid_scope`, `invalid_target` or `access_denied`
 * @see RFC 8693 §2.1, RFC 8707 §2.2
 */
export const narrow = (
  parent: Authority,
  request: NarrowRequest,
  rule: NarrowRule = {},
): Authority => {
  const resources = rule.resources
    ? parent.resources.filter((resource) => rule.resources?.includes(resource))
    : parent.resources
  return {
    scope: narrowScope(parent.scope, rule.scope, request),
    resources: narrowResources(resources, request.resources),
    limits: narrowLimits(parent.limits, rule.limits ?? {}, request),
    expiresAt: least(parent.expiresAt, rule.expiresAt, request.expiresAt) ?? parent.expiresAt,
  }
}
