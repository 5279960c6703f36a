/** Who registered itself and gets tokens is in use, and stays. */
import type { Deps } from '../deps.js'
import type { Client } from '../store/clients.js'

const everyMs = 86_400_000

/** Once a day at most: written after a token was issued, since a public client's id proves nothing. */
export const noteUse = async (client: Client, { store, now }: Deps): Promise<void> => {
  const { registered_by: registrant, last_used_at: before } = client
  if (registrant === 'config' || registrant === 'admin') return
  if (before && now().getTime() - before.getTime() < everyMs) return
  await store.registrations.noteUse(client.client_id, now())
}
