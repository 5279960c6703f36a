/** Who registered itself and gets tokens is in use, and stays. */
import type { Deps } from '../deps.js'
import { type Client, isSelfRegistered } from '../store/clients.js'

const everyMs = 86_400_000

/** Once a day at most: written after a token was issued, since a public client's id proves nothing. */
export const noteUse = async (client: Client, { store, now }: Deps): Promise<void> => {
  if (!isSelfRegistered(client)) return
  const { last_used_at: before } = client
  if (before && now().getTime() - before.getTime() < everyMs) return
  await store.registrations.noteUse(client.client_id, now())
  // It may be remembered, and is not read again for this.
  client.last_used_at = now()
}
