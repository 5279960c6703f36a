/**
 * History that is old enough, taken away a batch at a time. A batch is one short statement: it looks at
 * so many rows in the order of an index, takes those that nobody has locked and nothing needs, and says
 * where the next one begins. So no request waits for it for long, and several servers share the work.
 */
import type { Database } from './database.js'

/** What one batch did. */
export interface Batch {
  /** Rows that it looked at: fewer than it was to, and there are no more. */
  seen: number
  /** Rows that are gone. */
  gone: number
  /** Where the next one begins. */
  cursor: string | undefined
}

export interface BatchOptions {
  /** What is older may go. */
  before: Date
  /** Of the batch before; absent: from the oldest on. */
  cursor: string | undefined
  limit: number
}

const answer = (cursor: string): string => `
  select (select count(*) from seen)::int as seen, (select count(*) from gone)::int as gone,
    (${cursor})::text as cursor`

/**
 * Rows that nothing refers to, in the order of a column with an index. A batch begins where the last one
 * ended, and not at the oldest row: what was deleted stays in the index until it is vacuumed, and every
 * batch would read it again. Of a partitioned table each partition has its own places: the condition is
 * what says that a row is old.
 */
const byTime = (table: string, column: string, condition = 'true'): string => `
  with seen as (
    select ctid as place, ${column} as at from ${table}
    where ${column} < $1::text::timestamptz and ${condition}
      and ${column} >= coalesce($2::text::timestamptz, '-infinity')
    order by ${column} limit $3::int
  ), free as (
    select ctid as place from ${table}
    where ctid = any(array(select place from seen)) and ${column} < $1::text::timestamptz
      and ${condition}
    for update skip locked
  ), gone as (
    delete from ${table} where ctid = any(array(select place from free))
      and ${column} < $1::text::timestamptz and ${condition}
    returning 1
  ) ${answer('select max(at) from seen')}`

/** When a delegation ended. What hangs from another has an end of its own, never a later one. */
const ended = 'least(d.revoked_at, d.expires_at)'

/**
 * Delegations that have ended, with their own budgets, and with the consents whose root they are.
 *
 * One stays while anything refers to it: what hangs from it, tokens and reservations that are remembered,
 * an open lease, a refresh token of its family, an entry of the feed, money that is set aside or held. A
 * consent stays while another root of its own does, and goes with its budget: neither id ever comes again.
 * The budgets of agents and tenants are never forgotten, since those can be charged again.
 *
 * Budgets are locked before delegations, as wherever both are, and nothing is waited for.
 */
const endedDelegations = `
  with seen as (
    select d.id, ${ended} as at from delegations d
    where ${ended} is not null and ${ended} < $1::text::timestamptz
      and ($2::text is null or (${ended}, d.id) >
        (split_part($2::text, ' ', 1)::timestamptz, split_part($2::text, ' ', 2)))
    order by ${ended}, d.id limit $3::int
  ), own as (
    select seen.id as delegation_id, c.id as consent_id, c.subject,
      array_remove(array[seen.id, 'consent:' || c.id], null) as budget_ids
    from seen left join consents c on c.delegation_id = seen.id
  ), spare as (
    select b.id from budgets b
    where b.id in (select unnest(budget_ids) from own)
      and b.held = 0 and b.leases = 0 and b.requests_held = 0 and b.carved is null
    order by b.id
    for update skip locked
  ), free as (
    select d.id, own.consent_id, own.budget_ids
    from own join delegations d on d.id = own.delegation_id
    where ${ended} < $1::text::timestamptz
      and not exists (select from delegations child where child.parent_id = d.id)
      and not exists (select from issuances i where i.delegation_id = d.id)
      and not exists (select from reservations r where r.delegation_id = d.id)
      and not exists (select from leases l where l.delegation_id = d.id and l.state = 'open')
      and not exists (select from refresh_tokens t where t.delegation_id = d.id)
      and not exists (select from revocations r where r.delegation_id = d.id)
      and not exists (select from budgets b where b.id = any(own.budget_ids)
        and b.id not in (select id from spare))
      and not exists (select from delegations other where other.subject = own.subject
        and other.id <> d.id and 'consent:' || own.consent_id = any(other.budget_ids))
    for update of d skip locked
  ), gone_budgets as (
    delete from budgets where id in (select unnest(budget_ids) from free)
  ), gone_openings as (
    delete from ledger_openings where budget_id in (select unnest(budget_ids) from free)
  ), gone_consents as (
    delete from consents where id in (select consent_id from free)
  ), gone as (
    delete from delegations where id in (select id from free) returning 1
  ) ${answer(`select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || ' ' || id
    from seen order by at desc, id desc limit 1`)}`

const periodDay = (id: string): string =>
  `substring(${id} from '^(?:day|week|month):(\\d{4}-\\d{2}-\\d{2}):')`

/**
 * Days, weeks and months that are over, each a budget of its own. None is longer than a month, so a
 * month more than what is asked for. One that an escrow was carved out of stays as long as the escrow.
 */
const oldPeriods = `
  with seen as (
    select b.id from budgets b
    where b.id ~ '^(day|week|month):' and ${periodDay('b.id')} <
        to_char($1::text::timestamptz at time zone 'UTC' - interval '31 days', 'YYYY-MM-DD')
      and ($2::text is null or (${periodDay('b.id')}, b.id) > (${periodDay('$2::text')}, $2::text))
    order by ${periodDay('b.id')}, b.id limit $3::int
  ), free as (
    select b.id from budgets b
    where b.id in (select id from seen) and b.held = 0 and b.leases = 0 and b.requests_held = 0
      and not exists (select from budgets e
        where e.drawn_from is not null and e.drawn_from @> array[b.id])
    order by b.id
    for update skip locked
  ), gone_openings as (
    delete from ledger_openings where budget_id in (select id from free)
  ), gone as (
    delete from budgets where id in (select id from free) returning 1
  ) ${answer(`select id from seen order by ${periodDay('id')} desc, id desc limit 1`)}`

/**
 * Entries are folded into the opening of each budget that they moved, in the statement that deletes
 * them: whoever recomputes the balances finds the same sums before and after, and at no moment others.
 */
const oldEntries = `
  with page as (
    select id, at from ledger_entries where id > coalesce($2::text::bigint, 0)
    order by id limit $3::int
  ), seen as (
    select id from page where at < $1::text::timestamptz
  ), free as (
    select e.id, e.budget_ids, e.spent, e.held, e.at from ledger_entries e
    where e.id in (select id from seen)
    order by e.id
    for update skip locked
  ), sums as (
    select part.id, sum(free.spent)::bigint as spent, sum(free.held)::bigint as held,
      count(*) as entries, max(free.at) as last_at
    from free, unnest(free.budget_ids) as part(id)
    where exists (select from budgets b where b.id = part.id)
    group by part.id
  ), folded as (
    insert into ledger_openings as o (budget_id, spent, held, entries, last_at)
    select id, spent, held, entries, last_at from sums order by id
    on conflict (budget_id) do update set spent = o.spent + excluded.spent,
      held = o.held + excluded.held, entries = o.entries + excluded.entries,
      last_at = greatest(o.last_at, excluded.last_at)
  ), gone as (
    delete from ledger_entries where id in (select id from free) returning 1
  ) ${answer('select max(id) from seen')}`

/** The newest entry stays, whatever its age: followers know the feed by its cursor. */
const oldRevocations = `
  with page as (
    select cursor, revoked_at, expires_at from revocations
    where cursor > coalesce($2::text::bigint, 0)
      and cursor < (select max(cursor) from revocations)
    order by cursor limit $3::int
  ), seen as (
    select cursor, expires_at from page where revoked_at < $1::text::timestamptz
  ), free as (
    select r.cursor from revocations r
    where r.cursor in (select cursor from seen where expires_at < $1::text::timestamptz)
    for update skip locked
  ), gone as (
    delete from revocations where cursor in (select cursor from free) returning 1
  ) ${answer('select max(cursor) from seen')}`

const statements = {
  tokens: byTime('issuances', 'issued_at', 'expires_at < $1::text::timestamptz'),
  reservations: byTime('reservations', 'ended_at', `state <> 'reserved'`),
  leases: byTime('leases', 'ended_at', `state <> 'open'`),
  revocations: oldRevocations,
  delegations: endedDelegations,
  periods: oldPeriods,
  ledger_entries: oldEntries,
  idempotency_keys: byTime('idempotency_keys', 'expires_at'),
  refresh_tokens: byTime('refresh_tokens', 'expires_at'),
}

/** What there is to forget, each kind by its own rule. */
export type HistoryKind = keyof typeof statements

export const retentionStore = ({ background }: Database) => ({
  /** One batch of one kind. */
  forget: async (kind: HistoryKind, { before, cursor, limit }: BatchOptions): Promise<Batch> => {
    const params = [before.toISOString(), cursor ?? null, limit]
    const [row] = await background(statements[kind], params)
    return {
      seen: Number(row?.seen),
      gone: Number(row?.gone),
      cursor: row?.cursor === null || row?.cursor === undefined ? undefined : String(row.cursor),
    }
  },
})
