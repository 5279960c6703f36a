/** The route table: every URL of the server, and what stands before it. */
import { OAuthError } from '@behalf/protocol'
import { Hono, type MiddlewareHandler } from 'hono'
import type { Deps } from './deps.js'
import {
  addClientEndpoint,
  listClientsEndpoint,
  removeClientEndpoint,
  replaceClientEndpoint,
  rotateSecretEndpoint,
  showClientEndpoint,
} from './endpoints/admin-clients.js'
import { authorizeEndpoint } from './endpoints/authorize.js'
import {
  checkDelegationEndpoint,
  listDelegationsEndpoint,
  revokeAllEndpoint,
  revokeDelegationEndpoint,
} from './endpoints/delegations.js'
import { liveEndpoint, readyEndpoint } from './endpoints/health.js'
import { introspectEndpoint } from './endpoints/introspect.js'
import { jwksEndpoint } from './endpoints/jwks.js'
import {
  budgetEndpoint,
  capEndpoint,
  closeBudgetEndpoint,
  closeLeaseEndpoint,
  openLeaseEndpoint,
  releaseEndpoint,
  renewLeaseEndpoint,
  reserveEndpoint,
  settleEndpoint,
  topUpEndpoint,
  verificationEndpoint,
} from './endpoints/ledger.js'
import { metadataEndpoint } from './endpoints/metadata.js'
import {
  readRegistrationEndpoint,
  registerEndpoint,
  removeRegistrationEndpoint,
  replaceRegistrationEndpoint,
} from './endpoints/register.js'
import { revocationFeedEndpoint } from './endpoints/revocation-feed.js'
import { revokeEndpoint } from './endpoints/revoke.js'
import { tokenEndpoint } from './endpoints/token.js'
import { anyOrigin } from './middleware/any-origin.js'
import { authenticateCaller } from './middleware/authenticate-caller.js'
import { authenticateClient } from './middleware/authenticate-client.js'
import type { Env } from './middleware/env.js'
import { limitRegistrations, requireInitialAccess } from './middleware/limit-registrations.js'
import { limitRevocations } from './middleware/limit-revocations.js'
import { noStore } from './middleware/no-store.js'
import { onError } from './middleware/on-error.js'
import { readForm, readJson, readJsonObject } from './middleware/read-body.js'

const allow = (methods: string): MiddlewareHandler =>
  function methodNotAllowed() {
    throw new OAuthError('invalid_request', {
      status: 405,
      description: `This endpoint takes ${methods}.`,
      reason: 'method_not_allowed',
      headers: { Allow: methods },
    })
  }

const wellKnown = '/.well-known/oauth-authorization-server'

export const createApp = (deps: Deps) => {
  const app = new Hono<Env>()
  const { pathname } = new URL(deps.issuer)
  const base = pathname === '/' ? '' : pathname
  const form = [readForm, authenticateClient(deps)] as const
  const api = (scope: string) => [noStore, authenticateCaller(scope, deps)] as const

  const get = (path: string, ...handlers: MiddlewareHandler<Env>[]) =>
    app.on(['GET', 'OPTIONS'], [path], ...handlers).all(path, allow('GET'))
  const post = (path: string, ...handlers: MiddlewareHandler<Env>[]) =>
    app.on(['POST', 'OPTIONS'], [path], ...handlers).all(path, allow('POST'))

  // RFC 8414 §3.1: the well-known name goes before the issuer's path; some clients append it.
  get(`${wellKnown}${base}`, anyOrigin, metadataEndpoint(deps))
  if (base) get(`${base}${wellKnown}`, anyOrigin, metadataEndpoint(deps))
  get(`${base}/jwks`, anyOrigin, jwksEndpoint(deps))

  post(`${base}/token`, anyOrigin, noStore, ...form, tokenEndpoint(deps))
  const bounded = limitRevocations()
  post(`${base}/revoke`, anyOrigin, noStore, ...form, bounded, revokeEndpoint(deps))
  post(`${base}/introspect`, noStore, ...form, introspectEndpoint(deps))
  app.on(['GET', 'POST'], `${base}/authorize`, authorizeEndpoint)
  app.all(`${base}/authorize`, allow('GET, POST'))

  const revoke = api('delegations:revoke')
  app.get(`${base}/revocations`, anyOrigin, revocationFeedEndpoint(deps))
  app.post(`${base}/revocations`, ...revoke, readJson, revokeAllEndpoint(deps))
  app.all(`${base}/revocations`, anyOrigin, allow('GET, POST'))
  get(`${base}/delegations`, ...api('delegations:read'), listDelegationsEndpoint(deps))
  post(`${base}/delegations/check`, noStore, ...form, checkDelegationEndpoint(deps))
  const revokeOne = [...revoke, bounded, readJson] as const
  post(`${base}/delegations/:id/revoke`, ...revokeOne, revokeDelegationEndpoint(deps))
  const ledger = `${base}/ledger`
  const charge = [...api('budgets:charge'), readJson] as const
  post(`${ledger}/reservations`, ...charge, reserveEndpoint(deps))
  post(`${ledger}/reservations/:id/settle`, ...charge, settleEndpoint(deps))
  post(`${ledger}/reservations/:id/release`, ...charge, releaseEndpoint(deps))
  post(`${ledger}/leases`, ...charge, openLeaseEndpoint(deps))
  post(`${ledger}/leases/:id/renew`, ...charge, renewLeaseEndpoint(deps))
  post(`${ledger}/leases/:id/close`, ...charge, closeLeaseEndpoint(deps))
  get(`${ledger}/budgets/:id`, ...api('delegations:read'), budgetEndpoint(deps))
  post(`${ledger}/budgets/:id/close`, ...revokeOne, closeBudgetEndpoint(deps))
  const admin = api('admin')
  // A cut asks leases back, and the list of what was taken back is everybody's.
  const moveCap = [...admin, bounded, readJson] as const
  post(`${ledger}/budgets/:id/cap`, ...moveCap, capEndpoint(deps))
  post(`${ledger}/budgets/:id/top-up`, ...moveCap, topUpEndpoint(deps))
  get(`${ledger}/verification`, ...admin, verificationEndpoint(deps))

  const clients = `${base}/admin/clients`
  app.get(clients, ...admin, listClientsEndpoint(deps))
  app.post(clients, ...admin, readJsonObject, addClientEndpoint(deps))
  app.all(clients, allow('GET, POST'))
  app.get(`${clients}/:client_id`, ...admin, showClientEndpoint(deps))
  app.put(`${clients}/:client_id`, ...admin, readJsonObject, replaceClientEndpoint(deps))
  app.delete(`${clients}/:client_id`, ...admin, removeClientEndpoint(deps))
  app.all(`${clients}/:client_id`, allow('GET, PUT, DELETE'))
  post(`${clients}/:client_id/secret`, ...admin, readJsonObject, rotateSecretEndpoint(deps))

  if (deps.registration.dynamic.mode !== 'off') {
    const limit = [noStore, requireInitialAccess(deps), limitRegistrations(deps)] as const
    post(`${base}/register`, anyOrigin, ...limit, readJsonObject, registerEndpoint(deps))
    const own = `${base}/register/:client_id`
    const limitOwn = [noStore, limitRegistrations(deps)] as const
    app.get(own, ...limitOwn, readRegistrationEndpoint(deps))
    app.put(own, ...limitOwn, readJsonObject, replaceRegistrationEndpoint(deps))
    app.delete(own, ...limitOwn, removeRegistrationEndpoint(deps))
    app.all(own, allow('GET, PUT, DELETE'))
  }

  get('/livez', liveEndpoint)
  get('/readyz', readyEndpoint(deps))

  app.notFound(() => {
    throw new OAuthError('not_found', { description: 'There is nothing at this address.' })
  })
  app.onError(onError(deps.log))
  return app
}
