/** Device authorization endpoint. RFC 8628 §3.1. */
import { grantTypes, parseScope } from '@behalf/protocol'
import type { Handler } from 'hono'
import { grantScope, reachable } from '../authorization/reachable.js'
import type { Deps } from '../deps.js'
import { startDevice } from '../device/start-device.js'
import { checkGrantType } from '../grants/grant.js'
import { requestedTargets } from '../grants/target.js'
import type { Env } from '../middleware/env.js'

/** Scope and resources are weighed as at the authorization endpoint, before anybody types a code. */
export const deviceAuthorizationEndpoint = (deps: Deps): Handler<Env> =>
  async function deviceAuthorizationEndpoint(c) {
    const { client, form } = c.var
    checkGrantType(client, grantTypes.deviceCode)
    const { resources } = await reachable(await requestedTargets(form, deps), client, deps)
    const text = form.get('scope')
    const asked = text === undefined ? undefined : parseScope(text)
    const { scope } = await grantScope(asked, resources, client, deps)
    const { client_id: clientId } = client
    return c.json(await startDevice({ clientId, scope, resources }, deps))
  }
