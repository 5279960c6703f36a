/**
 * People and how they sign in. The members of these tables are named as better-auth asks for them; the
 * columns as everywhere. Secrets only as hashes or sealed.
 */
import { boolean, index, integer, jsonb, pgTable, text, uniqueIndex } from 'drizzle-orm/pg-core'
import { at } from './columns.js'
import { readByMembership } from './row-security.js'
import { tenants } from './tenants.js'

export const users = pgTable(
  'users',
  {
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
  },
  () => [readByMembership()],
)

/** Of a person, and gone with them. */
export const ofUser = () =>
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
).enableRLS()

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
).enableRLS()

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
).enableRLS()

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
).enableRLS()

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
).enableRLS()

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
}).enableRLS()

/** How often something was tried within its window. Keys are hashes of what is counted. */
export const attempts = pgTable(
  'attempts',
  {
    key: text('key_hash').primaryKey(),
    count: integer('count').notNull(),
    endsAt: at('ends_at').notNull(),
  },
  (table) => [index('attempts_ends_at').on(table.endsAt)],
).enableRLS()
