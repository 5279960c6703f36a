/** So many requests a minute of one client, once it has proved who it is. */
import { grantTypes } from '@behalf/protocol'
import type { Context, MiddlewareHandler } from 'hono'
import type { Deps } from '../deps.js'
import type { Form } from '../form.js'
import type { ClientEndpoint } from '../rate-limits/rate-limits-config.js'
import { countOrRefuse, type TooManyOptions } from '../rate-limits/too-many.js'
import type { Env } from './env.js'
import { remoteAddress } from './remote-address.js'

const tooManyRequests: TooManyOptions = {
  description: 'Too many requests of this client.',
  reason: 'too_many_requests_of_client',
}

/** RFC 7009 §2.2.1: the client has to take it that the token is still good. */
const tooManyRevocations: TooManyOptions = {
  description: 'This client revokes too much in too short a time.',
  reason: 'too_many_revocations',
  hint: 'Revoke a delegation further up: all that hangs from it ends with it.',
}

/** Many devices are one client: each of them is to go on asking. */
const isPoll = (form: Form | undefined): boolean =>
  form?.get('grant_type') === grantTypes.deviceCode

/** A public client proves nothing: whoever says its name must not use up what is everybody's. */
const whoAsks = (c: Context<Env>, { signIn }: Deps): string => {
  const { client_id, token_endpoint_auth_method: method } = c.get('client')
  return method === 'none' ? `${client_id} ${remoteAddress(c, signIn.config)}` : client_id
}

export const limitClients = (deps: Deps, endpoint: ClientEndpoint): MiddlewareHandler<Env> => {
  const { config, open } = deps.rateLimits
  const limit = config.client_requests_per_minute[endpoint]
  const counter = open(`${endpoint}-per-client`, limit)
  const words = endpoint === 'revoke' ? tooManyRevocations : tooManyRequests
  return async function limitClients(c, next) {
    const code =
      endpoint === 'token' && isPoll(c.get('form')) ? 'slow_down' : 'temporarily_unavailable'
    await countOrRefuse(counter, whoAsks(c, deps), { ...words, code })
    await next()
  }
}
