/** Bringing a database to what the configuration says, again and again, without losing anything. */
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as schema from '../src/store/schema.js'
import {
  baseConfig,
  decode,
  delegateOnce,
  docs,
  openTestServer,
  type TestServer,
} from './harness.js'

let server: TestServer
beforeAll(async () => {
  server = await openTestServer()
})
afterAll(() => server.close())

const apply = (config: object) => openTestServer({ database: server.database, config })

const tables = async (): Promise<unknown[]> => {
  const all = [schema.tenants, schema.resources, schema.clients, schema.delegationRules]
  const state = [schema.delegations, schema.budgets, schema.revocations, schema.signingKeys]
  const contents: string[] = []
  for (const table of [...all, ...state]) {
    const rows = await server.database.drizzle.select().from(table)
    const lines = rows.map((row) =>
      JSON.stringify(row, (_, value) => (typeof value === 'bigint' ? `${value}` : value)),
    )
    contents.push(...lines.toSorted())
  }
  return contents
}

const budget = async (id: string) => {
  const { budgets } = schema
  return (await server.database.drizzle.select().from(budgets).where(eq(budgets.id, id)))[0]
}

const charge = async (usd: string): Promise<void> => {
  const { body } = await server.clientCredentials('orchestrator')
  const reserved = await server.ledger('docs-server', '/reservations', {
    token: body.access_token,
    amount_usd: usd,
    action: 'docs.read',
  })
  expect(reserved.status).toBe(201)
  const settle = `/reservations/${reserved.body.id}/settle`
  expect((await server.ledger('docs-server', settle, { amount_usd: usd })).status).toBe(200)
}

const withClient = (clientId: string, more: object) => ({
  ...baseConfig,
  clients: baseConfig.clients.map((one) =>
    one.client_id === clientId ? { ...one, ...more } : one,
  ),
})
const withCap = (usd: number | undefined) =>
  withClient('orchestrator', { agent_limits: usd === undefined ? {} : { cost_budget_usd: usd } })

test('twice leaves every row as it was, what is spent too', async () => {
  await charge('3')
  await delegateOnce(server)
  const before = await tables()
  await apply(baseConfig)
  expect(await tables()).toEqual(before)
  expect(await budget('agent:orchestrator')).toMatchObject({
    spent: 3_000_000n,
    cap: 50_000_000n,
  })
})

test('moves a cap up and down, but never below what is spent', async () => {
  for (const [usd, cap] of [
    [80, 80_000_000n],
    [1, 3_000_000n],
    [undefined, null],
    [50, 50_000_000n],
  ] as const) {
    await apply(withCap(usd))
    const row = await budget('agent:orchestrator')
    expect(row).toMatchObject({ cap, spent: 3_000_000n })
  }
  const tenants = [{ tenant_id: 'acme', limits: { cost_budget_usd: 2 } }, { tenant_id: 'globex' }]
  await apply({ ...baseConfig, tenants })
  expect(await budget('tenant:acme')).toMatchObject({ cap: 3_000_000n, spent: 3_000_000n })
  expect(await budget('tenant:globex')).toMatchObject({ cap: null })
  await apply(baseConfig)
  expect(await budget('tenant:acme')).toMatchObject({ cap: 1_000_000_000n })
})

test('a cap that holds a reservation does not fall below that either', async () => {
  const { body } = await server.clientCredentials('orchestrator')
  const asked = { token: body.access_token, amount_usd: '2', action: 'docs.read' }
  const { body: held } = await server.ledger('docs-server', '/reservations', asked)
  await apply(withCap(0))
  expect(await budget('agent:orchestrator')).toMatchObject({ cap: 5_000_000n, held: 2_000_000n })
  await server.ledger('docs-server', `/reservations/${held.id}/release`, {})
  await apply(baseConfig)
})

test('changes what a client may do at once, and what its next tokens stand on', async () => {
  await apply(withClient('loner', { scope: 'docs:read', agent_limits: { requests_per_hour: 7 } }))
  const { body } = await server.clientCredentials('loner', {})
  expect(decode(body.access_token)).toMatchObject({
    scope: 'docs:read',
    agent_limits: { requests_per_hour: 7 },
  })
  await apply(baseConfig)
  expect((await server.clientCredentials('loner', {})).body.scope).toBe('docs:read docs:write')
})

test('replaces a secret: the old one is worth nothing from then on', async () => {
  await apply(withClient('loner', { client_secret: 'another secret altogether' }))
  expect((await server.clientCredentials('loner', {})).status).toBe(401)
  await apply(baseConfig)
  expect((await server.clientCredentials('loner', {})).status).toBe(200)
})

test('a client that left the file stays', async () => {
  const clients = baseConfig.clients.filter(({ client_id }) => client_id !== 'loner')
  const rules = baseConfig.delegation_rules.filter(({ to }) => to !== 'loner')
  await apply({ ...baseConfig, clients, delegation_rules: rules })
  expect((await server.clientCredentials('loner', {})).status).toBe(200)
  await apply(baseConfig)
})

test('a rule that left the file, or is switched off, no longer allows', async () => {
  const [rule, ...others] = baseConfig.delegation_rules
  expect((await delegateOnce(server)).accepted.status).toBe(200)
  for (const delegation_rules of [others, [{ ...rule, enabled: false }, ...others], []]) {
    await apply({ ...baseConfig, delegation_rules })
    const { handOff } = await delegateOnce(server)
    expect([handOff.status, handOff.body.error]).toEqual([403, 'access_denied'])
    await apply(baseConfig)
    expect((await delegateOnce(server)).accepted.status).toBe(200)
  }
})

test('a disabled client is out, and so is all that it holds and lent', async () => {
  const { token } = await delegateOnce(server, { scope: 'docs:read', resource: docs })
  expect((await server.introspect('docs-server', token)).body.active).toBe(true)
  await apply(withClient('orchestrator', { disabled: true }))
  expect((await server.clientCredentials('orchestrator')).status).toBe(401)
  expect((await server.introspect('docs-server', token)).body).toEqual({ active: false })
  await apply(baseConfig)
  // It may come back, but what was revoked stays so.
  expect((await server.clientCredentials('orchestrator')).status).toBe(200)
  expect((await server.introspect('docs-server', token)).body).toEqual({ active: false })
})

test('two servers that start at once with the same file agree', async () => {
  await Promise.all([apply(baseConfig), apply(baseConfig), apply(baseConfig)])
  const before = await tables()
  await apply(baseConfig)
  expect(await tables()).toEqual(before)
})

test('is tried again when the database refuses only for its timing, and not otherwise', async () => {
  const { drizzle } = server.database
  const refusing = (code: string) => {
    let calls = 0
    const transaction: typeof drizzle.transaction = (work, options) => {
      calls += 1
      if (calls > 1) return drizzle.transaction(work, options)
      return Promise.reject(Object.assign(new Error('refused'), { code }))
    }
    const once = Object.assign(Object.create(drizzle), { transaction })
    const database = { ...server.database, drizzle: once, close: () => Promise.resolve() }
    return openTestServer({ database, config: baseConfig })
  }
  await refusing('40P01')
  await refusing('40001')
  await expect(refusing('42601')).rejects.toThrow('refused')
})
