/** Pushed authorization requests: checked before a browser is involved. RFC 9126. */
import { OAuthError } from '@behalf/protocol'
import type { Handler } from 'hono'
import { formOfParameters, parametersOf } from '../authorization/request.js'
import { pushedSeconds, pushRequest } from '../authorization/waiting.js'
import { checkRequest, proveSender } from '../authorize-checks.js'
import type { Deps } from '../deps.js'
import type { Env } from '../middleware/env.js'

/** What is wrong is said here, to the client, whatever it is: there is no redirect to misuse. */
export const parEndpoint = (deps: Deps): Handler<Env> =>
  async function parEndpoint(c) {
    const { client, form } = c.var
    if (form.has('request_uri')) {
      // RFC 9126 §2.1
      throw new OAuthError('invalid_request', {
        description: 'request_uri cannot be pushed.',
        reason: 'nested_request_uri',
      })
    }
    const parameters = { ...parametersOf(form), client_id: [client.client_id] }
    const known = formOfParameters(parameters)
    await checkRequest(known, await proveSender(known, deps), deps)
    const request_uri = await pushRequest(parameters, client.client_id, deps)
    return c.json({ request_uri, expires_in: pushedSeconds }, 201)
  }
