/** Client authentication at the OAuth endpoints. RFC 6749 §2.3. */
import { timingSafeEqual } from 'node:crypto'
import { OAuthError, readBasicAuthorization } from '@behalf/protocol'
import type { MiddlewareHandler } from 'hono'
import type { Deps } from '../deps.js'
import type { Form } from '../form.js'
import { hashSecret } from '../secrets.js'
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

const nobody = hashSecret('a hash that no secret has')

/** Constant time, and the same work when there is no such client. */
const secretMatches = (client: Client | undefined, secret: string | undefined): boolean => {
  const expected = Buffer.from(client?.client_secret_hash ?? nobody)
  const given = Buffer.from(hashSecret(secret ?? ''))
  return timingSafeEqual(expected, given) && client?.client_secret_hash !== undefined
}

/** What is to be hidden from the log and from the wire stays in `reason`, which `onError` logs. */
const check = (client: Client | undefined, credentials: Credentials): Client => {
  const matches = secretMatches(client, credentials.clientSecret)
  if (!client || client.disabled) throw invalidClient('client_authentication_failed')
  if (client.token_endpoint_auth_method !== credentials.method) {
    throw invalidClient('client_authentication_failed')
  }
  if (credentials.method !== 'none' && !matches) throw invalidClient('client_authentication_failed')
  return client
}

/** What no client can be called is not looked up: a database may not even take it. */
const findClient = async (clientId: string, { store }: Deps): Promise<Client | undefined> =>
  /^[\x21-\x7e]{1,200}$/.test(clientId) ? store.clients.find(clientId) : undefined

export const authenticateClient = (deps: Deps): MiddlewareHandler<Env> =>
  async function authenticateClient(c, next) {
    const credentials = readCredentials(c.req.header('authorization'), c.var.form)
    c.set('client', check(await findClient(credentials.clientId, deps), credentials))
    await next()
  }

/** HTTP Basic at the server's own API: any registered secret method will do, there is no form. */
export const authenticateBasic = async (header: string, deps: Deps): Promise<Client> => {
  const basic = readBasicAuthorization(header)
  if (!basic) throw invalidClient('malformed_basic')
  const client = await findClient(basic.clientId, deps)
  const matches = secretMatches(client, basic.clientSecret)
  if (!client || client.disabled || !matches) throw invalidClient('client_authentication_failed')
  return client
}
