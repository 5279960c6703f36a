/** Revocation: a token takes its delegation with it, and so all that hangs below. RFC 7009. */
import { type AccessToken, isOAuthError, OAuthError } from '@behalf/protocol'
import type { Handler } from 'hono'
import type { Deps } from '../deps.js'
import type { Env } from '../middleware/env.js'
import { hashSecret, isRefreshToken } from '../secrets.js'
import type { Client } from '../store/clients.js'
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

/** Whose a token is, and what ends with it. */
interface Revocable {
  client_id: string
  delegation_id: string | undefined
}

/**
 * A refresh token takes its family with it, and all access tokens that the family has bought: they
 * stand on one delegation (RFC 7009 §2.1). A used one does the same, since a successor may be around.
 *
 * `token_type_hint` is not needed (RFC 7009 §2.1): what a token is can be seen.
 */
const findRevocable = async (text: string, deps: Deps): Promise<Revocable | undefined> => {
  if (isRefreshToken(text)) return deps.store.refreshTokens.find(hashSecret(text))
  const token = readToken(text, deps)
  return token && { client_id: token.clientId, delegation_id: token.lineage.at(-1) }
}

const revoke = async ({ delegation_id }: Revocable, { store, now }: Deps): Promise<void> => {
  if (delegation_id === undefined) return
  await store.revocations.revoke({ delegation_id }, 'token_revoked', now())
}

const logUntouched = (token: Revocable | undefined, client: Client, { log }: Deps): void => {
  const why = token ? 'foreign_token' : 'unknown_token'
  log.info({ path: '/revoke', client_id: client.client_id, why }, 'nothing revoked')
}

export const revokeEndpoint = (deps: Deps): Handler<Env> =>
  async function revokeEndpoint(c) {
    const { client, form } = c.var
    const text = form.get('token')
    if (text === undefined) {
      throw new OAuthError('invalid_request', { description: 'token is missing.' })
    }
    const token = await findRevocable(text, deps)
    if (token && token.client_id === client.client_id) await revoke(token, deps)
    // RFC 7009 §2.2: as for a token that there is not, and nobody learns that there is one.
    else logUntouched(token, client, deps)
    return c.body(null, 200)
  }
