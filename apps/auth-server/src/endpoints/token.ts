/** Token endpoint. RFC 6749 §3.2. */
import { OAuthError } from '@behalf/protocol'
import type { Handler } from 'hono'
import type { Deps } from '../deps.js'
import { grants } from '../grants/grants.js'
import { issueTokens } from '../issue-tokens.js'
import type { Env } from '../middleware/env.js'

const grantFor = (grantType: string | undefined, allowed: readonly string[]) => {
  if (grantType === undefined) {
    throw new OAuthError('invalid_request', {
      description: 'grant_type is missing.',
      reason: 'missing_grant_type',
    })
  }
  const grant = grants.get(grantType)
  if (!grant) {
    throw new OAuthError('unsupported_grant_type', { description: 'This grant type is not known.' })
  }
  if (!allowed.includes(grantType)) {
    throw new OAuthError('unauthorized_client', {
      description: 'This client may not use this grant type.',
      reason: 'grant_type_not_allowed',
      hint: 'Add the grant type to grant_types of the client.',
    })
  }
  return grant
}

export const tokenEndpoint = (deps: Deps): Handler<Env> =>
  async function tokenEndpoint(c) {
    const { client, form } = c.var
    const grant = grantFor(form.get('grant_type'), client.grant_types)
    return c.json(await issueTokens(await grant({ client, form }, deps), deps))
  }
