/**
 * The durable record of every token, written before the reply together with those that arrive at the
 * same moment. The same statement locks and re-checks the lineage, and makes the new delegation if
 * there is one: nothing is issued after a revocation has been committed.
 */
import type { Actor, AgentLimitsClaim } from '@behalf/protocol'
import { createBatch } from './batch.js'
import type { Database } from './database.js'
import { withRetry } from './failures.js'

export interface NewDelegation {
  id: string
  parent_id: string
  lineage: readonly string[]
  tenant_id: string | undefined
  subject: string
  actor: string
  act: Actor | undefined
  scope: readonly string[]
  resources: readonly string[]
  limits: AgentLimitsClaim
  budget_ids: readonly string[]
  /** Micro-USD, as decimal text. */
  cap: string | undefined
  rule_id: string | undefined
  expires_at: string
}

export interface IssuanceRow {
  jti: string
  parent_jti: string | undefined
  delegation_id: string
  tenant_id: string | undefined
  client_id: string
  subject: string
  actor: string
  scope: string
  aud: readonly string[]
  issued_at: string
  expires_at: string
  /** The delegations that must all be alive now. */
  standing_on: readonly string[]
  /** Made together with the token. */
  delegation: NewDelegation | undefined
}

const statement = `
  with asked as (
    select * from jsonb_to_recordset($1::text::jsonb) as t(
      jti text, parent_jti text, delegation_id text, tenant_id text, client_id text, subject text,
      actor text, scope text, aud text[], issued_at timestamptz, expires_at timestamptz,
      standing_on text[], delegation jsonb)
  ), alive as (
    select d.id from delegations d
    where d.id in (select unnest(standing_on) from asked)
      and d.revoked_at is null and (d.expires_at is null or d.expires_at > $2::text::timestamptz)
    order by d.id
    for share
  ), granted as (
    select * from asked
    where not exists (
      select from unnest(standing_on) as step(id) where step.id not in (select id from alive))
  ), made as (
    insert into delegations (id, parent_id, lineage, tenant_id, subject, actor, act, scope, resources,
      limits, budget_ids, rule_id, created_at, expires_at)
    select d.id, d.parent_id, d.lineage, d.tenant_id, d.subject, d.actor, d.act, d.scope, d.resources,
      d.limits, d.budget_ids, d.rule_id, g.issued_at, d.expires_at
    from granted g, jsonb_to_record(g.delegation) as d(
      id text, parent_id text, lineage text[], tenant_id text, subject text, actor text, act jsonb,
      scope text[], resources text[], limits jsonb, budget_ids text[], rule_id text,
      expires_at timestamptz)
    where g.delegation is not null
  ), funded as (
    insert into budgets (id, tenant_id, cap)
    select d.id, d.tenant_id, d.cap
    from granted g, jsonb_to_record(g.delegation) as d(id text, tenant_id text, cap bigint)
    where g.delegation is not null
  )
  insert into issuances (jti, parent_jti, delegation_id, tenant_id, client_id, subject, actor, scope,
    aud, issued_at, expires_at)
  select jti, parent_jti, delegation_id, tenant_id, client_id, subject, actor, scope,
    aud, issued_at, expires_at
  from granted
  returning jti`

export const issuancesStore = ({ write }: Database, now: () => Date) => {
  const flush = async (rows: IssuanceRow[]): Promise<boolean[]> => {
    const params = [JSON.stringify(rows), now().toISOString()]
    const recorded = await withRetry(() => write(statement, params))
    const jtis = new Set(recorded.map(({ jti }) => jti))
    return rows.map(({ jti }) => jtis.has(jti))
  }
  return {
    /** @returns false when a delegation that the token stands on was no longer alive */
    record: createBatch(flush),
  }
}
