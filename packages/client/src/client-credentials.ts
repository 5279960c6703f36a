/** An agent's own tokens: the client credentials grant. RFC 6749 §4.4, RFC 8707 §2.2. */
import { formatScope, grantTypes, isOAuthError } from '@behalf/protocol'
import { type AgentToken, type Asked, agentToken } from './agent-token.js'
import type { TokenCache } from './token-cache.js'
import type { Form, TokenEndpoint } from './token-endpoint.js'

/** @param minSeconds how long it must still live, or half of its life where that is shorter */
export type OwnToken = (asked: Asked, minSeconds?: number) => Promise<AgentToken>

// Resource and scope both: a token goes to no other resource than the one it was asked for, and a
// caller who asked for less is not given more.
const keyOf = ({ resources, scope }: Asked): string =>
  JSON.stringify([[...resources].sort(), [...scope].sort()])

export const ownForm = ({ resources, scope }: Asked): Form => [
  ['grant_type', grantTypes.clientCredentials],
  ...resources.map((resource) => ['resource', resource] as const),
  ['scope', formatScope(scope) || undefined],
]

/** Asks for the agent's own token, or takes it from the cache. */
export const createOwnToken =
  (endpoint: TokenEndpoint, cache: TokenCache<AgentToken>): OwnToken =>
  (asked, minSeconds) => {
    const load = async (): Promise<AgentToken> => {
      const issued = await endpoint.request(ownForm(asked), 'Bearer')
      return agentToken(issued, asked)
    }
    return cache.get(keyOf(asked), load, minSeconds)
  }

/** What is lent lives no longer than the token that it is lent from. */
const lendingSeconds = 300

export interface OwnUse<T> {
  use(accessToken: string): Promise<T>
  /** Is this outcome one that a new token may change? @defaultValue none is */
  isStale?(outcome: T): boolean
}

/**
 * Lends from the agent's own token: one that is not about to die, and once more a new one, since a
 * kept token may have been revoked, or the server may have new keys, which it tells as
 * `invalid_request` (RFC 8693 §2.2.2).
 */
export const lendOwnToken = async <T>(
  { ownToken, cache }: { ownToken: OwnToken; cache: TokenCache<AgentToken> },
  asked: Asked,
  { use, isStale = () => false }: OwnUse<T>,
): Promise<T> => {
  const { accessToken } = await ownToken(asked, lendingSeconds)
  const again = async (): Promise<T> => {
    cache.drop(accessToken)
    return use((await ownToken(asked)).accessToken)
  }
  let outcome: T
  try {
    outcome = await use(accessToken)
  } catch (error) {
    if (isOAuthError(error) && error.code === 'invalid_request') return again()
    throw error
  }
  return isStale(outcome) ? again() : outcome
}
