/** The route table: every URL of the server, and what stands before it. */
import { OAuthError } from '@behalf/protocol'
import { Hono, type MiddlewareHandler } from 'hono'
import type { Deps } from './deps.js'
import {
  accountConsentEndpoint,
  accountEndpoint,
  revokeConsentEndpoint,
} from './endpoints/account.js'
import {
  addClientEndpoint,
  listClientsEndpoint,
  removeClientEndpoint,
  replaceClientEndpoint,
  rotateSecretEndpoint,
  showClientEndpoint,
} from './endpoints/admin-clients.js'
import {
  addKeyEndpoint,
  addResourceEndpoint,
  listKeysEndpoint,
  listResourcesEndpoint,
  removeResourceEndpoint,
  replaceResourceEndpoint,
  revokeKeysEndpoint,
  showResourceEndpoint,
} from './endpoints/admin-resources.js'
import { authEndpoint, passkeyEndpoint } from './endpoints/auth.js'
import { authorizeEndpoint } from './endpoints/authorize.js'
import { consentEndpoint } from './endpoints/consent.js'
import {
  checkDelegationEndpoint,
  listDelegationsEndpoint,
  revokeAllEndpoint,
  revokeDelegationEndpoint,
} from './endpoints/delegations.js'
import { deviceEndpoint, postDeviceEndpoint } from './endpoints/device.js'
import { deviceAuthorizationEndpoint } from './endpoints/device-authorization.js'
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
import { logoutEndpoint, postLogoutEndpoint } from './endpoints/logout.js'
import { metadataEndpoint } from './endpoints/metadata.js'
import { openidConfigurationEndpoint } from './endpoints/openid-configuration.js'
import {
  changeInvitations,
  changeMembers,
  chooseOrganization,
  invitationEndpoint,
  invitationForm,
  organizationsPage,
} from './endpoints/organization.js'
import { parEndpoint } from './endpoints/par.js'
import {
  readRegistrationEndpoint,
  registerEndpoint,
  removeRegistrationEndpoint,
  replaceRegistrationEndpoint,
} from './endpoints/register.js'
import { resetPasswordEndpoint, resetPasswordForm } from './endpoints/reset-password.js'
import { revocationFeedEndpoint } from './endpoints/revocation-feed.js'
import { revokeEndpoint } from './endpoints/revoke.js'
import {
  changeName,
  changePassword,
  removePasskey,
  securityPage,
  twoFactorSettings,
} from './endpoints/security.js'
import {
  signInElsewhere,
  signInEndpoint,
  signInForm,
  signOutEndpoint,
} from './endpoints/sign-in.js'
import {
  signUpEndpoint,
  signUpForm,
  verifyEmailEndpoint,
  verifyEmailForm,
} from './endpoints/sign-up.js'
import { decidesOnRegistryAlone, tokenEndpoint } from './endpoints/token.js'
import { twoFactorEndpoint, twoFactorForm } from './endpoints/two-factor.js'
import { userinfoEndpoint } from './endpoints/userinfo.js'
import { asPage } from './middleware/as-page.js'
import { authenticateCaller } from './middleware/authenticate-caller.js'
import { authenticateClient } from './middleware/authenticate-client.js'
import { crossOrigin } from './middleware/cross-origin.js'
import type { Env } from './middleware/env.js'
import { requireOwnOrigin } from './middleware/form-token.js'
import { limitAddresses } from './middleware/limit-addresses.js'
import { limitClients } from './middleware/limit-clients.js'
import { limitRegistrations, requireInitialAccess } from './middleware/limit-registrations.js'
import { noStore } from './middleware/no-store.js'
import { onError } from './middleware/on-error.js'
import { readForm, readJson, readJsonObject } from './middleware/read-body.js'
import { refuseDpop } from './middleware/refuse-dpop.js'
import { knownAddress, remoteAddress } from './middleware/remote-address.js'

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
const openidWellKnown = '/.well-known/openid-configuration'

export const createApp = (deps: Deps) => {
  const app = new Hono<Env>()
  const { pathname } = new URL(deps.issuer)
  const base = pathname === '/' ? '' : pathname
  const pages = crossOrigin(deps.allowedOrigins)
  const form = [readForm, authenticateClient(deps)] as const
  const api = (scope: string) => [noStore, authenticateCaller(scope, deps)] as const

  const get = (path: string, ...handlers: MiddlewareHandler<Env>[]) =>
    app.on(['GET', 'OPTIONS'], [path], ...handlers).all(path, allow('GET'))
  const post = (path: string, ...handlers: MiddlewareHandler<Env>[]) =>
    app.on(['POST', 'OPTIONS'], [path], ...handlers).all(path, allow('POST'))

  // RFC 8414 §3.1: the well-known name goes before the issuer's path; some clients append it.
  get(`${wellKnown}${base}`, pages, metadataEndpoint(deps))
  if (base) get(`${base}${wellKnown}`, pages, metadataEndpoint(deps))
  // OpenID Connect Discovery §4 appends it; MCP clients try the other order as well.
  get(`${base}${openidWellKnown}`, pages, openidConfigurationEndpoint(deps))
  if (base) get(`${openidWellKnown}${base}`, pages, openidConfigurationEndpoint(deps))
  get(`${base}/jwks`, pages, jwksEndpoint(deps))

  const tokens = limitClients(deps, 'token')
  const forTokens = [
    pages,
    noStore,
    refuseDpop,
    readForm,
    authenticateClient(deps, decidesOnRegistryAlone),
  ] as const
  post(`${base}/token`, ...forTokens, tokens, tokenEndpoint(deps))
  const bounded = limitClients(deps, 'revoke')
  post(`${base}/revoke`, pages, noStore, ...form, bounded, revokeEndpoint(deps))
  // Anybody who knows a public client may ask, and each answer is kept for ten minutes.
  const proxy = deps.signIn.config
  const fewDevices = limitAddresses(deps, 'device_authorization', (c) => remoteAddress(c, proxy))
  const ofClient = limitClients(deps, 'device_authorization')
  const device = [pages, noStore, fewDevices, ...form, ofClient] as const
  post(`${base}/device_authorization`, ...device, deviceAuthorizationEndpoint(deps))
  const asks = limitClients(deps, 'introspect')
  const remembered = [readForm, authenticateClient(deps, () => true)] as const
  post(`${base}/introspect`, noStore, ...remembered, asks, introspectEndpoint(deps))

  // What waits is kept, for somebody who may never come, and a client may have to be read first.
  const fewPushed = limitAddresses(deps, 'par', (c) => knownAddress(c, proxy))
  const pushed = [
    pages,
    noStore,
    refuseDpop,
    fewPushed,
    ...form,
    limitClients(deps, 'par'),
  ] as const
  post(`${base}/par`, ...pushed, parEndpoint(deps))
  // Any site may send somebody here by a form; what is decided is decided on the pages behind it.
  const authorize = authorizeEndpoint(deps)
  const fewRequests = limitAddresses(deps, 'authorize', (c) => knownAddress(c, proxy))
  app.get(`${base}/authorize`, asPage, noStore, fewRequests, authorize)
  app.post(`${base}/authorize`, asPage, noStore, fewRequests, readForm, authorize)
  app.all(`${base}/authorize`, allow('GET, POST'))
  const ownForm = [asPage, noStore, requireOwnOrigin(deps.issuer), readForm] as const
  post(`${base}/consent`, ...ownForm, consentEndpoint(deps))
  get(`${base}/account`, asPage, noStore, accountEndpoint(deps))
  get(`${base}/account/consent`, asPage, noStore, accountConsentEndpoint(deps))
  post(`${base}/account/revoke`, ...ownForm, revokeConsentEndpoint(deps))

  app.on(['GET', 'POST', 'OPTIONS'], `${base}/userinfo`, pages, noStore, userinfoEndpoint(deps))
  app.all(`${base}/userinfo`, pages, allow('GET, POST'))

  app.get(`${base}/device`, asPage, noStore, deviceEndpoint(deps))
  app.post(`${base}/device`, ...ownForm, postDeviceEndpoint(deps))
  app.all(`${base}/device`, allow('GET, POST'))

  app.get(`${base}/logout`, asPage, noStore, logoutEndpoint(deps))
  app.post(`${base}/logout`, asPage, noStore, readForm, postLogoutEndpoint(deps))
  app.all(`${base}/logout`, allow('GET, POST'))

  const revoke = api('delegations:revoke')
  app.get(`${base}/revocations`, pages, revocationFeedEndpoint(deps))
  app.post(`${base}/revocations`, ...revoke, readJson, revokeAllEndpoint(deps))
  app.all(`${base}/revocations`, pages, allow('GET, POST'))
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

  // Pages of people: what goes wrong is told on a page, and forms come from here.
  const page = (path: string, show: MiddlewareHandler<Env>, send?: MiddlewareHandler<Env>) => {
    app.get(`${base}${path}`, asPage, show)
    if (send) app.post(`${base}${path}`, ...posted, send)
    app.all(`${base}${path}`, allow(send ? 'GET, POST' : 'GET'))
  }
  const posted = [asPage, requireOwnOrigin(deps.issuer), readForm] as const
  page('/sign-in', signInForm(deps), signInEndpoint(deps))
  page('/sign-in/with/:provider', signInElsewhere(deps))
  page('/sign-up', signUpForm(deps), signUpEndpoint(deps))
  page('/verify-email', verifyEmailForm(deps), verifyEmailEndpoint(deps))
  page('/reset-password', resetPasswordForm(deps), resetPasswordEndpoint(deps))
  page('/two-factor', twoFactorForm(deps), twoFactorEndpoint(deps))
  post(`${base}/sign-out`, ...posted, signOutEndpoint(deps))
  page('/account/security', securityPage(deps))
  post(`${base}/account/security/two-factor`, ...posted, twoFactorSettings(deps))
  post(`${base}/account/security/passkeys/remove`, ...posted, removePasskey(deps))
  post(`${base}/account/security/name`, ...posted, changeName(deps))
  post(`${base}/account/security/password`, ...posted, changePassword(deps))
  page('/account/organization', organizationsPage(deps), chooseOrganization(deps))
  post(`${base}/account/organization/members`, ...posted, changeMembers(deps))
  post(`${base}/account/organization/invitations`, ...posted, changeInvitations(deps))
  page('/account/invitation', invitationForm(deps), invitationEndpoint(deps))
  app.post(`${base}/auth/passkey/*`, readJsonObject, passkeyEndpoint(deps))
  app.on(['GET', 'POST'], `${base}/auth/*`, authEndpoint(deps))
  const clients = `${base}/admin/clients`
  app.get(clients, ...admin, listClientsEndpoint(deps))
  app.post(clients, ...admin, readJsonObject, addClientEndpoint(deps))
  app.all(clients, allow('GET, POST'))
  app.get(`${clients}/:client_id`, ...admin, showClientEndpoint(deps))
  app.put(`${clients}/:client_id`, ...admin, readJsonObject, replaceClientEndpoint(deps))
  app.delete(`${clients}/:client_id`, ...admin, removeClientEndpoint(deps))
  app.all(`${clients}/:client_id`, allow('GET, PUT, DELETE'))
  post(`${clients}/:client_id/secret`, ...admin, readJsonObject, rotateSecretEndpoint(deps))

  const resources = `${base}/admin/resources`
  app.get(resources, ...admin, listResourcesEndpoint(deps))
  app.post(resources, ...admin, readJsonObject, addResourceEndpoint(deps))
  app.all(resources, allow('GET, POST'))
  const resource = `${resources}/:resource_id`
  app.get(resource, ...admin, showResourceEndpoint(deps))
  app.put(resource, ...admin, readJsonObject, replaceResourceEndpoint(deps))
  app.delete(resource, ...admin, removeResourceEndpoint(deps))
  app.all(resource, allow('GET, PUT, DELETE'))
  app.get(`${resource}/keys`, ...admin, listKeysEndpoint(deps))
  app.post(`${resource}/keys`, ...admin, readJsonObject, addKeyEndpoint(deps))
  app.delete(`${resource}/keys`, ...admin, revokeKeysEndpoint(deps))
  app.all(`${resource}/keys`, allow('GET, POST, DELETE'))

  if (deps.registration.dynamic.mode !== 'off') {
    const few = limitRegistrations(deps, 'register')
    const limit = [noStore, requireInitialAccess(deps), few] as const
    post(`${base}/register`, pages, ...limit, readJsonObject, registerEndpoint(deps))
    const own = `${base}/register/:client_id`
    const limitOwn = [noStore, limitRegistrations(deps, 'manage-registration')] as const
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
