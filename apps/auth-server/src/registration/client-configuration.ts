/** A client that registered itself looks at its registration, changes or ends it. RFC 7592. */
import type { Deps } from '../deps.js'
import { hashSecret, matchesHash, newSecret } from '../secrets.js'
import type { RegisteredClient } from '../store/registrations.js'
import { invalidMetadata } from './client-metadata.js'
import {
  memberColumns,
  readBearer,
  refuseToken,
  registeredMembers,
  secretMembers,
} from './dynamic-registration.js'

export interface ConfigurationRequest {
  clientId: string
  /** The `Authorization` header. */
  authorization: string | undefined
}

/** RFC 7592 §2: a client that is unknown, and one whose token this is not, look the same. */
const authenticate = async (
  { clientId, authorization }: ConfigurationRequest,
  { store }: Deps,
): Promise<{ client: RegisteredClient; token: string; tokenHash: string }> => {
  const token = readBearer(authorization) ?? ''
  const isId = /^dyn_[A-Za-z0-9_-]{1,64}$/.test(clientId)
  const client = isId ? await store.registrations.find(clientId) : undefined
  const tokenHash = client?.registrationTokenHash ?? undefined
  if (!matchesHash(token, tokenHash) || !client || !tokenHash) throw refuseToken()
  if (client.registeredBy !== 'dynamic' || client.disabled) throw refuseToken()
  return { client, token, tokenHash }
}

/** `GET`. Secrets are kept as hashes only, so the token is the one that the client has just sent. */
export const readRegistration = async (request: ConfigurationRequest, deps: Deps) => {
  const { client, token } = await authenticate(request, deps)
  return { ...registeredMembers(client, deps.issuer), registration_access_token: token }
}

/** RFC 7592 §2.2: the id is in the body, and the secret may be, as they are. */
const checkOwn = (body: Record<string, unknown>, client: RegisteredClient): void => {
  if (body.client_id !== client.clientId) {
    throw invalidMetadata('client_id must be that of the client.', 'client_id_mismatch')
  }
  const { client_secret: secret } = body
  if (secret == null) return
  if (typeof secret === 'string' && matchesHash(secret, client.clientSecretHash ?? undefined))
    return
  throw invalidMetadata('client_secret cannot be chosen.', 'client_secret_mismatch')
}

/**
 * Whoever holds the token could send people's codes elsewhere from now on. They have agreed to the
 * places that were registered then, so with a new one all that they agreed to ends.
 */
const causeOf = (before: RegisteredClient, redirectUris: readonly string[]) =>
  redirectUris.every((uri) => before.redirectUris.includes(uri))
    ? undefined
    : 'redirect_uris_changed'

/** The hash to keep, and a fresh secret where a public client becomes a confidential one. */
const secretFor = (before: RegisteredClient, method: string) => {
  if (method === 'none') return { hash: null, secret: undefined }
  if (before.clientSecretHash !== null) return { hash: before.clientSecretHash, secret: undefined }
  const secret = newSecret('cs')
  return { hash: hashSecret(secret), secret }
}

/** `PUT`: replaces everything, and the token with it. */
export const replaceRegistration = async (
  request: ConfigurationRequest,
  body: Record<string, unknown>,
  deps: Deps,
) => {
  const { client: before, tokenHash } = await authenticate(request, deps)
  checkOwn(body, before)
  const columns = memberColumns(body, deps)
  const { hash, secret } = secretFor(before, columns.tokenEndpointAuthMethod)
  const token = newSecret('rat')
  const set = { ...columns, clientSecretHash: hash, registrationTokenHash: hashSecret(token) }
  const client = await deps.store.registrations.replaceDynamic(before.clientId, tokenHash, set, {
    cause: causeOf(before, columns.redirectUris),
    now: deps.now(),
  })
  if (!client) throw refuseToken()
  return {
    ...registeredMembers(client, deps.issuer),
    ...secretMembers(secret),
    registration_access_token: token,
  }
}

/** `DELETE`: all that was granted to it ends now. */
export const removeRegistration = async (
  request: ConfigurationRequest,
  deps: Deps,
): Promise<void> => {
  const { client, tokenHash } = await authenticate(request, deps)
  const removed = await deps.store.registrations.removeDynamic(
    client.clientId,
    tokenHash,
    deps.now(),
  )
  if (!removed) throw refuseToken()
}
