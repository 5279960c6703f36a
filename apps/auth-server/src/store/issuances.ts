/**
 * The durable record of every token, written before the reply together with those that arrive at the
 * same moment. The same statement locks and re-checks the lineage, and makes the new delegation if
 * there is one: nothing is issued after a revocation has been committed.
 */
import type { Actor, AgentLimitsClaim } from '@behalf/protocol'
import { createBatch } from './batch.js'
import type { Database, Row, Statement } from './database.js'
import { withRetry } from './failures.js'
import type { NewRefreshToken } from './refresh-tokens.js'
import { isCurrent } from './registry-version.js'
import { arrayOf, rowsOf } from './row-arrays.js'

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
  /** Micro-USD to be set aside for it, once it has been made. */
  set_aside: string | undefined
  rule_ids: readonly string[] | undefined
  expires_at: string
}

/** A code is spent by the statement that records what it buys. */
export interface Redemption {
  code_hash: string
  client_id: string
  /** The first of its family. */
  refresh_token: NewRefreshToken | undefined
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
  redemption?: Redemption | undefined
  /** The version of the registry that it was decided on, to be checked. Absent: no matter which. */
  as_of?: string | undefined
}

/** How many delegations may hang from one. */
export interface FanOut {
  /** Alive at the same time. */
  maxChildren: number
  /** Made within a minute. */
  maxChildrenPerMinute: number
}

/**
 * `ended`: something that the token stands on is no longer alive, or as it was. `fan_out`: one child too many.
 * `replayed`: its code was spent before.
 */
export type Recorded = 'recorded' | 'ended' | 'fan_out' | 'replayed'

const ownRows = rowsOf<IssuanceRow>(1, [
  ['jti', 'text', ({ jti }) => jti],
  ['delegation_id', 'text', ({ delegation_id }) => delegation_id],
  ['tenant_id', 'text', ({ tenant_id }) => tenant_id],
  ['client_id', 'text', ({ client_id }) => client_id],
  ['subject', 'text', ({ subject }) => subject],
  ['actor', 'text', ({ actor }) => actor],
  ['scope', 'text', ({ scope }) => scope],
  ['aud', 'text[]', ({ aud }) => arrayOf(aud)],
  ['issued_at', 'timestamptz', ({ issued_at }) => issued_at],
  ['expires_at', 'timestamptz', ({ expires_at }) => expires_at],
  ['as_of', 'text', ({ as_of }) => as_of],
])

/**
 * A client's own token, without a lock: should its root be revoked in this very moment, the token names
 * the root and is dead with it. What it is exchanged for is checked under the lock.
 */
const recordOwn = `
  insert into issuances (jti, delegation_id, tenant_id, client_id, subject, actor, scope, aud,
    issued_at, expires_at)
  select a.jti, a.delegation_id, a.tenant_id, a.client_id, a.subject, a.actor, a.scope, a.aud,
    a.issued_at, a.expires_at
  from ${ownRows.table} a
  join delegations d on d.id = a.delegation_id and d.revoked_at is null
  where ${isCurrent('a.as_of')}
  returning jti, 'recorded' as outcome`

/** Locked before they are counted: a statement does not see what was committed while it waited. */
const lockParents = `
  select id from delegations where id = any($1::text[]) order by id for no key update`

const countChildren = `
  select count(*) filter (where revoked_at is null and expires_at > $2::text::timestamptz)::int
      as live,
    count(*) filter (where created_at > $2::text::timestamptz - interval '1 minute')::int as recent
  from delegations
  where parent_id = $1 and expires_at > $2::text::timestamptz - interval '1 minute'`

const recordExchanged = `
  with asked as (
    select t.*, t.delegation->>'parent_id' as parent_id,
      row_number() over (partition by t.delegation->>'parent_id' order by t.jti) as nth
    from jsonb_to_recordset($1::text::jsonb) as t(
      jti text, parent_jti text, delegation_id text, tenant_id text, client_id text, subject text,
      actor text, scope text, aud text[], issued_at timestamptz, expires_at timestamptz,
      standing_on text[], delegation jsonb, as_of text)
  ), alive as (
    -- Locked by the statement before. By a parameter, or the planner would read all there are, in order.
    select d.id from delegations d
    where d.id = any($5::text[])
      and d.revoked_at is null and (d.expires_at is null or d.expires_at > $2::text::timestamptz)
  ), children as (
    select d.parent_id,
      count(*) filter (where d.revoked_at is null and d.expires_at > $2::text::timestamptz) as live,
      count(*) filter (where d.created_at > $2::text::timestamptz - interval '1 minute') as recent
    from delegations d
    where d.parent_id in (select parent_id from asked)
      -- Each has an end later than its beginning: so these are all that live or were made just now.
      and d.expires_at > $2::text::timestamptz - interval '1 minute'
    group by d.parent_id
  ), judged as (
    select asked.*,
      ${isCurrent('asked.as_of')} and not exists (
        select from unnest(standing_on) as step(id) where step.id not in (select id from alive)
      ) as stands,
      delegation is null or (coalesce(children.live, 0) + nth <= $3::int
        and coalesce(children.recent, 0) + nth <= $4::int) as fits
    from asked left join children using (parent_id)
  ), granted as (
    select * from judged where stands and fits
  ), made as (
    insert into delegations (id, parent_id, lineage, tenant_id, subject, actor, act, scope, resources,
      limits, budget_ids, rule_ids, created_at, expires_at)
    select d.id, d.parent_id, d.lineage, d.tenant_id, d.subject, d.actor, d.act, d.scope, d.resources,
      d.limits, d.budget_ids, d.rule_ids, g.issued_at, d.expires_at
    from granted g, jsonb_to_record(g.delegation) as d(
      id text, parent_id text, lineage text[], tenant_id text, subject text, actor text, act jsonb,
      scope text[], resources text[], limits jsonb, budget_ids text[], rule_ids text[],
      expires_at timestamptz)
    where g.delegation is not null
  ), funded as (
    insert into budgets (id, tenant_id, cap, wanted_cap, requests_per_hour)
    select d.id, d.tenant_id, d.cap, d.cap, (d.limits->>'requests_per_hour')::int
    from granted g,
      jsonb_to_record(g.delegation) as d(id text, tenant_id text, cap bigint, limits jsonb)
    where g.delegation is not null
  ), recorded as (
    insert into issuances (jti, parent_jti, delegation_id, tenant_id, client_id, subject, actor, scope,
      aud, issued_at, expires_at)
    select jti, parent_jti, delegation_id, tenant_id, client_id, subject, actor, scope,
      aud, issued_at, expires_at
    from granted
  )
  select jti, case when not stands then 'ended' when not fits then 'fan_out' else 'recorded' end
    as outcome
  from judged`

/**
 * Spends a code and makes what it buys, all of it or nothing. Who comes with the code at the same
 * moment waits for the row of the code, and then finds it spent, with something there to be revoked.
 */
const redeem = `
  with asked as (
    select * from jsonb_to_record($1::text::jsonb) as t(jti text, delegation_id text,
      tenant_id text, client_id text, subject text, actor text, scope text, aud text[],
      issued_at timestamptz, expires_at timestamptz, standing_on text[], delegation jsonb,
      redemption jsonb)
  ), spent as (
    update authorization_codes c set consumed_at = $2::text::timestamptz
    from asked
    where c.code_hash = asked.redemption->>'code_hash'
      and c.client_id = asked.redemption->>'client_id'
      and c.consumed_at is null and c.expires_at > $2::text::timestamptz
    returning c.code_hash
  ), alive as (
    select d.id from delegations d
    where d.id = any($3::text[])
      and d.revoked_at is null and (d.expires_at is null or d.expires_at > $2::text::timestamptz)
    order by d.id
    for share
  ), granted as (
    select asked.* from asked where exists (select from spent) and not exists (
      select from unnest(standing_on) as step(id) where step.id not in (select id from alive))
  ), made as (
    insert into delegations (id, parent_id, lineage, tenant_id, subject, actor, act, scope, resources,
      limits, budget_ids, created_at, expires_at)
    select d.id, d.parent_id, d.lineage, d.tenant_id, d.subject, d.actor, d.act, d.scope, d.resources,
      d.limits, d.budget_ids, g.issued_at, d.expires_at
    from granted g, jsonb_to_record(g.delegation) as d(
      id text, parent_id text, lineage text[], tenant_id text, subject text, actor text, act jsonb,
      scope text[], resources text[], limits jsonb, budget_ids text[], expires_at timestamptz)
  ), kept as (
    insert into refresh_tokens (token_hash, delegation_id, client_id, consent_id, authenticated_at,
      created_at, expires_at, family_expires_at)
    select r.token_hash, r.delegation_id, r.client_id, r.consent_id, r.authenticated_at,
      r.created_at, r.expires_at, r.family_expires_at
    from granted g, jsonb_to_record(g.redemption->'refresh_token') as r(
      token_hash text, delegation_id text, client_id text, consent_id text,
      authenticated_at timestamptz, created_at timestamptz, expires_at timestamptz,
      family_expires_at timestamptz)
    where g.redemption ? 'refresh_token'
  ), recorded as (
    insert into issuances (jti, delegation_id, tenant_id, client_id, subject, actor, scope, aud,
      issued_at, expires_at)
    select jti, delegation_id, tenant_id, client_id, subject, actor, scope, aud, issued_at, expires_at
    from granted
    returning jti
  )
  select case when not exists (select from spent) then 'replayed'
    when exists (select from recorded) then 'recorded' else 'ended' end as outcome`

const parentsOf = (rows: IssuanceRow[]): string[] => [
  ...new Set(rows.flatMap(({ standing_on }) => standing_on)),
]

export const issuancesStore = (database: Database, fanOut: FanOut, now: () => Date) => {
  const outcomes = (rows: IssuanceRow[], recorded: Row[]): Recorded[] => {
    const byJti = new Map(recorded.map(({ jti, outcome }) => [jti, outcome as Recorded]))
    return rows.map(({ jti }) => byJti.get(jti) ?? 'ended')
  }
  const exchanged = (rows: IssuanceRow[]): Statement => ({
    text: recordExchanged,
    params: [
      JSON.stringify(rows),
      now().toISOString(),
      fanOut.maxChildren,
      fanOut.maxChildrenPerMinute,
      parentsOf(rows),
    ],
  })
  const own = createBatch(async (rows: IssuanceRow[]) => {
    const params = ownRows.params(rows)
    return outcomes(rows, await withRetry(() => database.write(recordOwn, params)))
  })
  const delegated = createBatch(async (rows: IssuanceRow[]) => {
    const lock = { text: lockParents, params: [parentsOf(rows)] }
    return outcomes(rows, await withRetry(() => database.writeAfter(lock, exchanged(rows))))
  })
  const redeemed = async (row: IssuanceRow): Promise<Recorded> => {
    const params = [JSON.stringify(row), now().toISOString(), row.standing_on]
    const [answer] = await withRetry(() => database.write(redeem, params))
    return answer?.outcome as Recorded
  }
  return {
    /** Would one more delegation fit under this one? The record decides again, under a lock. */
    hasRoomUnder: async (parentId: string): Promise<boolean> => {
      const [row] = await database.read(countChildren, [parentId, now().toISOString()])
      const { maxChildren, maxChildrenPerMinute } = fanOut
      return Number(row?.live) < maxChildren && Number(row?.recent) < maxChildrenPerMinute
    },

    /** Together with others of the same moment: own tokens, those that stand on more, and codes apart. */
    record: (row: IssuanceRow): Promise<Recorded> => {
      if (row.redemption) return redeemed(row)
      const isOwn = row.parent_jti === undefined && row.standing_on.length === 1
      return isOwn ? own(row) : delegated(row)
    },
  }
}
