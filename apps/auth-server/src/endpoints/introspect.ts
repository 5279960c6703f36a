/**
 * Introspection: for a resource server, about access tokens meant for it; for a client, about its own
 * refresh tokens. RFC 7662.
 */
import { type AccessToken, isOAuthError, OAuthError } from '@behalf/protocol'
import type { Handler } from 'hono'
import { describeRefreshToken } from '../authorization/describe-refresh-token.js'
import { liveBudget } from '../budgets/show-budget.js'
import type { Deps } from '../deps.js'
import { checkStanding } from '../grants/exchange-standing.js'
import type { Env } from '../middleware/env.js'
import { isRefreshToken } from '../secrets.js'
import type { Client } from '../store/clients.js'
import { verifyAccessToken } from '../verify-access-token.js'

const inactive = { active: false }

const isFor = (token: AccessToken, caller: Client): boolean =>
  token.audience.some((resource) => caller.serves.includes(resource)) && !token.mayAct

const describe = async (text: string, caller: Client, deps: Deps) => {
  if (isRefreshToken(text)) return describeRefreshToken(text, caller, deps)
  const token = verifyAccessToken(text, deps)
  if (!isFor(token, caller)) return inactive
  const { own: delegation } = await checkStanding(token, 'token', deps)
  const budget = await liveBudget(delegation, deps)
  return { active: true, token_type: 'Bearer', ...token.claims, agent_budget: budget }
}

/** RFC 7662 §2.2: whatever it will not vouch for is `{"active":false}` and nothing else. */
export const introspectEndpoint = (deps: Deps): Handler<Env> =>
  async function introspectEndpoint(c) {
    const { client, form } = c.var
    const token = form.get('token')
    if (token === undefined) {
      throw new OAuthError('invalid_request', { description: 'token is missing.' })
    }
    if (client.token_endpoint_auth_method === 'none') {
      throw new OAuthError('unauthorized_client', {
        description: 'A public client cannot introspect.',
      })
    }
    const answer = await describe(token, client, deps).catch((error: unknown) => {
      if (isOAuthError(error)) return inactive
      throw error
    })
    return c.json(answer)
  }
