/** Lent authority: who may lend it, what was lent, the tokens for it, and what was taken back. */
import type { Actor, AgentLimitsClaim, DelegationRule } from '@behalf/protocol'
import { sql } from 'drizzle-orm'
import {
  type AnyPgColumn,
  bigserial,
  boolean,
  index,
  integer,
  jsonb,
  pgTable,
  text,
  uniqueIndex,
} from 'drizzle-orm/pg-core'
import { at } from './columns.js'
import { readByDelegation, readByTenant } from './row-security.js'
import { tenants } from './tenants.js'

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
  (table) => [readByTenant(), index('delegation_rules_from').on(table.fromSelector)],
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
    readByTenant(),
    // An agent stands on one live root of its own at a time; a new one is made when it was revoked.
    uniqueIndex('delegations_live_root')
      .on(table.actor)
      .where(sql`parent_id is null and subject = actor and revoked_at is null`),
    // Nearly all rows have ended. With the end in the index those are not looked at.
    index('delegations_parent_id').on(table.parentId, table.expiresAt),
    index('delegations_subject').on(table.subject, table.expiresAt),
    index('delegations_actor').on(table.actor, table.expiresAt),
    index('delegations_tenant_id').on(table.tenantId, table.expiresAt),
    index('delegations_endless_of_tenant')
      .on(table.tenantId, table.createdAt, table.id)
      .where(sql`expires_at is null and revoked_at is null`),
    index('delegations_endless_of_actor')
      .on(table.actor, table.createdAt, table.id)
      .where(sql`expires_at is null and revoked_at is null`),
    index('delegations_ended')
      .on(sql`least(revoked_at, expires_at)`, table.id)
      .where(sql`least(revoked_at, expires_at) is not null`),
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
  (table) => [
    readByTenant(),
    index('issuances_delegation_id').on(table.delegationId, table.issuedAt),
    index('issuances_issued_at').on(table.issuedAt),
  ],
)

/** What was revoked, in commit order. A verifier follows it by cursor. */
export const revocations = pgTable(
  'revocations',
  {
    cursor: bigserial('cursor', { mode: 'bigint' }).primaryKey(),
    delegationId: text('delegation_id').notNull().unique(),
    cause: text('cause').notNull(),
    revokedAt: at('revoked_at').notNull(),
    /** When no token of it can be alive any more, and the entry may leave the feed. */
    expiresAt: at('expires_at').notNull(),
  },
  () => [readByDelegation('revocations')],
)
