/** So many requests a minute of one client, once it has proved who it is. */
import { grantTypes } from '@behalf/protocol'
import type { MiddlewareHandler } from 'hono'
import type { Deps } from '../deps.js'
import type { Form } from '../form.js'
import type { ClientEndpoint } from '../rate-limits/rate-limits-config.js'
import { countOrRefuse, type TooManyOptions } from '../rate-limits/too-many.js'
import type { Env } from './env.js'

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

export const limitClients = (
  { rateLimits: { config, open } }: Deps,
  endpoint: ClientEndpoint,
): MiddlewareHandler<Env> => {
  const limit = config.client_requests_per_minute[endpoint]
  const counter = open(`${endpoint}-per-client`, limit)
  const words = endpoint === 'revoke' ? tooManyRevocations : tooManyRequests
  return async function limitClients(c, next) {
    const { client, form } = c.var
    const code = endpoint === 'token' && isPoll(form) ? 'slow_down' : 'temporarily_unavailable'
    await countOrRefuse(counter, client.client_id, { ...words, code })
    await next()
  }
}
