/** Token endpoint. RFC 6749 §3.2. */
import { OAuthError } from '@behalf/protocol'
import type { Handler } from 'hono'
import type { Deps } from '../deps.js'
import { checkGrantType } from '../grants/grant.js'
import { grants } from '../grants/grants.js'
import { issueTokens } from '../issue-tokens.js'
import type { Env } from '../middleware/env.js'
import { noteUse } from '../registration/note-use.js'
import type { Client } from '../store/clients.js'

const grantFor = (grantType: string | undefined, client: Client) => {
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
  checkGrantType(client, grantType)
  return grant
}

export const tokenEndpoint = (deps: Deps): Handler<Env> =>
  async function tokenEndpoint(c) {
    const { client, form } = c.var
    const grant = grantFor(form.get('grant_type'), client)
    const answer = await issueTokens(await grant({ client, form }, deps), deps)
    await noteUse(client, deps)
    return c.json(answer)
  }
