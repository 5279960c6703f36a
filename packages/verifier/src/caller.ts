/** Who calls: what a handler gets of a token that was verified. */
import { type AccessToken, type Actor, type AgentLimits, actorChain } from '@behalf/protocol'

export interface Caller {
  /** The principal acted for: the same all the way down a chain. */
  readonly subject: string
  /** Who acts now: the outermost actor, or the subject where nobody acts for it. */
  readonly actor: string
  /**
   * Who acts now, then who lent it to them. For logs and receipts: only the first may decide access.
   *
   * @see RFC 8693 §4.1
   */
  readonly chain: readonly Actor[]
  readonly tenantId: string | undefined
  readonly clientId: string
  /** Of the current actor. */
  readonly role: string | undefined
  readonly agentType: string | undefined
  readonly scope: readonly string[]
  readonly limits: AgentLimits
  /** The delegations from the root to this token's own. */
  readonly lineage: readonly string[]
  /** The payload as signed. */
  readonly claims: Readonly<Record<string, unknown>>
  readonly expiresAt: Date
  /** The text of the token, for the ledger and for token exchange. In no log and no JSON. */
  readonly token: string
}

/** All the way down, since one object serves every request that brings the same token. */
const deepFreeze = (...open: unknown[]): void => {
  while (open.length > 0) {
    const value = open.pop()
    if (typeof value !== 'object' || value === null || Object.isFrozen(value)) continue
    Object.freeze(value)
    if (Array.isArray(value)) open.push(...value)
    else for (const name in value) open.push((value as Record<string, unknown>)[name])
  }
}

export const toCaller = (parsed: AccessToken, token: string): Caller => {
  const { expiresAt } = parsed
  const caller = {
    subject: parsed.subject,
    actor: parsed.act?.sub ?? parsed.subject,
    chain: actorChain(parsed.act),
    tenantId: parsed.tenantId,
    clientId: parsed.clientId,
    role: parsed.role,
    agentType: parsed.agentType,
    scope: parsed.scope,
    limits: parsed.limits,
    lineage: parsed.lineage,
    claims: parsed.claims,
    // A Date cannot be frozen, so everybody gets their own.
    get expiresAt() {
      return new Date(expiresAt * 1000)
    },
    token,
  }
  Object.defineProperty(caller, 'token', { enumerable: false })
  deepFreeze(caller.chain, caller.scope, caller.limits, caller.lineage, caller.claims)
  return Object.freeze(caller)
}
