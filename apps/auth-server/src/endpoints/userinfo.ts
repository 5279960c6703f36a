/** What a client may know of the person who let it in. OpenID Connect Core §5.3. */
import { type AccessToken, actorChain, isPersonId, OAuthError } from '@behalf/protocol'
import type { Context, Handler } from 'hono'
import { personStanding } from '../authorization/standing.js'
import type { Deps } from '../deps.js'
import {
  bearerOf,
  insufficientScope,
  readBearerToken,
  refuseToken,
} from '../middleware/bearer-token.js'
import type { Env } from '../middleware/env.js'
import { personClaims } from '../person-claims.js'
import { isAlive } from '../store/delegations.js'

/** RFC 6750 §3.1: who brought no token is told what to bring, and no error. */
const challenge = { 'WWW-Authenticate': 'Bearer scope="openid"', 'Cache-Control': 'no-store' }

/** RFC 6750 §5.3: an URL ends in logs and in the history of browsers. */
const checkNoQueryToken = (c: Context): void => {
  if (c.req.query('access_token') === undefined) return
  throw new OAuthError('invalid_request', {
    description: 'Send the access token in the Authorization header.',
    reason: 'parameters_in_query',
    headers: { 'WWW-Authenticate': 'Bearer error="invalid_request"' },
  })
}

/** For whom the person has agreed to be known: the client itself, never one that it lent on to. */
const checkToken = (token: AccessToken, issuer: string): void => {
  if (token.mayAct) throw refuseToken('The token is a hand-off.', 'hand_off_token')
  if (!isPersonId(token.subject)) throw refuseToken('The token is not for a person.', 'no_person')
  if (actorChain(token.act).length > 1) throw refuseToken('The token was lent on.', 'delegated')
  if (!token.audience.includes(issuer)) {
    throw refuseToken('The token is not meant for this server.', 'wrong_audience')
  }
  if (!token.scope.includes('openid')) throw insufficientScope('openid')
}

const isStanding = async (token: AccessToken, deps: Deps): Promise<boolean> => {
  const [client, lineage] = await Promise.all([
    deps.store.clients.find(token.clientId),
    deps.store.delegations.findMany(token.lineage),
  ])
  if (!client || client.disabled || lineage.length === 0) return false
  return lineage.length === token.lineage.length && lineage.every((d) => isAlive(d, deps.now()))
}

/** The person as they are now. Who has left the organization that they agreed in is not there. */
const findPerson = async (token: AccessToken, deps: Deps) => {
  const [stands, standing] = await Promise.all([
    isStanding(token, deps),
    personStanding(token.subject, token.tenantId, deps),
  ])
  if (!stands || !standing) throw refuseToken('The token was revoked.', 'revoked')
  return standing
}

export const userinfoEndpoint = (deps: Deps): Handler<Env> =>
  async function userinfoEndpoint(c) {
    checkNoQueryToken(c)
    const text = bearerOf(c.req.header('authorization') ?? '')
    if (text === undefined) return c.body(null, 401, challenge)
    const token = readBearerToken(text, deps)
    checkToken(token, deps.issuer)
    const source = await findPerson(token, deps)
    // `sub` last: no claim of an operator's own can be taken for it.
    return c.json({ ...personClaims(source, token.scope), sub: token.subject })
  }
