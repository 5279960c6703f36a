/** Every table, one schema for PGlite and PostgreSQL. Secrets only as hashes or sealed. */
import type {
  Actor,
  AgentLimitsClaim,
  BudgetPeriod,
  DelegationRule,
  LeaseState,
  ReservationState,
  SigningAlgorithm,
} from '@behalf/protocol'
import { sql } from 'drizzle-orm'
import {
  type AnyPgColumn,
  bigint,
  bigserial,
  boolean,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
} from 'drizzle-orm/pg-core'

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })
const microUsd = (name: string) => bigint(name, { mode: 'bigint' })

/** Organizations: those of people and those of tokens are the same row. */
export const tenants = pgTable('tenants', {
  tenantId: text('tenant_id').primaryKey(),
  name: text('name').notNull(),
  disabled: boolean('disabled').notNull().default(false),
  /** Of the operator's own, for the tokens of its people. */
  claims: jsonb('claims').$type<Record<string, unknown>>().notNull().default({}),
  createdAt: at('created_at').notNull().defaultNow(),
  /** What better-auth calls an organization's slug. */
  slug: text('slug').generatedAlwaysAs(sql`tenant_id`),
  logo: text('logo'),
  metadata: text('metadata'),
})

/** Protected resources, named by their RFC 8707 URI. Without a tenant: open to all of them. */
export const resources = pgTable(
  'resources',
  {
    resource: text('resource').primaryKey(),
    tenantId: text('tenant_id').references(() => tenants.tenantId),
    scopesSupported: text('scopes_supported').array().notNull(),
    /** The resource server that may introspect and charge for it. */
    clientId: text('client_id'),
    /** What a scope lets somebody do, in plain words for the person who is asked. */
    scopeDescriptions: jsonb('scope_descriptions')
      .$type<Record<string, string>>()
      .notNull()
      .default({}),
  },
  (table) => [index('resources_client_id').on(table.clientId)],
)

export type ClientKind = 'agent' | 'resource_server' | 'app'

/** Who wrote a client down: the operator's file, an admin, the client itself, or its document. */
export type Registrant = 'config' | 'admin' | 'dynamic' | 'metadata_document'

export const clients = pgTable(
  'clients',
  {
    clientId: text('client_id').primaryKey(),
    kind: text('kind').$type<ClientKind>().notNull(),
    registeredBy: text('registered_by').$type<Registrant>().notNull().default('config'),
    agentType: text('agent_type'),
    tenantId: text('tenant_id').references(() => tenants.tenantId),
    clientName: text('client_name'),
    clientSecretHash: text('client_secret_hash'),
    tokenEndpointAuthMethod: text('token_endpoint_auth_method').notNull(),
    grantTypes: text('grant_types').array().notNull(),
    redirectUris: text('redirect_uris').array().notNull(),
    /** OpenID Connect RP-Initiated Logout §3.1 */
    postLogoutRedirectUris: text('post_logout_redirect_uris').array().notNull().default(sql`'{}'`),
    scope: text('scope').array().notNull(),
    resources: text('resources').array().notNull(),
    agentLimits: jsonb('agent_limits').$type<AgentLimitsClaim>().notNull(),
    disabled: boolean('disabled').notNull().default(false),
    applicationType: text('application_type'),
    clientUri: text('client_uri'),
    logoUri: text('logo_uri'),
    policyUri: text('policy_uri'),
    tosUri: text('tos_uri'),
    contacts: text('contacts').array(),
    /** What it asked for when it registered itself; `scope` is the part that is allowed today. */
    requestedScope: text('requested_scope').array(),
    /** RFC 7592 §3 */
    registrationTokenHash: text('registration_token_hash'),
    /** A secret that was replaced and is still good for a while. */
    previousSecretHash: text('previous_secret_hash'),
    previousSecretExpiresAt: at('previous_secret_expires_at'),
    createdAt: at('created_at'),
    lastUsedAt: at('last_used_at'),
    documentFetchedAt: at('document_fetched_at'),
    documentExpiresAt: at('document_expires_at'),
    /** The id of a client that an admin removed is never given to another one. */
    deletedAt: at('deleted_at'),
  },
  (table) => [
    index('clients_tenant_id').on(table.tenantId, table.clientId),
    index('clients_self_registered')
      .on(table.registeredBy, table.lastUsedAt, table.createdAt)
      .where(sql`registered_by in ('dynamic', 'metadata_document')`),
  ],
)

/** Who may delegate to whom. No row, no delegation. */
export const delegationRules = pgTable(
  'delegation_rules',
  {
    id: text('id').primaryKey(),
    tenantId: text('tenant_id').references(() => tenants.tenantId),
    /** `client:ID`, `type:AGENT_TYPE` or `*`. */
    fromSelector: text('from_selector').notNull(),
    toSelector: text('to_selector').notNull(),
    mode: text('mode').$type<DelegationRule['mode']>().notNull(),
    scope: text('scope').array(),
    resources: text('resources').array(),
    limits: jsonb('limits').$type<AgentLimitsClaim>().notNull(),
    expiresInSeconds: integer('expires_in_seconds'),
    enabled: boolean('enabled').notNull().default(true),
  },
  (table) => [index('delegation_rules_from').on(table.fromSelector)],
)

/** One edge of lent authority. `lineage` is the path from the root to this row, this row included. */
export const delegations = pgTable(
  'delegations',
  {
    id: text('id').primaryKey(),
    parentId: text('parent_id').references((): AnyPgColumn => delegations.id),
    lineage: text('lineage').array().notNull(),
    tenantId: text('tenant_id').references(() => tenants.tenantId),
    subject: text('subject').notNull(),
    /** The client that holds this authority. */
    actor: text('actor').notNull(),
    act: jsonb('act').$type<Actor>(),
    scope: text('scope').array().notNull(),
    resources: text('resources').array().notNull(),
    limits: jsonb('limits').$type<AgentLimitsClaim>().notNull(),
    /** Budgets that a charge draws on, the tenant's first. */
    budgetIds: text('budget_ids').array().notNull(),
    /** The rule that let it be made, or those that did together. */
    ruleIds: text('rule_ids').array(),
    createdAt: at('created_at').notNull(),
    expiresAt: at('expires_at'),
    revokedAt: at('revoked_at'),
    cause: text('cause'),
  },
  (table) => [
    // An agent stands on one live root of its own at a time; a new one is made when it was revoked.
    uniqueIndex('delegations_live_root')
      .on(table.actor)
      .where(sql`parent_id is null and subject = actor and revoked_at is null`),
    index('delegations_parent_id').on(table.parentId, table.createdAt),
    index('delegations_tenant_id').on(table.tenantId, table.createdAt, table.id),
    index('delegations_subject').on(table.subject),
    index('delegations_actor').on(table.actor),
  ],
)

/** Every token issued, written before the reply. */
export const issuances = pgTable(
  'issuances',
  {
    jti: text('jti').primaryKey(),
    parentJti: text('parent_jti'),
    delegationId: text('delegation_id').notNull(),
    tenantId: text('tenant_id'),
    clientId: text('client_id').notNull(),
    subject: text('subject').notNull(),
    actor: text('actor').notNull(),
    scope: text('scope').notNull(),
    aud: text('aud').array().notNull(),
    issuedAt: at('issued_at').notNull(),
    expiresAt: at('expires_at').notNull(),
  },
  (table) => [index('issuances_delegation_id').on(table.delegationId, table.issuedAt)],
)

/** What was revoked, in commit order. A verifier follows it by cursor. */
export const revocations = pgTable('revocations', {
  cursor: bigserial('cursor', { mode: 'bigint' }).primaryKey(),
  delegationId: text('delegation_id').notNull().unique(),
  cause: text('cause').notNull(),
  revokedAt: at('revoked_at').notNull(),
  /** When no token of it can be alive any more, and the entry may leave the feed. */
  expiresAt: at('expires_at').notNull(),
})

export const signingKeys = pgTable('signing_keys', {
  kid: text('kid').primaryKey(),
  alg: text('alg').$type<SigningAlgorithm>().notNull(),
  publicJwk: jsonb('public_jwk').$type<Record<string, unknown>>().notNull(),
  privateKeySealed: text('private_key_sealed').notNull(),
  createdAt: at('created_at').notNull(),
  /** First use; the key is published before. */
  activeFrom: at('active_from').notNull(),
})

/** Balances. The constraint is the last word: what is spent and held never exceeds the cap. */
export const budgets = pgTable(
  'budgets',
  {
    /** `tenant:ID`, `agent:CLIENT_ID`, the id of a delegation, or a period of these. */
    id: text('id').primaryKey(),
    tenantId: text('tenant_id'),
    cap: microUsd('cap'),
    /** Lower than `cap` while more than it was held when it was cut. New holds are judged by it. */
    wantedCap: microUsd('wanted_cap'),
    /** What the file said last: only another word of the file undoes what an admin has set. */
    fileCap: microUsd('file_cap'),
    spent: microUsd('spent').notNull().default(sql`0`),
    held: microUsd('held').notNull().default(sql`0`),
    /** Open leases that draw on it: each may have its share of what is left. */
    leases: integer('leases').notNull().default(0),
    requestsPerHour: integer('requests_per_hour'),
    /** Over all leases below, limited or not: more than an integer holds. */
    requestsHeld: bigint('requests_held', { mode: 'number' }).notNull().default(0),
    /** Caps of each day, week and month: micro-USD as text. */
    periods: jsonb('periods').$type<Partial<Record<BudgetPeriod, string>>>(),
    /** Escrow: the budgets that it was carved out of, and how much is set aside there still. */
    drawnFrom: text('drawn_from').array(),
    carved: microUsd('carved'),
  },
  (table) => [
    index('budgets_escrow').on(table.id).where(sql`carved is not null`),
    check('budgets_not_negative', sql`${table.spent} >= 0 and ${table.held} >= 0`),
    check(
      'budgets_never_over_cap',
      sql`${table.cap} is null or ${table.spent} + ${table.held} <= ${table.cap}`,
    ),
    check('budgets_counts', sql`${table.leases} >= 0 and ${table.requestsHeld} >= 0`),
  ],
)

export const reservations = pgTable(
  'reservations',
  {
    id: text('id').primaryKey(),
    delegationId: text('delegation_id').notNull(),
    /** The budgets that it was held on, the tenant's first. */
    budgetIds: text('budget_ids').array().notNull(),
    /** The resource server that reserved; nobody else may end it. */
    clientId: text('client_id').notNull(),
    action: text('action').notNull(),
    amount: microUsd('amount').notNull(),
    charged: microUsd('charged'),
    /** What was used beyond the reservation: never charged, held against the meter. */
    overrun: microUsd('overrun'),
    state: text('state').$type<ReservationState>().notNull(),
    onExpiry: text('on_expiry').$type<'charge' | 'release'>().notNull(),
    createdAt: at('created_at').notNull(),
    expiresAt: at('expires_at').notNull(),
    endedAt: at('ended_at'),
  },
  (table) => [
    index('reservations_delegation_id').on(table.delegationId, table.createdAt),
    index('reservations_open').on(table.expiresAt).where(sql`state = 'reserved'`),
    index('reservations_open_of').on(table.clientId).where(sql`state = 'reserved'`),
    check('reservations_amount', sql`${table.amount} > 0`),
    check('reservations_charged', sql`${table.charged} between 0 and ${table.amount}`),
  ],
)

/** Money and requests lent to a resource server, to be spent there without asking. */
export const leases = pgTable(
  'leases',
  {
    id: text('id').primaryKey(),
    delegationId: text('delegation_id').notNull(),
    budgetIds: text('budget_ids').array().notNull(),
    clientId: text('client_id').notNull(),
    /** Which process of that client. */
    holder: text('holder').notNull(),
    epoch: integer('epoch').notNull(),
    seq: integer('seq').notNull(),
    state: text('state').$type<LeaseState>().notNull(),
    held: microUsd('held').notNull(),
    /** Reported and charged. */
    spent: microUsd('spent').notNull(),
    overrun: microUsd('overrun').notNull(),
    /** Charged because it expired; a late report takes back what was not used. */
    expired: microUsd('expired').notNull(),
    requestsHeld: integer('requests_held').notNull(),
    requestsUsed: integer('requests_used').notNull(),
    requestsExpired: integer('requests_expired').notNull(),
    recalled: boolean('recalled').notNull(),
    createdAt: at('created_at').notNull(),
    expiresAt: at('expires_at').notNull(),
    endedAt: at('ended_at'),
  },
  (table) => [
    index('leases_open').on(table.expiresAt).where(sql`state = 'open'`),
    index('leases_open_of').on(table.delegationId, table.clientId).where(sql`state = 'open'`),
    index('leases_ended').on(table.endedAt).where(sql`state <> 'open'`),
    check('leases_not_negative', sql`${table.held} >= 0 and ${table.requestsHeld} >= 0`),
  ],
)

/** Requests of the last hour by the minute, for the budgets that limit them. */
export const requestMinutes = pgTable(
  'request_minutes',
  {
    budgetId: text('budget_id').notNull(),
    /** Minutes since 1970. */
    minute: integer('minute').notNull(),
    count: bigint('count', { mode: 'number' }).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.budgetId, table.minute] }),
    index('request_minutes_minute').on(table.minute),
    check('request_minutes_not_negative', sql`${table.count} >= 0`),
  ],
)

/** Append-only movements. For each budget, the sums of its entries are its balances. */
export const ledgerEntries = pgTable('ledger_entries', {
  id: bigserial('id', { mode: 'bigint' }).primaryKey(),
  /** All that moved together: the path from the tenant down. */
  budgetIds: text('budget_ids').array().notNull(),
  /** The reservation, the lease or the budget that it is about. */
  ref: text('ref').notNull(),
  kind: text('kind').notNull(),
  spent: microUsd('spent').notNull(),
  held: microUsd('held').notNull(),
  /** The new cap, where that is what changed. */
  cap: microUsd('cap'),
  at: at('at').notNull(),
})

/** First answers, refusals too, so that a retry changes nothing. */
export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    clientId: text('client_id').notNull(),
    key: text('key').notNull(),
    requestHash: text('request_hash').notNull(),
    status: integer('status'),
    body: jsonb('body').$type<Record<string, unknown>>(),
    headers: jsonb('headers').$type<Record<string, string>>(),
    expiresAt: at('expires_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.clientId, table.key] }),
    index('idempotency_keys_expires_at').on(table.expiresAt),
  ],
)

/*
 * People. The members of these tables are named as better-auth asks for them; the columns as everywhere.
 */

export const users = pgTable('users', {
  /** `usr_…`, the `sub` of tokens. */
  id: text('id').primaryKey(),
  /** In small letters. */
  email: text('email').notNull().unique(),
  emailVerified: boolean('email_verified').notNull().default(false),
  name: text('name').notNull(),
  image: text('image'),
  role: text('role').$type<'user' | 'admin'>().notNull().default('user'),
  disabled: boolean('disabled').notNull().default(false),
  claims: jsonb('claims').$type<Record<string, unknown>>().notNull().default({}),
  twoFactorEnabled: boolean('two_factor_enabled').notNull().default(false),
  createdAt: at('created_at').notNull().defaultNow(),
  updatedAt: at('updated_at').notNull().defaultNow(),
})

const ofUser = () =>
  text('user_id')
    .notNull()
    .references(() => users.id, { onDelete: 'cascade' })

/** The token is worth nothing by itself: a cookie carries its MAC under the server secret. */
export const sessions = pgTable(
  'sessions',
  {
    id: text('id').primaryKey(),
    token: text('token').notNull().unique(),
    userId: ofUser(),
    expiresAt: at('expires_at').notNull(),
    /** When they proved who they are. */
    createdAt: at('created_at').notNull(),
    updatedAt: at('updated_at').notNull(),
    ipAddress: text('ip_address'),
    userAgent: text('user_agent'),
    activeOrganizationId: text('active_tenant_id').references(() => tenants.tenantId, {
      onDelete: 'set null',
    }),
  },
  (table) => [
    index('sessions_user_id').on(table.userId),
    index('sessions_expires_at').on(table.expiresAt),
  ],
)

/** How a person proves who they are: a password, or an account elsewhere. */
export const accounts = pgTable(
  'accounts',
  {
    id: text('id').primaryKey(),
    userId: ofUser(),
    /** `credential`, or the provider as the configuration names it. */
    providerId: text('provider_id').notNull(),
    accountId: text('account_id').notNull(),
    /** Salted and slow, with its parameters. */
    password: text('password_hash'),
    /** Asked for by better-auth, and always empty: nothing is done elsewhere in their name. */
    accessToken: text('access_token'),
    refreshToken: text('refresh_token'),
    idToken: text('id_token'),
    accessTokenExpiresAt: at('access_token_expires_at'),
    refreshTokenExpiresAt: at('refresh_token_expires_at'),
    scope: text('scope'),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (table) => [
    uniqueIndex('accounts_provider').on(table.providerId, table.accountId),
    index('accounts_user_id').on(table.userId),
  ],
)

/** What was sent out and is to come back once. Only the hash of what names it. */
export const verifications = pgTable(
  'verifications',
  {
    id: text('id').primaryKey(),
    identifier: text('identifier_hash').notNull(),
    value: text('value').notNull(),
    expiresAt: at('expires_at').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (table) => [
    index('verifications_identifier').on(table.identifier),
    index('verifications_expires_at').on(table.expiresAt),
  ],
)

export const members = pgTable(
  'members',
  {
    id: text('id').primaryKey(),
    organizationId: text('tenant_id')
      .notNull()
      .references(() => tenants.tenantId, { onDelete: 'cascade' }),
    userId: ofUser(),
    role: text('role').$type<'owner' | 'admin' | 'member'>().notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (table) => [
    uniqueIndex('members_once').on(table.userId, table.organizationId),
    index('members_tenant_id').on(table.organizationId),
  ],
)

export const invitations = pgTable(
  'invitations',
  {
    id: text('id').primaryKey(),
    organizationId: text('tenant_id')
      .notNull()
      .references(() => tenants.tenantId, { onDelete: 'cascade' }),
    /** In small letters. */
    email: text('email').notNull(),
    role: text('role').$type<'admin' | 'member'>().notNull(),
    status: text('status').$type<'pending' | 'accepted' | 'canceled'>().notNull(),
    /** Of the link in the newest letter. Better-auth wants it nullable, and never writes here. */
    tokenHash: text('token_hash').unique(),
    expiresAt: at('expires_at').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
    inviterId: text('inviter_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
  },
  (table) => [
    uniqueIndex('invitations_pending')
      .on(table.organizationId, table.email)
      .where(sql`status = 'pending'`),
    index('invitations_inviter_id').on(table.inviterId),
    index('invitations_expires_at').on(table.expiresAt),
  ],
)

/** Seeds and backup codes, sealed. */
export const twoFactors = pgTable(
  'two_factors',
  {
    id: text('id').primaryKey(),
    userId: ofUser(),
    secret: text('secret_sealed').notNull(),
    backupCodes: text('backup_codes_sealed').notNull(),
    verified: boolean('verified').notNull().default(true),
    failedVerificationCount: integer('failed_verification_count').notNull().default(0),
    lockedUntil: at('locked_until'),
  },
  (table) => [uniqueIndex('two_factors_user_id').on(table.userId)],
)

export const passkeys = pgTable(
  'passkeys',
  {
    id: text('id').primaryKey(),
    userId: ofUser(),
    name: text('name'),
    publicKey: text('public_key').notNull(),
    credentialID: text('credential_id').notNull().unique(),
    counter: integer('counter').notNull(),
    deviceType: text('device_type').notNull(),
    backedUp: boolean('backed_up').notNull(),
    transports: text('transports'),
    aaguid: text('aaguid'),
    createdAt: at('created_at').defaultNow(),
  },
  (table) => [index('passkeys_user_id').on(table.userId)],
)

/** Asked for by better-auth. Ours stand in the configuration, so it stays empty. */
export const ssoProviders = pgTable('sso_providers', {
  id: text('id').primaryKey(),
  issuer: text('issuer').notNull(),
  oidcConfig: text('oidc_config'),
  samlConfig: text('saml_config'),
  userId: ofUser(),
  providerId: text('provider_id').notNull().unique(),
  organizationId: text('tenant_id').references(() => tenants.tenantId, { onDelete: 'cascade' }),
  domain: text('domain').notNull(),
  domainVerified: boolean('domain_verified'),
})

/** How often something was tried within its window. Keys are hashes of what is counted. */
export const attempts = pgTable(
  'attempts',
  {
    key: text('key_hash').primaryKey(),
    count: integer('count').notNull(),
    endsAt: at('ends_at').notNull(),
  },
  (table) => [index('attempts_ends_at').on(table.endsAt)],
)

/** Devices without a browser, waiting for a person to agree on another one. RFC 8628. */
export const deviceCodes = pgTable(
  'device_codes',
  {
    deviceCodeHash: text('device_code_hash').primaryKey(),
    userCodeHash: text('user_code_hash').notNull(),
    clientId: text('client_id').notNull(),
    scope: text('scope').array().notNull(),
    resources: text('resources').array().notNull(),
    createdAt: at('created_at').notNull(),
    expiresAt: at('expires_at').notNull(),
    /** Seconds between two questions of the device; more whenever it asks too soon. */
    interval: integer('interval').notNull(),
    polledAt: at('polled_at'),
    /** What was true of the last question. */
    polledTooSoon: boolean('polled_too_soon').notNull().default(false),
    /** The session that typed the code in first, and its person. Only they may decide. */
    sessionId: text('session_id'),
    subject: text('subject'),
    /** Once, for good. What was agreed to is an authorization code under the same hash. */
    decidedAt: at('decided_at'),
    approved: boolean('approved'),
  },
  (table) => [
    // A code that has run out may be dealt again once it is forgotten.
    uniqueIndex('device_codes_user_code_hash').on(table.userCodeHash),
    index('device_codes_expires_at').on(table.expiresAt),
    index('device_codes_client_id').on(table.clientId, table.expiresAt),
  ],
)

// Authorization of people: what is asked, what they agreed to, and what was given for it.

/** Authorization requests that wait: pushed by a client, or for a person to sign in and agree. */
export const authorizationRequests = pgTable(
  'authorization_requests',
  {
    requestHash: text('request_hash').primaryKey(),
    /** Pushed ones are read once. One that waits for a person is read until it is decided. */
    kind: text('kind').$type<'pushed' | 'waiting'>().notNull(),
    clientId: text('client_id').notNull(),
    parameters: jsonb('parameters').$type<Record<string, string[]>>().notNull(),
    /** The person has to prove who they are after this. */
    authenticateAfter: at('authenticate_after'),
    /** The session that was shown the question. No other may answer it. */
    sessionId: text('session_id'),
    createdAt: at('created_at').notNull(),
    expiresAt: at('expires_at').notNull(),
    consumedAt: at('consumed_at'),
  },
  (table) => [index('authorization_requests_expires_at').on(table.expiresAt)],
)

/** What a person lets a client do. The delegation is its root, and money is counted by its id. */
export const consents = pgTable(
  'consents',
  {
    id: text('id').primaryKey(),
    subject: text('subject').notNull(),
    clientId: text('client_id').notNull(),
    tenantId: text('tenant_id').references(() => tenants.tenantId),
    scope: text('scope').array().notNull(),
    resources: text('resources').array().notNull(),
    /** The scope by what it is for: what was agreed to for one resource is not for another. */
    granted: jsonb('granted').$type<Record<string, string[]>>().notNull(),
    limits: jsonb('limits').$type<AgentLimitsClaim>().notNull(),
    /** The newest of its roots. */
    delegationId: text('delegation_id').notNull(),
    createdAt: at('created_at').notNull(),
    expiresAt: at('expires_at'),
    revokedAt: at('revoked_at'),
  },
  (table) => [
    uniqueIndex('consents_live')
      .on(table.subject, table.clientId, sql`coalesce(tenant_id, '')`)
      .where(sql`revoked_at is null`),
    index('consents_client_id').on(table.clientId),
  ],
)

export const authorizationCodes = pgTable(
  'authorization_codes',
  {
    codeHash: text('code_hash').primaryKey(),
    clientId: text('client_id').notNull(),
    redirectUri: text('redirect_uri').notNull(),
    saidRedirectUri: boolean('said_redirect_uri').notNull(),
    codeChallenge: text('code_challenge').notNull(),
    consentId: text('consent_id').notNull(),
    /** From the consent's root to the delegation that the code will buy. */
    lineage: text('lineage').array().notNull(),
    subject: text('subject').notNull(),
    tenantId: text('tenant_id'),
    scope: text('scope').array().notNull(),
    resources: text('resources').array().notNull(),
    nonce: text('nonce'),
    authenticatedAt: at('authenticated_at').notNull(),
    createdAt: at('created_at').notNull(),
    expiresAt: at('expires_at').notNull(),
    consumedAt: at('consumed_at'),
  },
  (table) => [index('authorization_codes_expires_at').on(table.expiresAt)],
)

/** All refresh tokens of one delegation are a family: with the delegation all of them end. */
export const refreshTokens = pgTable(
  'refresh_tokens',
  {
    tokenHash: text('token_hash').primaryKey(),
    delegationId: text('delegation_id').notNull(),
    clientId: text('client_id').notNull(),
    consentId: text('consent_id').notNull(),
    authenticatedAt: at('authenticated_at').notNull(),
    createdAt: at('created_at').notNull(),
    /** Unused until then, it is dead. */
    expiresAt: at('expires_at').notNull(),
    /** The end of the family, however often it is used. */
    familyExpiresAt: at('family_expires_at').notNull(),
    consumedAt: at('consumed_at'),
    /** Its successor, for whoever asks again at the same moment. */
    successorHash: text('successor_hash'),
    successorSealed: text('successor_sealed'),
  },
  (table) => [
    index('refresh_tokens_delegation_id').on(table.delegationId),
    index('refresh_tokens_expires_at').on(table.expiresAt),
  ],
)
