/** What a refresh token is good for, for the client that holds it and for nobody else. RFC 7662 §2.2. */
import { formatScope } from '@behalf/protocol'
import { type Deps, toSeconds } from '../deps.js'
import { hashSecret } from '../secrets.js'
import type { Client } from '../store/clients.js'
import { isAlive } from '../store/delegations.js'
import type { RefreshToken } from '../store/refresh-tokens.js'
import { personStanding } from './standing.js'

const inactive = { active: false }

/** Not used, not too old, and of this client: a stranger's looks like one that there never was. */
const isUsable = (token: RefreshToken, client: Client, now: Date): boolean =>
  token.client_id === client.client_id && token.consumed_at === undefined && token.expires_at > now

/** The delegation of its family, if that is alive with all above it, and its person is there. */
const findFamily = async (token: RefreshToken, deps: Deps) => {
  const family = await deps.store.delegations.find(token.delegation_id)
  if (!family) return undefined
  const [lineage, person] = await Promise.all([
    deps.store.delegations.findMany(family.lineage),
    personStanding(family.subject, family.tenant_id, deps),
  ])
  const stands =
    lineage.length === family.lineage.length && lineage.every((d) => isAlive(d, deps.now()))
  return person && stands ? family : undefined
}

/** @returns the body of the answer */
export const describeRefreshToken = async (text: string, client: Client, deps: Deps) => {
  const token = await deps.store.refreshTokens.find(hashSecret(text))
  if (!token || !isUsable(token, client, deps.now())) return inactive
  const family = await findFamily(token, deps)
  if (!family) return inactive
  return {
    active: true,
    iss: deps.issuer,
    client_id: token.client_id,
    sub: family.subject,
    scope: formatScope(family.scope),
    ...(family.tenant_id !== undefined && { tenant_id: family.tenant_id }),
    iat: toSeconds(token.created_at),
    // Never later than the end of the family.
    exp: toSeconds(token.expires_at),
  }
}
