/** Authorization of people: what is asked, what they agreed to, and what was given for it. */
import type { AgentLimitsClaim } from '@behalf/protocol'
import { sql } from 'drizzle-orm'
import { boolean, index, integer, jsonb, pgTable, text, uniqueIndex } from 'drizzle-orm/pg-core'
import { at } from './columns.js'
import { readByTenant } from './row-security.js'
import { tenants } from './tenants.js'

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
).enableRLS()

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
).enableRLS()

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
    /** Those that the client itself had when the person agreed. */
    clientLimits: jsonb('client_limits').$type<AgentLimitsClaim>().notNull().default({}),
    /** The newest of its roots. */
    delegationId: text('delegation_id').notNull(),
    createdAt: at('created_at').notNull(),
    expiresAt: at('expires_at'),
    revokedAt: at('revoked_at'),
  },
  (table) => [
    readByTenant(),
    uniqueIndex('consents_live')
      .on(table.subject, table.clientId, sql`coalesce(tenant_id, '')`)
      .where(sql`revoked_at is null`),
    index('consents_client_id').on(table.clientId),
    index('consents_delegation_id').on(table.delegationId),
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
).enableRLS()

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
).enableRLS()
