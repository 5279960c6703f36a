/** What admins do to resources stands in the log, with who did it. */
import type { Caller } from '../delegations/parties.js'
import type { Deps } from '../deps.js'

type Deed =
  | 'resource added'
  | 'resource replaced'
  | 'resource removed'
  | 'resource key made'
  | 'resource key rotated'
  | 'resource keys revoked'

/** Never a secret: of a key, the client that it belongs to. */
export const noteDeed = (
  deed: Deed,
  about: { resource: string; tenantId?: string | null | undefined; server?: string | undefined },
  { client }: Caller,
  { log }: Deps,
): void => {
  const { resource, tenantId, server } = about
  const entry = { client_id: client.client_id, resource, tenant_id: tenantId ?? undefined, server }
  log.info(entry, deed)
}
