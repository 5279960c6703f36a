/** Revocation: a token takes its delegation with it, and so all that hangs below. RFC 7009. */
import { type AccessToken, isOAuthError, OAuthError } from '@behalf/protocol'
import type { Handler } from 'hono'
import type { Deps } from '../deps.js'
import type { Env } from '../middleware/env.js'
import { verifyAccessToken } from '../verify-access-token.js'

/** RFC 7009 §2.2: an invalid token is no error; the client cannot do anything about it. */
const readToken = (text: string, deps: Deps): AccessToken | undefined => {
  try {
    return verifyAccessToken(text, deps)
  } catch (error) {
    if (isOAuthError(error)) return undefined
    throw error
  }
}

export const revokeEndpoint = (deps: Deps): Handler<Env> =>
  async function revokeEndpoint(c) {
    const { client, form } = c.var
    const text = form.get('token')
    if (text === undefined) {
      throw new OAuthError('invalid_request', { description: 'token is missing.' })
    }
    const token = readToken(text, deps)
    if (token && token.clientId !== client.client_id) {
      // RFC 7009 §2.1: not issued to this client, so the request is refused and the client told.
      throw new OAuthError('invalid_grant', {
        description: 'The token was issued to another client.',
        reason: 'foreign_token',
      })
    }
    const delegation_id = token?.lineage.at(-1)
    if (delegation_id) {
      await deps.store.revocations.revoke({ delegation_id }, 'token_revoked', deps.now())
    }
    return c.body(null, 200)
  }
