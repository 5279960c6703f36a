/** What an application asks for when a person signs out. OpenID Connect RP-Initiated Logout 1.0 §2. */
import { isOAuthError, OAuthError } from '@behalf/protocol'
import type { Deps } from './deps.js'
import type { Form } from './form.js'
import type { Client } from './store/clients.js'
import { type IdTokenHint, readIdTokenHint } from './verify-id-token.js'

/** The parameters that mean something here. */
const known = ['id_token_hint', 'client_id', 'post_logout_redirect_uri', 'state'] as const

/** As they came, to be asked again. */
export const logoutParameters = (form: Form): [name: string, value: string][] =>
  known.flatMap((name) => {
    const value = form.get(name)
    return value === undefined ? [] : [[name, value] as [string, string]]
  })

export interface LogoutRequest {
  /** Absent, or not to be believed: then the person is asked. */
  hint: IdTokenHint | undefined
  client: Client | undefined
  /** Where to go afterwards, `state` included. It is registered. */
  target: string | undefined
}

const refuse = (description: string, reason: string): OAuthError =>
  new OAuthError('invalid_request', { description, reason })

/** §4: what fails to validate is not used. Signing out needs no hint, only the word of the person. */
const readHint = (text: string | undefined, deps: Deps): IdTokenHint | undefined => {
  if (text === undefined) return undefined
  try {
    return readIdTokenHint(text, deps)
  } catch (error) {
    if (isOAuthError(error)) return undefined
    throw error
  }
}

const findClient = async (form: Form, hint: IdTokenHint | undefined, deps: Deps) => {
  const said = form.get('client_id')
  // §2: when both are there, they must name the same client.
  if (said !== undefined && hint !== undefined && said !== hint.clientId) {
    throw refuse('client_id and id_token_hint name different applications.', 'client_mismatch')
  }
  const clientId = said ?? hint?.clientId
  const client = clientId === undefined ? undefined : await deps.store.clients.find(clientId)
  return client?.disabled ? undefined : client
}

/** The registered text stays as it is, to the byte; `state` is added behind it. */
const withState = (uri: string, state: string | undefined): string =>
  state === undefined
    ? uri
    : `${uri}${uri.includes('?') ? '&' : '?'}state=${encodeURIComponent(state)}`

/** §3: only exactly where the client is registered to send people. Anything else would be open. */
const targetOf = (form: Form, client: Client | undefined): string | undefined => {
  const uri = form.get('post_logout_redirect_uri')
  if (uri === undefined) return undefined
  if (client?.post_logout_redirect_uris.includes(uri)) return withState(uri, form.get('state'))
  throw new OAuthError('invalid_request', {
    description: 'The application wants to send you to an address that is not registered for it.',
    reason: 'unregistered_post_logout_redirect_uri',
    hint: 'You are still signed in. Open /logout here to sign out.',
  })
}

/** @throws OAuthError that is shown on a page, and never leads anywhere */
export const readLogoutRequest = async (form: Form, deps: Deps): Promise<LogoutRequest> => {
  const hint = readHint(form.get('id_token_hint'), deps)
  const client = await findClient(form, hint, deps)
  return { hint, client, target: targetOf(form, client) }
}
