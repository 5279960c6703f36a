/** What breaks only when there is much of it: rows to revoke, hands on one budget, eyes on the feed. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import {
  baseConfig,
  basic,
  decode,
  delegateOnce,
  openTestServer,
  type TestServer,
} from './harness.js'

// PGlite works on one thread, and takes its time over twenty thousand rows.
vi.setConfig({ testTimeout: 120_000 })

let server: TestServer
const operator = {
  client_id: 'operator',
  kind: 'app',
  tenant_id: 'acme',
  client_secret: 'operator-secret-of-32-characters',
  scope: 'admin',
}
beforeAll(async () => {
  const config = { ...baseConfig, clients: [...baseConfig.clients, operator] }
  server = await openTestServer({ config })
})
afterAll(() => server.close())

test('a client with twenty thousand delegations is revoked at once', async () => {
  const { token } = await delegateOnce(server)
  const parent = (decode(token).agent_lineage as string[])[0] ?? ''
  await server.database.write(
    `insert into delegations (id, parent_id, lineage, tenant_id, subject, actor, scope, resources,
       limits, budget_ids, created_at, expires_at)
     select 'dlg_many_' || n, $1, array[$1, 'dlg_many_' || n], 'acme', 'orchestrator', 'scraper', '{}',
       '{}', '{}', '{}', $2::text::timestamptz, $2::text::timestamptz + interval '10 minutes'
     from generate_series(1, 20000) as n`,
    [parent, server.clock.now().toISOString()],
  )
  const response = await server.request('/revocations', {
    method: 'POST',
    headers: { Authorization: basic('operator'), 'Content-Type': 'application/json' },
    body: JSON.stringify({ client_id: 'scraper' }),
  })
  expect(response.status).toBe(200)
  // The root of its own is one more.
  expect(await response.json()).toEqual({ revoked: 20_001 })
  const feed = await (await server.request('/revocations')).text()
  expect((decode(feed).revoked as unknown[]).length).toBe(20_001)
})

test('reserving and releasing at once near a cap is answered, yes or no', async () => {
  // Beyond the minute in which the twenty thousand were made.
  server.clock.advance(1000)
  const { token } = await delegateOnce(server, {
    scope: 'docs:read',
    agent_limits: '{"cost_budget_usd":"2"}',
  })
  const statuses = new Set<number>()
  const worker = async (): Promise<void> => {
    for (let round = 0; round < 6; round += 1) {
      const asked = { token, amount_usd: '0.3', action: 'docs.read' }
      const { status, body } = await server.ledger('docs-server', '/reservations', asked)
      statuses.add(status)
      if (status !== 201) continue
      const ended = await server.ledger('docs-server', `/reservations/${body.id}/release`, {})
      statuses.add(ended.status)
    }
  }
  await Promise.all(Array.from({ length: 25 }, worker))
  expect([...statuses].toSorted()).toEqual([200, 201, 402])
})

test('one client cannot fill the feed of everyone', async () => {
  const statuses: number[] = []
  const garbage = async (): Promise<void> => {
    statuses.push((await server.revoke('loner', 'garbage')).status)
  }
  for (let batch = 0; batch < 61; batch += 1) await Promise.all(Array.from({ length: 10 }, garbage))
  expect(statuses.filter((status) => status === 200)).toHaveLength(600)
  expect(statuses.filter((status) => status === 429)).toHaveLength(10)
  expect((await server.revoke('researcher', 'garbage')).status).toBe(200)
})
