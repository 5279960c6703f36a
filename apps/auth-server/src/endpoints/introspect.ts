/**
 * Introspection: for a resource server, about access tokens meant for it; for a client, about its own
 * refresh tokens. RFC 7662.
 */
import {
  type AccessToken,
  actorChain,
  isOAuthError,
  isPersonId,
  OAuthError,
} from '@behalf/protocol'
import type { Context, Handler } from 'hono'
import { describeRefreshToken } from '../authorization/describe-refresh-token.js'
import { personStanding } from '../authorization/standing.js'
import { liveBudget } from '../budgets/show-budget.js'
import type { Deps } from '../deps.js'
import { checkStanding } from '../grants/exchange-standing.js'
import { proveClient } from '../middleware/authenticate-client.js'
import type { Env } from '../middleware/env.js'
import { isRefreshToken } from '../secrets.js'
import type { Client } from '../store/clients.js'
import { verifyAccessToken } from '../verify-access-token.js'

const inactive = { active: false }

const isFor = (token: AccessToken, caller: Client): boolean =>
  token.audience.some((resource) => caller.serves.includes(resource)) && !token.mayAct

/**
 * OpenID Connect Core §5.4: `email` asks for the address, as it is now. Nobody learns it by a token that was
 * lent on: the person let the first client be told, as at `/userinfo`.
 */
const emailOf = async ({ subject, tenantId, scope, act }: AccessToken, deps: Deps) => {
  if (!isPersonId(subject) || !scope.includes('email') || actorChain(act).length > 1) return {}
  const standing = await personStanding(subject, tenantId, deps)
  if (!standing) return {}
  const { email, emailVerified: email_verified } = standing.person
  return { email, email_verified }
}

const describe = async (text: string, caller: Client, deps: Deps) => {
  if (isRefreshToken(text)) return describeRefreshToken(text, caller, deps)
  const token = verifyAccessToken(text, deps)
  if (!isFor(token, caller)) return inactive
  const { own: delegation } = await checkStanding(token, 'token', deps)
  const [budget, email] = await Promise.all([liveBudget(delegation, deps), emailOf(token, deps)])
  return { active: true, token_type: 'Bearer', ...token.claims, ...email, agent_budget: budget }
}

/** RFC 7662 §2.2: whatever it will not vouch for is `{"active":false}` and nothing else. */
const answerFor = (text: string, caller: Client, deps: Deps) =>
  describe(text, caller, deps).catch((error: unknown) => {
    if (isOAuthError(error)) return inactive
    throw error
  })

/** Of who is registered what is remembered, once the registry has said that it is so still; all else as it is now. */
const answerNow = async (c: Context<Env>, text: string, deps: Deps, remembering: Deps) => {
  const client = c.get('client')
  const { registry } = deps.store
  // What is remembered may be newer than the client by now, or older.
  if (!registry.isOf(client)) return answerFor(text, await proveClient(c, deps, false), deps)
  const [answer, isCurrent] = await Promise.all([
    answerFor(text, client, remembering),
    registry.isCurrent(client.as_of),
  ])
  return isCurrent ? answer : answerFor(text, await proveClient(c, deps, false), deps)
}

export const introspectEndpoint = (deps: Deps): Handler<Env> => {
  const { store } = deps
  const { clients } = store.registry.remembered
  const remembering = { ...deps, store: { ...store, clients } }
  return async function introspectEndpoint(c) {
    const client = c.get('client')
    const token = c.get('form').get('token')
    if (token === undefined) {
      throw new OAuthError('invalid_request', { description: 'token is missing.' })
    }
    if (client.token_endpoint_auth_method === 'none') {
      throw new OAuthError('unauthorized_client', {
        description: 'A public client cannot introspect.',
      })
    }
    return c.json(await answerNow(c, token, deps, remembering))
  }
}
