/** An agent's own tokens: the client credentials grant. RFC 6749 §4.4, RFC 8707 §2.2. */
import { formatScope, grantTypes } from '@behalf/protocol'
import { type AgentToken, type Asked, agentToken } from './agent-token.js'
import type { TokenCache } from './token-cache.js'
import type { TokenEndpoint } from './token-endpoint.js'

export type OwnToken = (asked: Asked) => Promise<AgentToken>

// Resource and scope both: a token goes to no other resource than the one it was asked for, and a
// caller who asked for less is not given more.
const keyOf = ({ resources, scope }: Asked): string =>
  JSON.stringify([[...resources].sort(), [...scope].sort()])

/** Asks for the agent's own token, or takes it from the cache. */
export const createOwnToken =
  (endpoint: TokenEndpoint, cache: TokenCache<AgentToken>): OwnToken =>
  (asked) =>
    cache.get(keyOf(asked), async () => {
      const issued = await endpoint.request(
        [
          ['grant_type', grantTypes.clientCredentials],
          ...asked.resources.map((resource) => ['resource', resource] as const),
          ['scope', formatScope(asked.scope) || undefined],
        ],
        'Bearer',
      )
      return agentToken(issued, asked)
    })
