/** Where the endpoints of an authorization server are. RFC 8414. */
import {
  type AuthorizationServerMetadata,
  metadataUrl,
  OAuthError,
  parseMetadata,
} from '@behalf/protocol'
import { requestJson } from './request-json.js'
import { checkIssuer, checkTimeout, type Fetch, platformFetch, type Settings } from './settings.js'

export interface DiscoverOptions {
  fetch?: Fetch | undefined
  /** @defaultValue 10000 */
  timeoutMs?: number | undefined
}

const ttlMs = 5 * 60_000
const party = 'The authorization server'

const unexpectedStatus = (issuer: string, status: number): OAuthError =>
  new OAuthError(status >= 500 ? 'temporarily_unavailable' : 'server_error', {
    description: `The authorization server answered ${status} when asked for its metadata.`,
    reason: status >= 500 ? 'server_failure' : 'metadata_not_found',
    hint: `Open ${metadataUrl(issuer)} and see whether it is OAuth metadata.`,
  })

/**
 * Reads the metadata of an authorization server and holds it to the issuer that was asked.
 *
 * @throws TypeError when the issuer is not one; OAuthError when its metadata cannot be believed
 */
export const discover = async (
  issuer: string,
  options: DiscoverOptions = {},
): Promise<AuthorizationServerMetadata> => {
  const { status, body } = await requestJson(metadataUrl(checkIssuer(issuer)), {
    fetch: options.fetch ?? platformFetch,
    timeoutMs: checkTimeout(options.timeoutMs),
    init: { headers: { accept: 'application/json' } },
    party,
  })
  if (status !== 200) throw unexpectedStatus(issuer, status)
  return parseMetadata(issuer, body)
}

export type Discovery = () => Promise<AuthorizationServerMetadata>

/** Metadata kept for five minutes, asked for once however many wait for it. */
export const createDiscovery = ({ issuer, fetch, now, timeoutMs }: Settings): Discovery => {
  let known: { metadata: AuthorizationServerMetadata; until: number } | undefined
  let flight: Promise<AuthorizationServerMetadata> | undefined
  const refresh = async (): Promise<AuthorizationServerMetadata> => {
    try {
      const metadata = await discover(issuer, { fetch, timeoutMs })
      known = { metadata, until: now() + ttlMs }
      return metadata
    } finally {
      flight = undefined
    }
  }
  return async () => {
    if (known && now() < known.until) return known.metadata
    flight ??= refresh()
    return flight
  }
}
