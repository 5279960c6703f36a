/** A person's yes, brought by the client that asked for it. RFC 6749 §4.1.3, RFC 7636 §4.5. */
import { OAuthError } from '@behalf/protocol'
import { grantOver } from '../authorization/grant-over.js'
import { s256 } from '../authorization/pkce.js'
import { redeemCode } from '../authorization/redeem-code.js'
import type { Deps } from '../deps.js'
import type { Form } from '../form.js'
import { hashSecret } from '../secrets.js'
import type { AuthorizationCode } from '../store/authorization-codes.js'
import type { Client } from '../store/clients.js'
import type { Grant } from './grant.js'

const missing = (name: string): OAuthError =>
  new OAuthError('invalid_request', {
    description: `${name} is missing.`,
    reason: 'missing_parameter',
  })

/** One answer for a code that is unknown, another's, or asked for with another proof. */
const notYours = (): OAuthError =>
  grantOver('The authorization code is not one that this client can use.', 'unknown_code')

/**
 * Is this the client that asked, in the same breath? A stranger who holds the code fails here, and has
 * neither spent it nor revoked what it bought.
 */
const isAsker = (code: AuthorizationCode, client: Client, form: Form): boolean => {
  const redirectUri = form.get('redirect_uri')
  const isSame = redirectUri === code.redirect_uri
  return (
    code.client_id === client.client_id &&
    code.code_challenge === s256(form.get('code_verifier') ?? '') &&
    // RFC 6749 §4.1.3: said then, to be said again; said now, the same.
    (isSame || (redirectUri === undefined && !code.said_redirect_uri))
  )
}

const findCode = async (client: Client, form: Form, deps: Deps): Promise<AuthorizationCode> => {
  const text = form.get('code')
  if (text === undefined) throw missing('code')
  if (form.get('code_verifier') === undefined) throw missing('code_verifier')
  const code = await deps.store.authorizationCodes.find(hashSecret(text))
  if (!code || !isAsker(code, client, form)) throw notYours()
  return code
}

export const authorizationCode: Grant = async (request, deps) =>
  redeemCode(await findCode(request.client, request.form, deps), request, deps)
