/** Token endpoint. RFC 6749 §3.2. */
import { grantTypes, isOAuthError, OAuthError } from '@behalf/protocol'
import type { Context, Handler } from 'hono'
import type { Deps } from '../deps.js'
import type { Form } from '../form.js'
import { checkGrantType, type GrantRequest } from '../grants/grant.js'
import { grants } from '../grants/grants.js'
import { type RecordedIssuance, recordIssuance, signIssuance } from '../issue-tokens.js'
import { proveClient } from '../middleware/authenticate-client.js'
import type { Env } from '../middleware/env.js'
import { noteUse } from '../registration/note-use.js'
import type { Client } from '../store/clients.js'

/** The others spend something of their own, or ask about people, at every request. */
const onRegistryAlone = new Set<string>([grantTypes.clientCredentials, grantTypes.tokenExchange])

export const decidesOnRegistryAlone = (form: Form): boolean =>
  onRegistryAlone.has(form.get('grant_type') ?? '')

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

const attempt = async (
  { client, form }: GrantRequest,
  deps: Deps,
  asOf?: string,
): Promise<RecordedIssuance> => {
  const grant = grantFor(form.get('grant_type'), client)
  return recordIssuance(await grant({ client, form }, deps), deps, asOf)
}

/** `undefined` for what is refused so: who asks is told by what is registered now. */
const attemptRemembered = async (
  request: GrantRequest,
  remembering: Deps,
): Promise<RecordedIssuance | undefined> => {
  if (!remembering.store.registry.isOf(request.client)) return undefined
  try {
    return await attempt(request, remembering, request.client.as_of)
  } catch (error) {
    if (isOAuthError(error)) return undefined
    throw error
  }
}

/** On what is remembered, which the record checks; and where that will not do, on what is read afresh. */
const decide = async (c: Context<Env>, deps: Deps, remembering: Deps) => {
  const client = c.get('client')
  const form = c.get('form')
  if (!decidesOnRegistryAlone(form)) return attempt({ client, form }, deps)
  const recorded = await attemptRemembered({ client, form }, remembering)
  return recorded ?? attempt({ client: await proveClient(c, deps, false), form }, deps)
}

export const tokenEndpoint = (deps: Deps): Handler<Env> => {
  const { store } = deps
  const remembering = { ...deps, store: { ...store, ...store.registry.remembered } }
  return async function tokenEndpoint(c) {
    const answer = await signIssuance(await decide(c, deps, remembering), deps)
    await noteUse(c.get('client'), deps)
    return c.json(answer)
  }
}
