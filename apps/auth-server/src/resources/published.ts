/** What this server's metadata says of the resources that it protects, where the operator wants it to. */
import type { Deps } from '../deps.js'
import type { OpenResources } from '../store/admin-resources.js'

/** Of the issuer itself. OpenID Connect Core §5.4 */
const ofIssuer = ['openid', 'profile', 'email']

/**
 * Never named: a client that finds it asks for it of its own accord, and stock MCP clients do (SEP-2207).
 * A refresh token needs no word here.
 */
const unnamed = 'offline_access'

/** More than this nobody reads, and our own clients read no document above 64 KiB. Characters. */
const maxListed = 16_384
const maxResources = 500
/** Anybody may ask, and the database has other work. */
const keptMs = 5000

export interface Published {
  /** RFC 8414 §2. Of any resource there is none here that the other list lacks. */
  scopes_supported?: string[]
  /** RFC 9728 §4 */
  protected_resources?: string[]
  /** RFC 8414 §2 and RFC 9728 §4: not all have to be advertised. Then nobody should miss one here. */
  protected_resources_partial?: true
}

/** As many as there is room for. */
const fitting = (resources: OpenResources['resources']): OpenResources['resources'] => {
  let room = maxListed
  return resources.filter((one) => {
    room -= JSON.stringify(one).length
    return room >= 0
  })
}

const membersOf = ({ resources, isPartial }: OpenResources): Published => {
  const listed = fitting(resources)
  const words = listed.flatMap(({ scopes_supported }) => scopes_supported)
  return {
    scopes_supported: [...new Set([...ofIssuer, ...words])].filter((word) => word !== unnamed),
    protected_resources: listed.map(({ resource }) => resource),
    ...((isPartial || listed.length < resources.length) && { protected_resources_partial: true }),
  }
}

/**
 * Resources of tenants are never listed: that somebody is a customer, and where their servers are, is
 * nobody's business.
 *
 * @returns reads the members, which are none at all unless the operator wants them
 */
export const createPublished = ({
  listResources,
  store,
  now,
}: Pick<Deps, 'listResources' | 'store' | 'now'>): (() => Promise<Published>) => {
  if (!listResources) return async () => ({})
  let last: { readAt: number; members: Promise<Published> } | undefined
  const read = async (before: Promise<Published> | undefined): Promise<Published> => {
    const found = await store.adminResources.listOpen(maxResources).catch(() => undefined)
    // Whatever the database does, clients have to find the endpoints.
    return found ? membersOf(found) : (before ?? {})
  }
  return () => {
    const readAt = now().getTime()
    if (!last || readAt >= last.readAt + keptMs) last = { readAt, members: read(last?.members) }
    return last.members
  }
}
