/** Client authentication at the OAuth endpoints. RFC 6749 §2.3. */
import { OAuthError, readBasicAuthorization } from '@behalf/protocol'
import type { Context, MiddlewareHandler } from 'hono'
import type { Deps } from '../deps.js'
import type { Form } from '../form.js'
import { findClient } from '../registration/find-client.js'
import { hashSecret, isSameHash } from '../secrets.js'
import type { Client } from '../store/clients.js'
import type { Env } from './env.js'
import { knownAddress } from './remote-address.js'

type AuthMethod = 'client_secret_basic' | 'client_secret_post' | 'none'

interface Credentials {
  method: AuthMethod
  clientId: string
  clientSecret: string | undefined
}

/** One answer for a client that is unknown, disabled or came with the wrong secret. */
export const invalidClient = (reason: string): OAuthError =>
  new OAuthError('invalid_client', {
    description: 'Client authentication failed.',
    reason,
    hint: 'Check client_id, client_secret and the registered token_endpoint_auth_method.',
    // RFC 6749 §5.2: with 401, in the scheme that the client used.
    headers: { 'WWW-Authenticate': 'Basic realm="behalf"' },
  })

const fromForm = (form: Form): Credentials | undefined => {
  const clientId = form.get('client_id')
  if (clientId === undefined) return undefined
  const clientSecret = form.get('client_secret')
  return {
    method: clientSecret === undefined ? 'none' : 'client_secret_post',
    clientId,
    clientSecret,
  }
}

/** Exactly one method. RFC 6749 §2.3: a client MUST NOT use more than one in a request. */
const readCredentials = (header: string | undefined, form: Form): Credentials => {
  const posted = fromForm(form)
  if (header === undefined) {
    if (!posted) throw invalidClient('no_credentials')
    return posted
  }
  const basic = readBasicAuthorization(header)
  if (!basic) throw invalidClient('malformed_basic')
  if (form.has('client_secret')) {
    throw new OAuthError('invalid_request', {
      description: 'The client authenticates in two ways at once.',
      reason: 'two_client_authentications',
    })
  }
  if (posted && posted.clientId !== basic.clientId) throw invalidClient('two_client_ids')
  return { method: 'client_secret_basic', ...basic }
}

/** A secret that was replaced stays good for as long as its admin has said. */
const secretMatches = (
  client: Client | undefined,
  secret: string | undefined,
  now: Date,
): boolean => {
  const { previous_secret_hash, previous_secret_expires_at: end } = client ?? {}
  const hashed = hashSecret(secret ?? '')
  const isCurrent = isSameHash(hashed, client?.client_secret_hash)
  const isPrevious = isSameHash(hashed, previous_secret_hash)
  return isCurrent || (isPrevious && end !== undefined && end > now)
}

/** True as well for a client without a secret that comes without one. */
const authenticates = (
  client: Client | undefined,
  credentials: Credentials,
  now: Date,
): boolean => {
  const matches = secretMatches(client, credentials.clientSecret, now)
  if (client?.token_endpoint_auth_method !== credentials.method) return false
  return credentials.method === 'none' || matches
}

type Proof = (client: Client | undefined) => boolean

/**
 * As it was remembered, if that will do. What is remembered may be older than a new secret, so nobody is
 * refused by it; and where nothing is, there is one read as well, so an unknown client takes no longer.
 */
const proveRemembered = (clientId: string, { store }: Deps, proves: Proof): Client | undefined => {
  const client = store.registry.peekClient(clientId)
  if (!client || client.disabled || client.registered_by === 'metadata_document') return undefined
  return proves(client) ? client : undefined
}

/** As it is now, switched off or not. */
const proveAfresh = async (
  clientId: string,
  deps: Deps,
  proves: Proof,
): Promise<Client | undefined> => {
  // A client that is known goes on working while its document cannot be read.
  const client = await findClient(clientId, deps, { allowStale: true })
  const isProven = proves(client)
  return client && !client.disabled && isProven ? client : undefined
}

/**
 * The client, if it is who it says. Why it is not stays in the log.
 *
 * @throws OAuthError `invalid_client`, and 429 before the secret is looked at where too many were wrong
 */
const prove = async (
  c: Context<Env>,
  clientId: string,
  deps: Deps,
  proves: Proof,
  mayRemember = false,
): Promise<Client> => {
  const { failedAuthentications } = deps.rateLimits
  const attempt = { clientId, addressOf: () => knownAddress(c, deps.signIn.config) }
  failedAuthentications.check(attempt)
  const remembered = mayRemember ? proveRemembered(clientId, deps, proves) : undefined
  const client = remembered ?? (await proveAfresh(clientId, deps, proves))
  if (client) return client
  const refusal = await failedAuthentications.count(attempt)
  throw refusal ?? invalidClient('client_authentication_failed')
}

/**
 * The client that sends this request.
 *
 * @param mayRemember only where what is decided on it is checked against the registry of today
 * @throws OAuthError `invalid_client`, or 429
 */
export const proveClient = (c: Context<Env>, deps: Deps, mayRemember: boolean): Promise<Client> => {
  const credentials = readCredentials(c.req.header('authorization'), c.get('form'))
  const proves: Proof = (client) => authenticates(client, credentials, deps.now())
  return prove(c, credentials.clientId, deps, proves, mayRemember)
}

/** @param mayRemember see `proveClient` */
export const authenticateClient = (
  deps: Deps,
  mayRemember: (form: Form) => boolean = () => false,
): MiddlewareHandler<Env> =>
  async function authenticateClient(c, next) {
    c.set('client', await proveClient(c, deps, mayRemember(c.get('form'))))
    await next()
  }

/** HTTP Basic at the server's own API: any registered secret method will do, there is no form. */
export const authenticateBasic = (c: Context<Env>, header: string, deps: Deps): Promise<Client> => {
  const basic = readBasicAuthorization(header)
  if (!basic) throw invalidClient('malformed_basic')
  return prove(c, basic.clientId, deps, (client) =>
    secretMatches(client, basic.clientSecret, deps.now()),
  )
}
