/** What an agent is made of, and what its parts have in common. */
import type { AgentToken } from './agent-token.js'
import { type OneOrMore, readResources } from './asked.js'
import { createOwnToken } from './client-credentials.js'
import { createDiscovery } from './discovery.js'
import { createResourceDiscovery } from './resource-metadata.js'
import { type AgentOptions, checkSettings } from './settings.js'
import { createTakenBack } from './taken-back.js'
import { createTokenCache } from './token-cache.js'
import { createTokenEndpoint } from './token-endpoint.js'

export const createParts = (options: AgentOptions) => {
  const settings = checkSettings(options)
  const endpoint = createTokenEndpoint(settings, createDiscovery(settings))
  const cache = createTokenCache<AgentToken>(settings)
  const resources = createResourceDiscovery(settings)
  const takenBack = createTakenBack()
  const ownToken = createOwnToken(endpoint, cache)
  return { settings, endpoint, cache, resources, takenBack, ownToken }
}

export type Parts = ReturnType<typeof createParts>

/** Those asked for, else the one that every call is for. */
export const resourcesOf = ({ settings }: Parts, resource: OneOrMore): readonly string[] =>
  readResources(resource ?? settings.resource)

/** What was revoked is used no more, and nothing that hangs below it. */
export const forget = ({ cache, takenBack }: Parts, id: string): void => {
  takenBack.add(id)
  cache.dropWhere(({ lineage }) => lineage.includes(id))
}
