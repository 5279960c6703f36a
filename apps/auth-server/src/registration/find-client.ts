/** Every client there is: configured, registered by an admin, by itself, or known by its document. */
import type { Deps } from '../deps.js'
import type { Client } from '../store/clients.js'
import { looksLikeDocumentUrl } from './metadata-document-url.js'
import type { FindOptions } from './metadata-documents.js'

/** What no client can be called is not looked up: a database may not even take it. */
const canBeId = (clientId: string): boolean => /^[\x21-\x7e]{1,200}$/.test(clientId)

/**
 * The client of this id as it is now, switched off or not. One that is a URL and that nobody has written
 * down is read from its document first.
 *
 * @returns `undefined` for one that is not known
 * @throws OAuthError `invalid_client` with a description that can be shown, for a URL whose document
 * cannot be used, and `temporarily_unavailable`
 */
export const findClient = async (
  clientId: string,
  deps: Deps,
  options: FindOptions = { allowStale: false },
): Promise<Client | undefined> => {
  const known = canBeId(clientId) ? await deps.store.clients.find(clientId) : undefined
  if (known && known.registered_by !== 'metadata_document') return known
  const { documents } = deps.registration
  if (!documents || !looksLikeDocumentUrl(clientId)) return undefined
  return documents.find(clientId, known, options, deps)
}
