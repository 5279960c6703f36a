/** Is everything that an exchange stands on alive, now? Reads only; the write checks again. */
import {
  type AccessToken,
  type Authority,
  actorChain,
  chainParties,
  defaultDelegationDepth,
  isPersonId,
  narrow,
  OAuthError,
} from '@behalf/protocol'
import { personStanding } from '../authorization/standing.js'
import { type Deps, toSeconds } from '../deps.js'
import type { Client } from '../store/clients.js'
import { type Delegation, isAlive } from '../store/delegations.js'

const refuse = (description: string, reason: string): OAuthError =>
  new OAuthError('invalid_request', { description, reason })

/** What a token stands on: its own delegation, and all from the root to it, in no order. */
export interface Standing {
  own: Delegation
  lineage: readonly Delegation[]
}

/**
 * Is this client the tenant's whose authority the token carries? One that belongs to no tenant may hold
 * what a person gave it as a member of theirs.
 */
export const isOfTenant = (client: Client, { subject, tenantId }: AccessToken): boolean =>
  client.tenant_id === tenantId || (client.tenant_id === undefined && isPersonId(subject))

const isPersonAlive = async ({ subject, tenantId }: AccessToken, deps: Deps): Promise<boolean> =>
  !isPersonId(subject) || (await personStanding(subject, tenantId, deps)) !== undefined

/** Every delegation of the lineage, and every party of the chain, must be alive and of one tenant. */
export const checkStanding = async (
  token: AccessToken,
  name: string,
  deps: Deps,
): Promise<Standing> => {
  // An application that a person uses is in no chain; it holds the token all the same.
  const named = [...chainParties(token.subject, token.act), token.clientId]
  const parties = [...new Set(named)].filter((party) => !isPersonId(party))
  const [lineage, clients, isThere] = await Promise.all([
    deps.store.delegations.findMany(token.lineage),
    deps.store.clients.findMany(parties),
    isPersonAlive(token, deps),
  ])
  const now = deps.now()
  const own = lineage.find(({ id }) => id === token.lineage.at(-1))
  if (!own || lineage.length !== token.lineage.length || !lineage.every((d) => isAlive(d, now))) {
    throw refuse(`The ${name} stands on a delegation that has ended.`, `${name}_revoked`)
  }
  const inTenant = (client: Client): boolean => !client.disabled && isOfTenant(client, token)
  if (!isThere || clients.length !== parties.length || !clients.every(inTenant)) {
    throw refuse(`A party of the ${name} is switched off.`, `${name}_party_disabled`)
  }
  return { own, lineage }
}

/** A rule that was taken away stops what it once let happen, wherever in the lineage that was. */
export const checkRulesStand = async ({ lineage }: Standing, deps: Deps): Promise<void> => {
  const ids = new Set(lineage.flatMap(({ rule_ids }) => rule_ids ?? []))
  if (ids.size === 0) return
  const enabled = await deps.store.delegationRules.findEnabled([...ids])
  if (enabled.length === ids.size) return
  throw new OAuthError('access_denied', {
    description: 'A rule that this delegation was made under is gone.',
    reason: 'rule_withdrawn',
    hint: 'Hand off again: the rules of today decide.',
  })
}

const neverSeconds = 9_999_999_999

/** Where nothing says how many hops may follow, the server's own bound counts from the root. */
const hopsLeft = ({ limits, act }: Delegation): number =>
  limits.maxDelegationDepth ?? Math.max(0, defaultDelegationDepth - actorChain(act).length)

/** What there is to lend: the delegation's row and the token that was shown, whichever says less. */
export const authorityOf = (delegation: Delegation, token: AccessToken): Authority => {
  const { scope, resources, expires_at } = delegation
  const limits = { ...delegation.limits, maxDelegationDepth: hopsLeft(delegation) }
  const expiresAt = expires_at ? toSeconds(expires_at) : neverSeconds
  return narrow(
    { scope, resources, limits, expiresAt },
    // Asked for, not allowed: a token that has no scope holds the rest of its authority all the same.
    { scope: token.scope, hop: false, overAsk: 'trim' },
    { limits: token.limits, expiresAt: token.expiresAt },
  )
}
