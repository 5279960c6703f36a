/** What the tests of the ledger share: lending, reserving, and reading the books past the routes. */
import { expect } from 'vitest'
import { baseConfig, decode, delegateOnce, type TestServer } from './harness.js'

/** The base configuration with members of clients and tenants replaced, and more clients. */
export const configWith = (changes: {
  clients?: Record<string, object>
  tenants?: Record<string, object>
  more?: object[]
}) => ({
  ...baseConfig,
  tenants: baseConfig.tenants.map((one) => ({ ...one, ...changes.tenants?.[one.tenant_id] })),
  clients: [
    ...baseConfig.clients.map((one) => ({ ...one, ...changes.clients?.[one.client_id] })),
    ...(changes.more ?? []),
  ],
})

export const delegationOf = (token: string): string =>
  String((decode(token).agent_lineage as string[]).at(-1))

/** A researcher's token with a budget of its own below the orchestrator's. */
export const lend = async (server: TestServer, usd: string, limits: object = {}) => {
  const agent_limits = JSON.stringify({ cost_budget_usd: usd, ...limits })
  const { token } = await delegateOnce(server, { scope: 'docs:read', agent_limits })
  return { token, delegation_id: delegationOf(token) }
}

/** `POST /reservations` as the server of the docs. */
export const reserve = (server: TestServer, fields: object, key?: string) =>
  server.ledger('docs-server', '/reservations', { action: 'docs.read', ...fields }, key)

export const settle = (server: TestServer, id: string | undefined, amount: string, key?: string) =>
  server.ledger('docs-server', `/reservations/${id}/settle`, { amount_usd: amount }, key)

export const release = (server: TestServer, id: string | undefined, key?: string) =>
  server.ledger('docs-server', `/reservations/${id}/release`, {}, key)

/** The balance of a delegation as the server of the docs reads it. */
export const budget = async (server: TestServer, delegationId: string) =>
  (await server.ledger('docs-server', `/budgets/${delegationId}`)).body

export interface Line {
  id: string
  cap: string | null
  spent: string
  held: string
}

/**
 * Every budget, and what its entries, its reservations and its leases say of it. Micro-USD. Where
 * money is set aside, holds below do not reach up: there only the entries are compared.
 */
const audit = `
  with escrowed as (
    select unnest(drawn_from) as id from budgets where drawn_from is not null
    union select id from budgets where drawn_from is not null
  )
  select b.id, b.cap::text, b.spent::text, b.held::text,
    (select coalesce(sum(e.spent), 0) from ledger_entries e where b.id = any(e.budget_ids))::text
      as entered_spent,
    (select coalesce(sum(e.held), 0) from ledger_entries e where b.id = any(e.budget_ids))::text
      as entered_held,
    ((select coalesce(sum(r.charged), 0) from reservations r where b.id = any(r.budget_ids))
      + (select coalesce(sum(l.spent + l.expired), 0) from leases l where b.id = any(l.budget_ids)))::text
      as charged,
    ((select coalesce(sum(r.amount), 0) from reservations r
      where b.id = any(r.budget_ids) and r.state = 'reserved')
      + (select coalesce(sum(l.held), 0) from leases l where b.id = any(l.budget_ids)))::text
      as reserved,
    b.id in (select id from escrowed) or exists (
      select from escrowed where escrowed.id = any(
        select unnest(budget_ids) from delegations where b.id = any(budget_ids))) as has_escrow
  from budgets b order by b.id`

/**
 * The promise: no budget holds and has spent more than its cap, and balances, entries and what is
 * open tell the same story.
 */
export const checkBooks = async (server: TestServer): Promise<Map<string, Line>> => {
  const rows = (await server.database.read(audit, [])) as unknown as (Line & {
    entered_spent: string
    entered_held: string
    charged: string
    reserved: string
    has_escrow: boolean
  })[]
  for (const row of rows) {
    const { id, cap, spent, held, entered_spent, entered_held, charged, reserved } = row
    expect({ id, spent, held }).toEqual({ id, spent: entered_spent, held: entered_held })
    if (!row.has_escrow) expect({ id, spent, held }).toEqual({ id, spent: charged, held: reserved })
    expect(BigInt(spent) >= 0n && BigInt(held) >= 0n, `${id} is below nothing`).toBe(true)
    const within = cap === null || BigInt(spent) + BigInt(held) <= BigInt(cap)
    expect(within, `${id}: ${spent} + ${held} > ${cap}`).toBe(true)
  }
  return new Map(rows.map(({ id, cap, spent, held }) => [id, { id, cap, spent, held }]))
}

/** How many answers had each status. */
export const tally = (answers: readonly { status: number }[]): Record<number, number> => {
  const counts: Record<number, number> = {}
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1
  return counts
}

export const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index))
