/** What the tests of retention share: a file with short times, counting rows, and looking at the books. */
import { expect } from 'vitest'
import { agent, docs, resourceServer, type TestServer } from './harness.js'
import { configWith } from './ledger-fixtures.js'

export const day = 86_400

export const retention = {
  tokens_days: 10,
  charges_days: 10,
  ledger_entries_days: 10,
  delegations_days: 20,
  revocation_feed_days: 7,
}

export const retentionConfig = {
  ...configWith({
    tenants: { acme: { budget_periods: { day: 500 } } },
    clients: { scraper: { agent_limits: {} } },
    more: [agent('switching'), { ...resourceServer('root'), tenant_id: undefined, scope: 'admin' }],
  }),
  retention,
}

export const verification = async (server: TestServer) =>
  (await server.ledger('root', '/verification')).body as unknown as {
    ok: boolean
    budgets: number
    differences: unknown[]
  }

/** Every balance is the sum of its entries, those forgotten included. */
export const expectBooksToAgree = async (server: TestServer): Promise<void> => {
  expect(await verification(server)).toMatchObject({ ok: true, differences: [] })
}

export const countOf = async (server: TestServer, table: string, where = 'true') => {
  const [row] = await server.database.read(
    `select count(*)::int as n from ${table} where ${where}`,
    [],
  )
  return Number(row?.n)
}

/** The balance of an agent, as admins read it. */
export const balanceOf = async (server: TestServer, budgetId: string) =>
  (await server.ledger('root', `/budgets/${encodeURIComponent(budgetId)}`)).body

/** What a server of the docs is told of a token. */
export const isActive = async (server: TestServer, token: string): Promise<boolean> =>
  (await server.introspect('docs-server', token)).body.active === true

export const tokenOf = async (server: TestServer, clientId: string): Promise<string> => {
  const { body } = await server.clientCredentials(clientId, { resource: docs })
  return body.access_token
}
