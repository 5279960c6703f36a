/** May an earlier yes bring a code without a page? RFC 6749 §10.2, RFC 8252 §8.6. Pure. */
import { type Client, isSelfRegistered } from '../store/clients.js'
import { isLoopbackRedirect, redirectHost } from './redirect-uri.js'
import type { Sender } from './request.js'

const isOneHost = ({ redirect_uris: uris }: Client): boolean =>
  new Set(uris.filter((uri) => !isLoopbackRedirect(uri)).map(redirectHost)).size <= 1

/**
 * Who registers itself can name anybody's address beside its own. A person knows it by the address that
 * they were shown, so that a yes is for that one: a document speaks for its own host, and a registration
 * for a single one (another one ends what people agreed to).
 */
const isOwnAddress = (client: Client, redirectUri: string): boolean => {
  if (!isSelfRegistered(client)) return true
  if (client.registered_by === 'dynamic') return isOneHost(client)
  return redirectHost(redirectUri) === redirectHost(client.client_id)
}

/** Any program on the person's machine can take the name and the address of such a client. */
const isAnyProgram = (client: Client, redirectUri: string): boolean =>
  client.token_endpoint_auth_method === 'none' && isLoopbackRedirect(redirectUri)

export const isRepeatable = ({ client, redirectUri }: Sender): boolean =>
  !isAnyProgram(client, redirectUri) && isOwnAddress(client, redirectUri)
