/** The books as the database has them, read past the server: all SQL of the crash tests is here. */
import postgres from 'postgres'
import type { Answer } from './acknowledgements.js'

/** One reservation as the ledger has it. Micro-USD. */
export interface LedgerRow {
  id: string
  delegationId: string
  state: string
  amount: bigint
  charged: bigint | undefined
  overdue: boolean
}

/** One lease as the ledger has it. */
export interface LeaseRow {
  id: string
  delegationId: string
  state: string
  seq: number
  held: bigint
  /** Reported and charged. */
  spent: bigint
  /** Charged because nobody reported it in time. */
  expired: bigint
  overrun: bigint
}

export interface StoredAnswer extends Answer {
  key: string
}

/** Every budget that is beyond its cap, or below nothing. The cap that was wanted does not count. */
const overCap = `
  select id, cap::text, spent::text, held::text from budgets
  where spent + held > cap or spent < 0 or held < 0`

/**
 * Every budget whose balances, entries, reservations and leases do not tell one story. In one snapshot.
 * Nothing here is set aside in escrow, where holds below do not reach up.
 */
const disagreeing = `
  with entered as (
    select unnest(budget_ids) as id, sum(spent) as spent, sum(held) as held
    from ledger_entries group by 1
  ), drawn as (
    select unnest(budget_ids) as id, coalesce(charged, 0) as spent,
      case when state = 'reserved' then amount else 0 end as held, 0 as open, 0 as requests
    from reservations
    union all
    select unnest(budget_ids), spent + expired, held, (state = 'open')::int, requests_held
    from leases
  ), told as (
    select id, sum(spent) as spent, sum(held) as held, sum(open) as open, sum(requests) as requests
    from drawn group by 1
  )
  select b.id, b.spent::text, b.held::text, b.leases, b.requests_held,
    e.spent::text as entered_spent, e.held::text as entered_held, t.spent::text as told_spent,
    t.held::text as told_held, t.open::text as open_leases, t.requests::text as told_requests
  from budgets b left join entered e on e.id = b.id left join told t on t.id = b.id
  where (b.spent, b.held) is distinct from (coalesce(e.spent, 0), coalesce(e.held, 0))
    or (b.spent, b.held, b.leases, b.requests_held) is distinct from (coalesce(t.spent, 0),
      coalesce(t.held, 0), coalesce(t.open, 0), coalesce(t.requests, 0))`

/** Movements that were made twice. Only a lease grows, spends and returns more than once. */
const repeated = `
  select ref, kind, count(*)::int as times from ledger_entries
  where kind not in ('lease', 'lease_spend', 'lease_return', 'cap')
  group by 1, 2 having count(*) > 1`

/** Movements of nothing that is known. */
const orphaned = `
  select ref, kind from ledger_entries e
  where not exists (select from reservations r where r.id = e.ref)
    and not exists (select from leases l where l.id = e.ref)
    and not exists (select from budgets b where b.id = e.ref)`

const say = (what: string, rows: readonly object[]): string[] =>
  rows.map((row) => `${what}: ${JSON.stringify(row)}`)

const toLedgerRow = (row: Record<string, unknown>): LedgerRow => ({
  id: String(row.id),
  delegationId: String(row.delegation_id),
  state: String(row.state),
  amount: BigInt(String(row.amount)),
  charged: row.charged === null ? undefined : BigInt(String(row.charged)),
  overdue: row.overdue === true,
})

const toLeaseRow = (row: Record<string, unknown>): LeaseRow => ({
  id: String(row.id),
  delegationId: String(row.delegation_id),
  state: String(row.state),
  seq: Number(row.seq),
  held: BigInt(String(row.held)),
  spent: BigInt(String(row.spent)),
  expired: BigInt(String(row.expired)),
  overrun: BigInt(String(row.overrun)),
})

export const openBooks = (url: string) => {
  const sql = postgres(url, { max: 2, onnotice: () => {}, backoff: () => 0.1 })
  const rowsOf = (text: string) => sql.unsafe<Record<string, unknown>[]>(text)
  return {
    /** Quick, for an observer that looks often. */
    overCap: async () => say('over its cap', await rowsOf(overCap)),

    /** Everything that can be wrong with the books by themselves. */
    problems: async (): Promise<string[]> => [
      ...say('over its cap', await rowsOf(overCap)),
      ...say('balances, entries and reservations differ', await rowsOf(disagreeing)),
      ...say('moved more than once', await rowsOf(repeated)),
      ...say('moved for nothing', await rowsOf(orphaned)),
    ],

    /** What is on these delegations, and the answers that are kept, in one snapshot. */
    ledger: (delegationIds: readonly string[]) =>
      sql.begin('isolation level repeatable read read only', async (snapshot) => {
        const ids = [...delegationIds]
        const reservations = await snapshot<Record<string, unknown>[]>`
          select id, delegation_id, state, amount::text, charged::text, expires_at < now() as overdue
          from reservations where delegation_id = any(${ids})`
        const leases = await snapshot<Record<string, unknown>[]>`
          select id, delegation_id, state, seq, held::text, spent::text, expired::text, overrun::text
          from leases where delegation_id = any(${ids})`
        const answers = await snapshot<StoredAnswer[]>`
          select key, status, body from idempotency_keys`
        return {
          reservations: reservations.map(toLedgerRow),
          leases: leases.map(toLeaseRow),
          answers: answers.map(({ key, status, body }): StoredAnswer => ({ key, status, body })),
        }
      }),

    /** What is held in all. Micro-USD. */
    held: async (): Promise<bigint> => {
      const [row] = await rowsOf(`select coalesce(sum(held), 0)::text as held from budgets`)
      return BigInt(String(row?.held))
    },

    /** What one budget has spent. Micro-USD. */
    spent: async (budgetId: string): Promise<bigint> => {
      const [row] = await sql`select spent::text from budgets where id = ${budgetId}`
      return BigInt(String(row?.spent))
    },

    heldOn: async (budgetId: string): Promise<bigint> => {
      const [row] = await sql`select held::text from budgets where id = ${budgetId}`
      return BigInt(String(row?.held))
    },

    /** As if the time of all that is open had passed. It is the only thing here that is not a look. */
    letHoldsExpire: async (): Promise<void> => {
      const past = sql`now() - interval '1 second'`
      await sql`update leases set expires_at = ${past} where state = 'open'`
      await sql`update reservations set expires_at = ${past} where state = 'reserved'`
    },

    /** Every balance, to be compared with a later one. */
    balances: async () => JSON.stringify(await rowsOf(`select * from budgets order by id`)),

    close: () => sql.end({ timeout: 1 }),
  }
}

export type Books = Awaited<ReturnType<typeof openBooks>>
