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

/** Organizations. */
export const tenants = pgTable('tenants', {
  tenantId: text('tenant_id').primaryKey(),
  name: text('name').notNull(),
  disabled: boolean('disabled').notNull().default(false),
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
