/** Every table, one schema for PGlite and PostgreSQL. Secrets only as hashes or sealed. */

export {
  authorizationCodes,
  authorizationRequests,
  consents,
  deviceCodes,
  refreshTokens,
} from './schema/authorization.js'
export {
  budgets,
  idempotencyKeys,
  leases,
  ledgerEntries,
  ledgerOpenings,
  requestMinutes,
  reservations,
} from './schema/budgets.js'
export { type ClientKind, clients, type Registrant, tenantClients } from './schema/clients.js'
export { delegationRules, delegations, issuances, revocations } from './schema/delegations.js'
export { invitations, members } from './schema/members.js'
export {
  accounts,
  attempts,
  passkeys,
  sessions,
  ssoProviders,
  twoFactors,
  users,
  verifications,
} from './schema/people.js'
export { registryVersion } from './schema/registry.js'
export { signingKeys, tokenLifetimes } from './schema/signing-keys.js'
export { type ResourceRegistrant, resources, retiredResources, tenants } from './schema/tenants.js'
