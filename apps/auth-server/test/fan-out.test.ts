/** How many delegations may hang from one: exact, however many are asked for at once, and where. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { baseConfig, decode, docs, mail, openTestServer, type TestServer } from './harness.js'
import { tally, times } from './ledger-fixtures.js'
import { openTwoServers, type TwoServers } from './two-servers.js'

const bounded = (delegation_bounds: object) => ({
  ...baseConfig,
  delegation_bounds,
  delegation_rules: [
    ...baseConfig.delegation_rules,
    { from: 'orchestrator', to: 'loner', expires_in_seconds: 10 },
  ],
})

const lineageOf = (token: string): string[] => decode(token).agent_lineage as string[]
const leafOf = (token: string): string => lineageOf(token).at(-1) ?? ''

const handOff = (server: TestServer, token: string, to = 'researcher') =>
  server.exchange('orchestrator', token, { requested_actor: to, resource: docs })

/** A root that nothing hangs from yet. */
const freshToken = async (server: TestServer): Promise<string> => {
  const before = await server.clientCredentials('orchestrator', { resource: [docs, mail] })
  await server.revoke('orchestrator', before.body.access_token)
  const { body } = await server.clientCredentials('orchestrator', { resource: [docs, mail] })
  return body.access_token
}

const childrenOf = async (server: TestServer, id: string): Promise<number> => {
  const text = 'select count(*)::int as n from delegations where parent_id = $1'
  return Number((await server.database.read(text, [id]))[0]?.n)
}

const budgetsOf = async (server: TestServer, id: string): Promise<number> => {
  const text = `select count(*)::int as n from budgets
    where id in (select id from delegations where parent_id = $1)`
  return Number((await server.database.read(text, [id]))[0]?.n)
}

describe.each([
  ['alive at a time', { max_children: 7 }],
  ['made within a minute', { max_children_per_minute: 7 }],
])('the bound on those %s', (_, bounds) => {
  let servers: TwoServers
  beforeAll(async () => {
    servers = await openTwoServers(bounded(bounds))
  })
  afterAll(() => servers.close())

  test('lets exactly so many of a hundred through that two servers get at once', async () => {
    const token = await freshToken(servers.one)
    const answers = await Promise.all(
      times(100, (index) => handOff(index % 2 ? servers.one : servers.two, token)),
    )
    expect(tally(answers)).toEqual({ 200: 7, 403: 93 })
    for (const { body } of answers.filter(({ status }) => status === 403)) {
      expect(body).toMatchObject({ error: 'access_denied', error_detail: 'fan_out' })
    }
    expect(await childrenOf(servers.one, leafOf(token))).toBe(7)
    expect(await budgetsOf(servers.one, leafOf(token))).toBe(7)
    const jtis = await servers.one.database.read(
      'select count(*)::int as n from issuances where parent_jti = $1',
      [decode(token).jti],
    )
    expect(jtis).toEqual([{ n: 7 }])
  })

  test('is each parent’s own: beside a full one, and below it, others go on', async () => {
    const token = await freshToken(servers.one)
    const [first] = await Promise.all(times(7, () => handOff(servers.one, token)))
    expect((await handOff(servers.two, token)).status).toBe(403)
    const handed = first?.body.access_token ?? ''
    // Accepting makes no delegation.
    const accepted = await Promise.all(
      times(10, (index) => (index % 2 ? servers.one : servers.two).exchange('researcher', handed)),
    )
    expect(tally(accepted)).toEqual({ 200: 10 })
    const below = accepted[0]?.body.access_token ?? ''
    const answers = await Promise.all(
      times(20, () => servers.two.exchange('researcher', below, { requested_actor: 'scraper' })),
    )
    expect(tally(answers)).toEqual({ 200: 7, 403: 13 })
  })

  test('counts what its holder narrows for itself as well', async () => {
    const token = await freshToken(servers.one)
    const answers = await Promise.all(
      times(20, (index) =>
        index % 2 ? servers.one.exchange('orchestrator', token) : handOff(servers.two, token),
      ),
    )
    expect(tally(answers)).toEqual({ 200: 7, 403: 13 })
  })
})

describe('room is made', () => {
  let server: TestServer
  let token: string
  afterEach(() => server.close())

  const open = async (bounds: object): Promise<void> => {
    server = await openTestServer({ config: bounded(bounds) })
    token = await freshToken(server)
  }
  const fill = (count: number, to?: string) =>
    Promise.all(times(count, () => handOff(server, token, to)))
  const status = async () => (await handOff(server, token)).status

  test('among the living by a revocation, one for one', async () => {
    await open({ max_children: 3 })
    const [first] = await fill(3)
    expect(await status()).toBe(403)
    await server.api(
      'researcher',
      `/delegations/${leafOf(first?.body.access_token ?? '')}/revoke`,
      {},
    )
    expect(await status()).toBe(200)
    expect(await status()).toBe(403)
  })

  test('among the living when one expires, to the second', async () => {
    await open({ max_children: 3 })
    await fill(2)
    await fill(1, 'loner')
    server.clock.advance(9)
    expect(await status()).toBe(403)
    server.clock.advance(1)
    expect(await status()).toBe(200)
    expect(await status()).toBe(403)
  })

  test('within a minute by time only, not by a revocation', async () => {
    await open({ max_children_per_minute: 3 })
    const [first] = await fill(3)
    await server.api(
      'researcher',
      `/delegations/${leafOf(first?.body.access_token ?? '')}/revoke`,
      {},
    )
    expect(await status()).toBe(403)
    server.clock.advance(59)
    expect(await status()).toBe(403)
    server.clock.advance(1)
    expect(tally(await fill(5))).toEqual({ 200: 3, 403: 2 })
  })

  test('and can be asked for without being taken', async () => {
    await open({ max_children: 2 })
    const subject_token_type = 'urn:ietf:params:oauth:token-type:access_token'
    const question = { subject_token: token, subject_token_type, requested_actor: 'researcher' }
    const ask = () => server.check('orchestrator', { ...question, resource: docs })
    await fill(1)
    for (let asked = 0; asked < 3; asked += 1) expect((await ask()).body.allowed).toBe(true)
    const [last] = await fill(1)
    const refused = await handOff(server, token)
    expect((await ask()).body).toEqual({ allowed: false, ...refused.body })
    expect(refused.body.error_detail).toBe('fan_out')
    // Accepting takes no room.
    const accepting = { subject_token: last?.body.access_token ?? '', subject_token_type }
    expect((await server.check('researcher', accepting)).body.allowed).toBe(true)
  })

  test('by neither where the bound is nothing at all', async () => {
    await open({ max_children: 0 })
    expect(await status()).toBe(403)
    expect((await server.clientCredentials('orchestrator')).status).toBe(200)
  })

  test('for as many as were ever asked for where the file says nothing, up to a thousand', async () => {
    server = await openTestServer()
    token = await freshToken(server)
    await server.database.write(
      `insert into delegations (id, parent_id, lineage, tenant_id, subject, actor, scope, resources,
         limits, budget_ids, created_at, expires_at)
       select 'dlg_filler_' || n, d.id, d.lineage || ('dlg_filler_' || n), d.tenant_id, d.subject,
         'researcher', d.scope, d.resources, d.limits, d.budget_ids, $2::text::timestamptz,
         $2::text::timestamptz + interval '10 minutes'
       from delegations d, generate_series(1, 998) n where d.id = $1`,
      [leafOf(token), server.clock.now().toISOString()],
    )
    expect(tally(await fill(5))).toEqual({ 200: 2, 403: 3 })
  })
})
