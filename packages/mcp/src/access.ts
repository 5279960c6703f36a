/** Where a caller stands with what is on the server. Lists, calls and challenges all ask here. */
import { allowsAction, formatScope, missingScope, OAuthError } from '@behalf/protocol'
import { type Caller, requireAction } from '@behalf/verifier'
import type { AccessRule } from './tool-rule.js'

/** `unscoped`: nothing but scope is missing, which another token could have. */
export type Standing = 'allowed' | 'unscoped' | 'excluded'

export const standingOf = (rule: AccessRule, caller: Caller): Standing => {
  const { scope, action, admit } = rule
  if (admit(caller) || (action !== undefined && !allowsAction(caller.limits, action))) {
    return 'excluded'
  }
  return missingScope(scope, caller.scope).length > 0 ? 'unscoped' : 'allowed'
}

/** Does it not exist for this caller? A scope to ask for is what makes an exception. */
export const isHidden = (rule: AccessRule, caller: Caller): boolean => {
  if (rule.unavailable === 'mark') return false
  const standing = standingOf(rule, caller)
  return standing === 'excluded' || (standing === 'unscoped' && rule.unavailable === 'hide')
}

/** Another token would do: the one refusal that a challenge can mend. */
export const isChallenged = (rule: AccessRule, caller: Caller): boolean =>
  rule.unavailable !== 'hide' && standingOf(rule, caller) === 'unscoped'

export const lacksScope = (rule: AccessRule, caller: Caller): OAuthError =>
  new OAuthError('insufficient_scope', {
    description: `The token lacks the scope "${formatScope(missingScope(rule.scope, caller.scope))}".`,
    reason: 'insufficient_scope',
    // RFC 6750 §3.1: all that is needed, not only what is missing.
    details: { scope: formatScope(rule.scope) },
  })

/**
 * What a challenge asks for: all of the operation, and what the caller has. A client that asks for
 * the challenged scope alone, as those of the first generation do, does not lose the rest by that.
 */
export const challengedScope = (rule: AccessRule, caller: Caller): readonly string[] => [
  ...new Set([...rule.scope, ...caller.scope]),
]

/** @throws OAuthError `access_denied`, `insufficient_scope`, `action_not_allowed` */
export const checkCaller = (rule: AccessRule, caller: Caller): void => {
  const exclusion = rule.admit(caller)
  if (exclusion) throw exclusion
  if (missingScope(rule.scope, caller.scope).length > 0) throw lacksScope(rule, caller)
  if (rule.action !== undefined) requireAction(caller, rule.action)
}
