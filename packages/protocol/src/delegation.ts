/** A delegation is one edge of lent authority; a lineage is the path of them from the root. */
import type { Actor } from './actor.js'
import { actorChain } from './actor.js'
import { OAuthError } from './errors.js'

/** Hops that a chain may have when nothing says less. */
export const defaultDelegationDepth = 5

/** Delegations in one lineage: hops, and the steps in between that only narrow. */
export const maxLineage = 16

/** Every party that a chain names: the subject, then the actors from the outermost inwards. */
export const chainParties = (subject: string, act: Actor | undefined): string[] => [
  subject,
  ...actorChain(act).map((actor) => actor.sub),
]

/**
 * May `actor` join this chain? A party that is in it already may not come back, and no chain has more
 * than `maxDepth` hops.
 *
 * @throws OAuthError `access_denied`
 */
export const checkNextActor = (
  chain: { subject: string; act: Actor | undefined },
  actor: string,
  maxDepth: number,
): void => {
  const parties = chainParties(chain.subject, chain.act)
  if (parties.includes(actor)) {
    throw new OAuthError('access_denied', {
      description: 'This actor is in the chain already.',
      reason: 'delegation_cycle',
    })
  }
  if (parties.length > maxDepth) {
    throw new OAuthError('access_denied', {
      description: `A chain may have ${maxDepth} hops at most.`,
      reason: 'max_depth',
    })
  }
}
