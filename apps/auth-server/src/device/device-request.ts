/** What a device has asked for, weighed again by what its client may have now. */
import { grantScope, reachable } from '../authorization/reachable.js'
import type { Found } from '../authorization/request.js'
import type { Deps } from '../deps.js'
import type { Client } from '../store/clients.js'
import type { DeviceCode } from '../store/device-codes.js'

export interface AskedByDevice
  extends Pick<Found, 'resources' | 'tenantIds' | 'scope' | 'granted'> {
  client: Client
}

/**
 * @returns `undefined` when the client is gone or switched off
 * @throws OAuthError when nothing is left that it may have
 */
export const askedByDevice = async (
  code: DeviceCode,
  deps: Deps,
): Promise<AskedByDevice | undefined> => {
  const client = await deps.store.clients.find(code.clientId)
  if (!client || client.disabled) return undefined
  const reach = await reachable(code.resources, client, deps)
  const granted = await grantScope(code.scope, reach.resources, client, deps)
  return { client, ...reach, ...granted }
}
