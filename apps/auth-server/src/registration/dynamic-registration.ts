/**
 * Clients that register themselves. RFC 7591. Deprecated for MCP in favour of metadata documents, and
 * still what many clients know.
 */
import { randomBytes } from 'node:crypto'
import { formatScope, OAuthError } from '@behalf/protocol'
import type { Deps } from '../deps.js'
import { hashSecret, matchesHash, newSecret } from '../secrets.js'
import type { NewClient } from '../store/clients.js'
import type { RegisteredClient } from '../store/registrations.js'
import {
  type ClientMetadata,
  checkRedirectUris,
  invalidMetadata,
  parseClientMetadata,
  selfRegisteredGrantTypes,
} from './client-metadata.js'

const authMethods = ['none', 'client_secret_basic', 'client_secret_post']

/** RFC 6750 §3: with 401, and with the challenge. */
export const refuseToken = (): OAuthError =>
  new OAuthError('invalid_token', {
    description: 'The registration needs a token that is good for it.',
    reason: 'registration_token',
    headers: { 'WWW-Authenticate': 'Bearer error="invalid_token"' },
  })

export const readBearer = (header: string | undefined): string | undefined =>
  /^Bearer +(\S+)$/i.exec(header ?? '')?.[1]

/** RFC 7591 §3: with `initial_access_token`, only for who was given one. */
export const checkInitialAccess = (header: string | undefined, { registration }: Deps): void => {
  const { mode, initialAccessTokenHashes: hashes } = registration.dynamic
  if (mode === 'open') return
  const token = readBearer(header) ?? ''
  // All of them, so that the time does not tell which.
  const matches = hashes.filter((hash) => matchesHash(token, hash))
  if (matches.length === 0) throw refuseToken()
}

const checkAuthMethod = (stated: string | undefined): string => {
  // RFC 7591 §2: the default is client_secret_basic.
  const method = stated ?? 'client_secret_basic'
  if (authMethods.includes(method)) return method
  throw invalidMetadata(
    `token_endpoint_auth_method must be one of ${authMethods.join(', ')}.`,
    'auth_method_not_supported',
  )
}

/** RFC 7591 §2.1: grant types and response types go together. Others are not for strangers. */
const checkGrantTypes = ({ grant_types, response_types }: ClientMetadata): string[] => {
  const stated = grant_types ?? ['authorization_code']
  const known = selfRegisteredGrantTypes.filter((one) => stated.includes(one))
  if (known.length !== new Set(stated).size || !known.includes('authorization_code')) {
    throw invalidMetadata(
      'grant_types must be authorization_code, with refresh_token or without.',
      'grant_type_not_allowed',
    )
  }
  if (response_types?.some((type) => type !== 'code') || response_types?.length === 0) {
    throw invalidMetadata('response_types must be code.', 'response_type_not_allowed')
  }
  return [...known]
}

/**
 * The columns that follow from what the client says. Everything else (its id, its secrets, its tenant,
 * what it may use) is not for it to say, so its members of these names are never looked at.
 *
 * @throws OAuthError `invalid_client_metadata`, `invalid_redirect_uri`
 */
export const memberColumns = (body: Record<string, unknown>, { registration }: Deps) => {
  const metadata = parseClientMetadata(body)
  return {
    clientName: metadata.client_name ?? null,
    tokenEndpointAuthMethod: checkAuthMethod(metadata.token_endpoint_auth_method),
    grantTypes: checkGrantTypes(metadata),
    redirectUris: metadata.redirect_uris,
    applicationType: checkRedirectUris(metadata.redirect_uris, metadata.application_type),
    clientUri: metadata.client_uri ?? null,
    logoUri: metadata.logo_uri ?? null,
    policyUri: metadata.policy_uri ?? null,
    tosUri: metadata.tos_uri ?? null,
    contacts: metadata.contacts ?? null,
    // RFC 7591 §2 lets the server register another scope than the client states. The SDKs of MCP state
    // the one of the first challenge, which is not all that they will come to need (MCP Authorization,
    // "Step-Up Authorization Flow"): the bound is what the operator allows and a person agrees to.
    requestedScope: null,
    scope: [...registration.dynamic.scope],
    resources: [...registration.dynamic.resources],
  }
}

type Answered = Pick<
  RegisteredClient,
  'clientId' | 'tokenEndpointAuthMethod' | 'grantTypes' | 'redirectUris' | 'scope'
> &
  Partial<NewClient>

/** RFC 7591 §3.2.1: all registered metadata, as it was registered. */
export const registeredMembers = (client: Answered, issuer: string): Record<string, unknown> => {
  const members = {
    client_id: client.clientId,
    client_id_issued_at: client.createdAt && Math.floor(client.createdAt.getTime() / 1000),
    client_name: client.clientName,
    application_type: client.applicationType,
    redirect_uris: client.redirectUris,
    token_endpoint_auth_method: client.tokenEndpointAuthMethod,
    grant_types: client.grantTypes,
    response_types: ['code'],
    scope: formatScope(client.scope),
    client_uri: client.clientUri,
    logo_uri: client.logoUri,
    policy_uri: client.policyUri,
    tos_uri: client.tosUri,
    contacts: client.contacts,
    registration_client_uri: `${issuer}/register/${client.clientId}`,
  }
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value != null))
}

/** RFC 7591 §3.2.1: 0 is a secret that does not expire. */
export const secretMembers = (secret: string | undefined) =>
  secret === undefined ? {} : { client_secret: secret, client_secret_expires_at: 0 }

const tooManyClients = (): OAuthError =>
  new OAuthError('temporarily_unavailable', {
    description: 'As many clients have registered themselves as may.',
    reason: 'too_many_clients',
    headers: { 'Retry-After': '3600' },
  })

/** `POST /register`. @returns the only answer that shows the secrets */
export const registerClient = async (
  body: Record<string, unknown>,
  deps: Deps,
): Promise<Record<string, unknown>> => {
  const columns = memberColumns(body, deps)
  const token = newSecret('rat')
  const secret = columns.tokenEndpointAuthMethod === 'none' ? undefined : newSecret('cs')
  const { dynamic } = deps.registration
  const client = {
    ...columns,
    clientId: `dyn_${randomBytes(16).toString('base64url')}`,
    registeredBy: 'dynamic' as const,
    // A person stands behind whatever it does.
    kind: 'app' as const,
    tenantId: dynamic.tenantId ?? null,
    clientSecretHash: secret === undefined ? null : hashSecret(secret),
    agentLimits: {},
    registrationTokenHash: hashSecret(token),
    createdAt: deps.now(),
  }
  if (!(await deps.store.registrations.addDynamic(client, dynamic.maxClients))) {
    throw tooManyClients()
  }
  return {
    ...registeredMembers(client, deps.issuer),
    ...secretMembers(secret),
    registration_access_token: token,
  }
}
