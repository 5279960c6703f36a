/** What a caller must be or have. Each guard refuses by throwing, and looks at whole words only. */
import {
  allowsAction,
  formatScope,
  isAction,
  missingScope,
  OAuthError,
  readScope,
} from '@behalf/protocol'
import type { Caller } from './caller.js'

const denied = (description: string, reason: string): OAuthError =>
  new OAuthError('access_denied', { description, reason })

/** The words of a scope that a developer wrote: one text, or a list. @throws TypeError */
export const scopeWords = (scope: string | readonly string[] = []): readonly string[] => {
  const written = typeof scope === 'string' ? [scope] : scope
  return written.flatMap((one) => {
    const words = readScope(one)
    if (!words) throw new TypeError('A scope must be words of visible ASCII.')
    return words
  })
}

/**
 * All of these scopes. The challenge names every one of them, so that one step-up is enough.
 *
 * @throws OAuthError `insufficient_scope`
 * @see RFC 6750 §3.1
 */
export const requireScope = (caller: Caller, ...scopes: readonly string[]): void => {
  const needed = scopeWords(scopes)
  if (missingScope(needed, caller.scope).length === 0) return
  throw new OAuthError('insufficient_scope', {
    description: 'The token does not have the scope that this needs.',
    reason: 'insufficient_scope',
    details: { scope: formatScope(needed) },
  })
}

/** One of these roles. @throws OAuthError `access_denied` */
export const requireRole = (caller: Caller, ...roles: readonly string[]): void => {
  if (caller.role !== undefined && roles.includes(caller.role)) return
  throw denied('This needs another role.', 'wrong_role')
}

/** This tenant, or any when none is named. @throws OAuthError `access_denied` */
export const requireTenant = (caller: Caller, tenantId?: string): void => {
  const has = caller.tenantId !== undefined
  if (has && (tenantId === undefined || caller.tenantId === tenantId)) return
  throw denied('This belongs to another tenant.', 'wrong_tenant')
}

/**
 * An agent that acts for someone: one of these, or any when none is named. Only the outermost actor
 * counts, and a token on which nobody acts for the subject has none, whoever the subject is.
 *
 * @throws OAuthError `access_denied`
 * @see RFC 8693 §4.1
 */
export const requireActor = (caller: Caller, ...actors: readonly string[]): void => {
  const current = caller.chain[0]?.sub
  if (current !== undefined && (actors.length === 0 || actors.includes(current))) return
  throw denied('This needs another agent to act.', 'wrong_actor')
}

/** This action is among `allowed_actions`, where the token limits them. @throws OAuthError */
export const requireAction = (caller: Caller, action: string): void => {
  if (!isAction(action)) throw new TypeError('An action must be words such as docs.read.')
  if (allowsAction(caller.limits, action)) return
  throw new OAuthError('action_not_allowed', {
    description: 'This action is not among the allowed_actions of the token.',
    reason: 'action_not_allowed',
    details: { action },
  })
}
