/** Client authentication at the OAuth endpoints. RFC 6749 §2.3. */
import { OAuthError, readBasicAuthorization } from '@behalf/protocol'
import type { MiddlewareHandler } from 'hono'
import type { Deps } from '../deps.js'
import type { Form } from '../form.js'
import { findClient } from '../registration/find-client.js'
import { matchesHash } from '../secrets.js'
import type { Client } from '../store/clients.js'
import type { Env } from './env.js'

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

/** What is to be hidden from the log and from the wire stays in `reason`, which `onError` logs. */
const check = (client: Client | undefined, credentials: Credentials, now: Date): Client => {
  const matches = secretMatches(client, credentials.clientSecret, now)
  if (!client || client.disabled) throw invalidClient('client_authentication_failed')
  if (client.token_endpoint_auth_method !== credentials.method) {
    throw invalidClient('client_authentication_failed')
  }
  if (credentials.method !== 'none' && !matches) throw invalidClient('client_authentication_failed')
  return client
}

export const authenticateClient = (deps: Deps): MiddlewareHandler<Env> =>
  async function authenticateClient(c, next) {
    const credentials = readCredentials(c.req.header('authorization'), c.var.form)
    // A client that is known goes on working while its document cannot be read.
    const client = await findClient(credentials.clientId, deps, { allowStale: true })
    c.set('client', check(client, credentials, deps.now()))
    await next()
  }

/** HTTP Basic at the server's own API: any registered secret method will do, there is no form. */
export const authenticateBasic = async (header: string, deps: Deps): Promise<Client> => {
  const basic = readBasicAuthorization(header)
  if (!basic) throw invalidClient('malformed_basic')
  const client = await findClient(basic.clientId, deps, { allowStale: true })
  const matches = secretMatches(client, basic.clientSecret, deps.now())
  if (!client || client.disabled || !matches) throw invalidClient('client_authentication_failed')
  return client
}
