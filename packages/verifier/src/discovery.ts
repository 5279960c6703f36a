/** The issuer's own metadata: the only place that endpoints come from. RFC 8414. */
import { type AuthorizationServerMetadata, metadataUrl, parseMetadata } from '@behalf/protocol'
import { requestJson, unavailable, why } from './http.js'
import { createRefresher } from './refresher.js'
import type { Settings } from './settings.js'

export type Discovery = () => Promise<AuthorizationServerMetadata>

const cacheSeconds = 3600

/** Asks when it is first needed, never before; keeps what it has when the server is away. */
export const createDiscovery = (settings: Settings): Discovery => {
  const { issuer, now, logger } = settings
  let known: { metadata: AuthorizationServerMetadata; at: number } | undefined

  const refresher = createRefresher({
    now,
    load: async () => {
      const metadata = parseMetadata(issuer, await requestJson(metadataUrl(issuer), settings))
      known = { metadata, at: now() }
    },
    onFailure: (error) => logger.error('The metadata of the issuer cannot be used.', why(error)),
  })
  const isOld = (): boolean => !known || now() - known.at > cacheSeconds
  return async () => {
    const flight = isOld() && refresher.pause() === 0 ? refresher.refresh() : undefined
    if (!known) await flight
    if (known) return known.metadata
    throw unavailable('metadata_unavailable', {
      retryAfterSeconds: refresher.pause(),
      cause: refresher.error(),
    })
  }
}
