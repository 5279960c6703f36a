/** What an exchange grants: the rule of narrowing, applied to a request. */
import { type Authority, intersectScope, narrow } from '@behalf/protocol'
import type { Deps } from '../deps.js'
import type { Client } from '../store/clients.js'
import type { Delegation } from '../store/delegations.js'
import type { Hop } from './exchange-hop.js'
import type { ExchangeRequest } from './exchange-request.js'
import { scopesOf } from './target.js'

export interface Exchange {
  client: Client
  request: ExchangeRequest
  /** The delegation of the subject token. */
  parent: Delegation
  authority: Authority
}

/** Without a target of its own, a request keeps those of the token it presents. */
const targetsOf = ({ request, parent }: Exchange): readonly string[] | undefined => {
  const kept = request.subjectToken.audience.filter((one) => parent.resources.includes(one))
  return request.targets ?? (kept.length > 0 ? kept : undefined)
}

/** The targets first, since what may be asked of them depends on what they know. */
const knownScope = async (exchange: Exchange, deps: Deps): Promise<string[]> => {
  const { authority, parent } = exchange
  const wanted = { resources: targetsOf(exchange), hop: false, overAsk: 'trim' } as const
  const { resources } = narrow(authority, wanted)
  return scopesOf(resources, parent.tenant_id, deps)
}

/** What the request comes to: never more than the parent has, nor than the rule allows. */
export const narrowed = async (
  exchange: Exchange,
  hop: Hop | undefined,
  now: number,
  deps: Deps,
): Promise<Authority> => {
  const { authority, request } = exchange
  const known = await knownScope(exchange, deps)
  const { scope = known, expiresInSeconds, ...rule } = hop?.rule ?? {}
  return narrow(
    authority,
    {
      scope: request.scope,
      resources: targetsOf(exchange),
      limits: request.limits,
      hop: hop !== undefined,
      overAsk: 'refuse',
    },
    {
      ...rule,
      scope: intersectScope(scope, known),
      expiresAt: expiresInSeconds === undefined ? undefined : now + expiresInSeconds,
    },
  )
}
