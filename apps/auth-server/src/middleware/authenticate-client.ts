/** Client authentication at the OAuth endpoints. RFC 6749 §2.3. */
import { OAuthError, readBasicAuthorization } from '@behalf/protocol'
import type { Context, MiddlewareHandler } from 'hono'
import type { Deps } from '../deps.js'
import type { Form } from '../form.js'
import { findClient } from '../registration/find-client.js'
import { matchesHash } from '../secrets.js'
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
  const isCurrent = matchesHash(secret ?? '', client?.client_secret_hash)
  const isPrevious = matchesHash(secret ?? '', previous_secret_hash)
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

/**
 * The client, if it is who it says. Why it is not stays in the log.
 *
 * @throws OAuthError `invalid_client`, and 429 before the secret is looked at where too many were wrong
 */
const prove = async (
  c: Context<Env>,
  clientId: string,
  deps: Deps,
  proves: (client: Client | undefined) => boolean,
): Promise<Client> => {
  const { failedAuthentications } = deps.rateLimits
  const attempt = { clientId, addressOf: () => knownAddress(c, deps.signIn.config) }
  failedAuthentications.check(attempt)
  // A client that is known goes on working while its document cannot be read.
  const client = await findClient(clientId, deps, { allowStale: true })
  const isProven = proves(client)
  if (client && !client.disabled && isProven) return client
  const refusal = await failedAuthentications.count(attempt)
  throw refusal ?? invalidClient('client_authentication_failed')
}

export const authenticateClient = (deps: Deps): MiddlewareHandler<Env> =>
  async function authenticateClient(c, next) {
    const credentials = readCredentials(c.req.header('authorization'), c.var.form)
    const proves = (client: Client | undefined) => authenticates(client, credentials, deps.now())
    c.set('client', await prove(c, credentials.clientId, deps, proves))
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
