/** `GET /verification`: the books, recomputed from their entries. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTestServer, resourceServer, type TestServer } from './harness.js'
import { close, failures, open } from './lease-fixtures.js'
import { configWith, lend, reserve, settle } from './ledger-fixtures.js'

const admin = (client_id: string, tenant_id?: string) => ({
  ...resourceServer(client_id),
  tenant_id,
  scope: 'admin',
})

const config = configWith({
  tenants: { acme: { budget_periods: { day: 500 } } },
  more: [admin('ops', 'acme'), admin('globex-ops', 'globex'), admin('root')],
})

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({ config })
})
afterAll(async () => {
  expect(failures(server)).toEqual([])
  await server.close()
})

describe('the verification', () => {
  const verify = async (as = 'ops') =>
    (await server.ledger(as, '/verification')).body as unknown as {
      ok: boolean
      budgets: number
      differences: unknown[]
    }

  test('finds nothing where every balance is the sum of its entries', async () => {
    const { delegation_id } = await lend(server, '1')
    const { body } = await open(server, { delegation_id, want_usd: '0.4' })
    await close(server, body.id, { seq: 1, spent_usd: '0.1' })
    await reserve(server, { delegation_id, amount_usd: '0.2' })
    await server.ledger('ops', `/budgets/${delegation_id}/cap`, { cap_usd: '2' })
    const all = await verify('root')
    const own = await verify()
    const other = await verify('globex-ops')
    expect([all.ok, own.ok, other.ok]).toEqual([true, true, true])
    expect(all.differences).toEqual([])
    expect(own.budgets).toBeGreaterThan(3)
    expect(all.budgets).toBeGreaterThan(own.budgets)
    expect(other.budgets).toBeLessThan(own.budgets)
  })

  const change = (text: string) => server.database.write(text, [])

  test('finds a balance that was tampered with, and says which', async () => {
    const { delegation_id } = await lend(server, '1')
    const { body } = await reserve(server, { delegation_id, amount_usd: '0.4' })
    await settle(server, body.id, '0.3')
    for (const [column, line] of [
      [
        'spent',
        { spent_usd: '0.4', entered_spent_usd: '0.3', held_usd: '0', entered_held_usd: '0' },
      ],
      [
        'held',
        { spent_usd: '0.3', entered_spent_usd: '0.3', held_usd: '0.1', entered_held_usd: '0' },
      ],
    ] as const) {
      await change(
        `update budgets set ${column} = ${column} + 100000 where id = '${delegation_id}'`,
      )
      for (const as of ['ops', 'root']) {
        expect(await verify(as)).toMatchObject({
          ok: false,
          differences: [{ budget_id: delegation_id, ...line }],
        })
      }
      expect((await verify('globex-ops')).ok).toBe(true)
      await change(
        `update budgets set ${column} = ${column} - 100000 where id = '${delegation_id}'`,
      )
      expect((await verify()).ok).toBe(true)
    }
  })

  test('finds entries that are gone, on every budget that they were about', async () => {
    const { delegation_id } = await lend(server, '1')
    await reserve(server, { delegation_id, amount_usd: '0.4' })
    const gone = `from ledger_entries where '${delegation_id}' = any(budget_ids)`
    await change(`create table kept_entries as select * ${gone}`)
    await change(`delete ${gone}`)
    const { ok, differences } = await verify()
    expect(ok).toBe(false)
    const ids = (differences as { budget_id: string }[]).map((one) => one.budget_id)
    expect(ids.sort()).toEqual(
      ['agent:orchestrator', delegation_id, 'tenant:acme', 'day:2026-11-21:tenant:acme'].sort(),
    )
    await change('insert into ledger_entries select * from kept_entries')
    expect((await verify()).ok).toBe(true)
  })
})
