import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import {
  createClock,
  createDatabase,
  delegateOnce,
  openTestDatabase,
  openTestServer,
  otherTenantDocs,
  type TestServer,
} from './harness.js'
import {
  budget,
  checkBooks,
  configWith,
  delegationOf,
  lend,
  release,
  reserve,
  settle,
  tally,
  times,
} from './ledger-fixtures.js'

const chain = ['level-1', 'level-2', 'level-3', 'level-4', 'level-5']
const docs = 'http://127.0.0.1:4100/mcp'

const levels = (caps: readonly string[]) => {
  const base = configWith({
    more: chain.map((client_id, index) => ({
      client_id,
      kind: 'agent',
      tenant_id: 'acme',
      client_secret: `${client_id}-secret-of-32-characters`,
      scope: 'docs:read',
      resources: [docs],
      agent_limits: {
        max_delegation_depth: 5,
        ...(index === 0 && { cost_budget_usd: caps[0] }),
      },
    })),
  })
  const rules = chain.slice(1).map((to, index) => ({ from: chain[index], to }))
  return { ...base, delegation_rules: [...base.delegation_rules, ...rules] }
}
const config = levels(['1'])
const onPostgres = inject('postgresUrl') !== undefined

/** Two servers on one database; on PostgreSQL each has its own connections. */
const open = async () => {
  const created = await createDatabase()
  const clock = createClock()
  const database = await openTestDatabase(created.url)
  const first = await openTestServer({ config, clock, database })
  const other = onPostgres ? await openTestDatabase(created.url) : database
  const second = await openTestServer({ config, clock, database: other })
  const close = async () => {
    if (onPostgres) await second.close()
    await first.close()
    await created.drop()
  }
  return { first, second, close }
}

let servers: Awaited<ReturnType<typeof open>>
let server: TestServer
beforeAll(async () => {
  servers = await open()
  server = servers.first
})
afterAll(async () => {
  for (const { log } of [servers.first, servers.second]) {
    expect(log.filter((line) => line.includes('"failed"'))).toEqual([])
  }
  await checkBooks(server)
  await servers.close()
})

const either = (index: number): TestServer => (index % 2 === 0 ? servers.first : servers.second)

/** How often PostgreSQL had to break a circle of waiting transactions. */
const deadlocks = async (): Promise<number> => {
  if (!onPostgres) return 0
  const [row] = await server.database.read(
    'select deadlocks::int as n from pg_stat_database where datname = current_database()',
    [],
  )
  return Number(row?.n)
}

describe('many charges at once', () => {
  test('take exactly what is there: 200 of 1 on 100', async () => {
    const { token, delegation_id } = await lend(server, '1')
    const reserved = await Promise.all(
      times(200, (index) => reserve(either(index), { token, amount_usd: '0.01' })),
    )
    expect(tally(reserved)).toEqual({ 201: 100, 402: 100 })
    const settled = await Promise.all(
      reserved
        .filter(({ status }) => status === 201)
        .map(({ body }, index) => settle(either(index), body.id, '0.01')),
    )
    expect(tally(settled)).toEqual({ 200: 100 })
    expect(await budget(server, delegation_id)).toMatchObject({
      spent_usd: '1',
      held_usd: '0',
      remaining_usd: '0',
    })
    // What is left falls by one with every charge, so no balance was answered twice.
    const left = reserved.flatMap(({ status, body }) =>
      status === 201 ? [body.remaining_usd] : [],
    )
    expect(new Set(left).size).toBe(100)
    for (const { status, body } of reserved) {
      if (status === 402) expect([body.error, body.remaining]).toEqual(['budget_exhausted', '0'])
    }
  })

  test('let one in where one fits: 50 of 60 on 100', async () => {
    const { token, delegation_id } = await lend(server, '1')
    const answers = await Promise.all(
      times(50, (index) => reserve(either(index), { token, amount_usd: '0.6' })),
    )
    expect(tally(answers)).toEqual({ 201: 1, 402: 49 })
    for (const { status, body } of answers) {
      if (status === 201) expect(body.remaining_usd).toBe('0.4')
      else expect([body.remaining, body.limited_by]).toEqual(['0.4', delegation_id])
    }
  })

  test('hold for an agent that was never seen before', async () => {
    const { body } = await server.clientCredentials('level-1')
    const token = body.access_token
    const answers = await Promise.all(
      times(50, (index) => reserve(either(index), { token, amount_usd: '1' })),
    )
    expect(tally(answers)).toEqual({ 201: 1, 402: 49 })
    await release(server, answers.find(({ status }) => status === 201)?.body.id)
  })

  test('end one reservation once', async () => {
    const { token, delegation_id } = await lend(server, '1')
    const { body } = await reserve(server, { token, amount_usd: '0.5' })
    const answers = await Promise.all(
      times(30, (index) =>
        index % 3 === 0 ? release(either(index), body.id) : settle(either(index), body.id, '0.2'),
      ),
    )
    expect(tally(answers)).toEqual({ 200: 1, 409: 29 })
    const winner = answers.find(({ status }) => status === 200)
    expect(await budget(server, delegation_id)).toMatchObject({
      held_usd: '0',
      spent_usd: winner?.body.charged_usd,
    })
  })
})

test('a tree of five levels and two leaves fills to the last unit of its root, never beyond a cap', async () => {
  let token = (await server.clientCredentials('level-1')).body.access_token
  const nodes = [token]
  for (const [index, cap] of ['0.8', '0.6', '0.4', '0.2', '0.2'].entries()) {
    const from = Math.min(index, 3)
    const limits = { agent_limits: `{"cost_budget_usd":"${cap}"}` }
    const [giver = '', taker = ''] = [chain[from], chain[from + 1]]
    const made = await delegateOnce(server, limits, giver, taker, token)
    if (index < 3) token = made.token
    nodes.push(made.token)
  }
  expect(nodes).toHaveLength(6)
  const before = await deadlocks()
  const answers = await Promise.all(
    times(240, (index) =>
      reserve(either(index >> 1), { token: nodes[index % 6] ?? '', amount_usd: '0.01' }),
    ),
  )
  expect(tally(answers)).toEqual({ 201: 100, 402: 140 })
  const books = await checkBooks(server)
  expect(books.get('agent:level-1')).toMatchObject({ held: '1000000', spent: '0' })
  for (const [index, cap] of [800_000, 600_000, 400_000, 200_000, 200_000].entries()) {
    const line = books.get(delegationOf(nodes[index + 1] ?? ''))
    expect(Number(line?.held)).toBeLessThanOrEqual(cap)
  }
  expect(await deadlocks()).toBe(before)
})

test('reserving, settling, releasing and expiring at once neither deadlock nor fail', async () => {
  const before = await deadlocks()
  const wide = await lend(server, '2')
  const foreign = await server.clientCredentials('globex-agent', { resource: otherTenantDocs })
  const open = async (index: number) => {
    const body = { amount_usd: '0.01', action: 'docs.read', ttl_seconds: (index % 3) + 1 }
    const ours = { ...body, token: wide.token }
    const theirs = { ...body, token: foreign.body.access_token }
    return index % 2 === 0
      ? reserve(either(index >> 1), ours)
      : either(index >> 1).ledger('globex-docs-server', '/reservations', theirs)
  }
  const held = await Promise.all(times(120, open))
  expect(tally(held)).toEqual({ 201: 120 })
  server.clock.advance(2.5)
  const end = (id: string | undefined, index: number) => {
    const clientId = index % 2 === 0 ? 'docs-server' : 'globex-docs-server'
    const path = `/reservations/${id}/${index % 5 === 0 ? 'release' : 'settle'}`
    const body = index % 5 === 0 ? {} : { amount_usd: '0.004' }
    return either(index >> 1).ledger(clientId, path, body)
  }
  const [answers] = await Promise.all([
    Promise.all(held.map(({ body }, index) => (index % 4 < 2 ? end(body.id, index) : open(index)))),
    servers.first.expireHolds(),
    servers.second.expireHolds(),
  ])
  expect(Object.keys(tally(answers)).map(Number)).toEqual([200, 201])
  await checkBooks(server)
  expect(await deadlocks()).toBe(before)
})

test('two servers that expire the budgets of two tenants take turns', async () => {
  const foreign = (await server.clientCredentials('globex-agent', { resource: otherTenantDocs }))
    .body
  const wide = await lend(server, '2')
  const before = await deadlocks()
  for (const index of times(80, (one) => one)) {
    const body = { amount_usd: '0.01', action: 'docs.read', ttl_seconds: index + 1 }
    // Which tenant comes first differs from page to page.
    const ours = (index + (index >> 3)) % 2 === 0
    if (ours) await reserve(server, { ...body, token: wide.token })
    else {
      const token = foreign.access_token
      await server.ledger('globex-docs-server', '/reservations', { ...body, token })
    }
  }
  server.clock.advance(82)
  await Promise.all(times(10, (index) => either(index).expireHolds()))
  expect(await deadlocks()).toBe(before)
  expect(await budget(server, wide.delegation_id)).toMatchObject({ held_usd: '0' })
})

describe('after a revocation was acknowledged', () => {
  test('nothing new is held, whatever was under way', async () => {
    const { token, delegation_id } = await lend(server, '2')
    const charges = times(80, (index) => reserve(either(index), { token, amount_usd: '0.01' }))
    await Promise.race(charges)
    expect((await servers.second.revoke('researcher', token)).status).toBe(200)
    const atAnswer = await budget(server, delegation_id)
    const answers = await Promise.all(charges)
    expect(Object.keys(tally(answers)).every((status) => ['201', '403'].includes(status))).toBe(
      true,
    )
    expect(await budget(server, delegation_id)).toEqual(atAnswer)
    expect((await reserve(server, { delegation_id, amount_usd: '0.01' })).status).toBe(403)
  })

  test.runIf(onPostgres)('not even by a charge that already waits for its budget', async () => {
    const { token, subject } = await delegateOnce(server)
    const charge = await servers.second.database.drizzle.transaction(async (transaction) => {
      await transaction.execute(sql`select from budgets where id = 'tenant:acme' for update`)
      const waiting = reserve(server, { token, amount_usd: '0.01' })
      const waits = `select count(*)::int as n from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`
      for (let n = 0, tries = 0; n === 0; tries += 1) {
        expect(tries, 'the charge does not wait').toBeLessThan(1000)
        n = Number((await server.database.read(waits, []))[0]?.n)
      }
      await server.revoke('orchestrator', subject)
      // In an object, since awaiting the promise here would wait for ever.
      return { waiting }
    })
    const { status, body } = await charge.waiting
    expect([status, body.error_detail]).toEqual([403, 'delegation_revoked'])
    expect(await budget(server, delegationOf(token))).toMatchObject({ held_usd: '0' })
  })
})

test('a root that is made again goes on with what its agent has spent', async () => {
  const own = async () => (await server.clientCredentials('loner')).body.access_token
  const first = await own()
  const { body } = await reserve(server, { token: first, amount_usd: '49' })
  await settle(server, body.id, '49')
  await server.revoke('loner', first)
  const [again = '', other = ''] = await Promise.all([own(), own()])
  expect(delegationOf(again)).not.toBe(delegationOf(first))
  expect(delegationOf(again)).toBe(delegationOf(other))
  const refused = await reserve(server, { token: again, amount_usd: '2' })
  expect([refused.status, refused.body.remaining]).toEqual([402, '1'])
})

test('a cap that is lowered while it is charged holds from then on', async () => {
  const limits = { agent_limits: { cost_budget_usd: '0.5' } }
  const token = (await server.clientCredentials('cc-only')).body.access_token
  const charges = times(80, (index) => reserve(either(index), { token, amount_usd: '0.01' }))
  await Promise.race(charges)
  const { database, clock } = servers.second
  await openTestServer({ config: configWith({ clients: { 'cc-only': limits } }), database, clock })
  const lowered = (await checkBooks(server)).get('agent:cc-only')
  const answers = await Promise.all(charges)
  const after = (await checkBooks(server)).get('agent:cc-only')
  expect(after?.cap).toBe(lowered?.cap)
  const accepted = tally(answers)[201] ?? 0
  expect(accepted * 10_000).toBe(Number(after?.held))
  expect(accepted * 10_000).toBeLessThanOrEqual(Math.max(500_000, Number(lowered?.held)))
})
