/** At the server's own API: client authentication, or an access token meant for this server. */
import { type AccessToken, intersectScope } from '@behalf/protocol'
import type { MiddlewareHandler } from 'hono'
import type { Deps } from '../deps.js'
import type { Client } from '../store/clients.js'
import { isAlive } from '../store/delegations.js'
import { authenticateBasic, invalidClient } from './authenticate-client.js'
import { bearerOf, insufficientScope, readBearerToken, refuseToken } from './bearer-token.js'
import type { Env } from './env.js'

/** Only a client's own token: one that is delegated, or waits to be accepted, speaks for others. */
const checkOwn = (token: AccessToken, issuer: string): void => {
  const own = token.act === undefined && token.mayAct === undefined
  if (!own || token.subject !== token.clientId)
    throw refuseToken('The token is delegated.', 'delegated')
  if (token.audience.length !== 1 || token.audience[0] !== issuer) {
    throw refuseToken('The token is not meant for this server.', 'wrong_audience')
  }
}

/** What the token says and the client may still do: a right that was taken away is gone at once. */
const byToken = async (text: string, scope: string, deps: Deps): Promise<[Client, string[]]> => {
  const token = readBearerToken(text, deps)
  checkOwn(token, deps.issuer)
  const [client, lineage] = await Promise.all([
    deps.store.clients.find(token.clientId),
    deps.store.delegations.findMany(token.lineage),
  ])
  const alive =
    lineage.length === token.lineage.length && lineage.every((d) => isAlive(d, deps.now()))
  if (!client || client.disabled || !alive) throw refuseToken('The token was revoked.', 'revoked')
  const allowed = intersectScope(token.scope, client.api_scope)
  if (!allowed.includes(scope)) throw insufficientScope(scope)
  return [client, allowed]
}

/** @param scope what an access token must carry; client authentication needs none */
export const authenticateCaller = (scope: string, deps: Deps): MiddlewareHandler<Env> =>
  async function authenticateCaller(c, next) {
    const header = c.req.header('authorization') ?? ''
    const bearer = bearerOf(header)
    if (bearer !== undefined) {
      const [client, allowed] = await byToken(bearer, scope, deps)
      c.set('client', client)
      c.set('apiScope', allowed)
    } else {
      if (header === '') throw invalidClient('no_credentials')
      const client = await authenticateBasic(c, header, deps)
      c.set('client', client)
      c.set('apiScope', client.api_scope)
    }
    await next()
  }
