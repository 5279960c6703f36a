/** `requests_per_hour`: no more in any rolling hour, whoever asks and wherever. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { agent, delegateOnce, type TestServer } from './harness.js'
import { close, failures, type LeaseBody, open, renew } from './lease-fixtures.js'
import { budget, checkBooks, configWith, delegationOf, times } from './ledger-fixtures.js'
import { openTwoServers, type TwoServers } from './two-servers.js'

const limited = (client_id: string, requests_per_hour: number) =>
  agent(client_id, { agent_limits: { requests_per_hour, cost_budget_usd: 10 } })

const config = configWith({
  clients: {
    orchestrator: {
      agent_limits: { requests_per_hour: 20, cost_budget_usd: 50, max_delegation_depth: 3 },
    },
  },
  more: [limited('ten', 10), limited('seven', 7), limited('none', 0)],
})

let servers: TwoServers
let server: TestServer
beforeAll(async () => {
  servers = await openTwoServers(config)
  server = servers.one
})
beforeEach(async () => {
  // An hour in which nothing happened, from the beginning of a minute.
  servers.clock.advance(7200 + 300)
  await server.expireHolds()
  servers.clock.advance(7200 - (servers.clock.seconds() % 60))
})
afterAll(async () => {
  for (const one of [servers.one, servers.two]) expect(failures(one)).toEqual([])
  await checkBooks(server)
  await servers.close()
})

const rootOf = async (clientId: string): Promise<string> =>
  delegationOf((await server.clientCredentials(clientId)).body.access_token)

const openAs = async (at: TestServer, clientId: string, body: object) =>
  (await at.ledger(clientId, '/leases', body)) as unknown as {
    status: number
    headers: Headers
    body: LeaseBody
  }

const left = async (id: string): Promise<unknown> => (await budget(server, id)).remaining_requests

/** Lends requests and reports all of them as used, at this moment. */
const use = async (delegation_id: string, count: number): Promise<void> => {
  for (let used = 0; used < count; ) {
    const { status, body } = await open(server, { delegation_id, want_requests: count - used })
    expect(status).toBe(201)
    await close(server, body.id, { seq: 1, requests: body.requests })
    used += body.requests
  }
}

const expectRefused = async (delegation_id: string) => {
  const answer = await open(server, { delegation_id, want_requests: 1 })
  expect([answer.status, answer.body.error]).toEqual([429, 'rate_limited'])
  return answer
}

const expectOne = async (delegation_id: string): Promise<void> => {
  const { status, body } = await open(server, { delegation_id, want_requests: 1 })
  expect([status, body.requests]).toEqual([201, 1])
  await close(server, body.id, { seq: 1 })
}

describe('within an hour', () => {
  test('two servers lend to two clients no more than the limit, and all of it', async () => {
    const delegation_id = await rootOf('ten')
    const lent: LeaseBody[] = []
    for (let turn = 0; ; turn += 1) {
      const at = turn % 2 === 0 ? servers.one : servers.two
      const client = turn % 3 === 0 ? 'docs-server' : 'mail-server'
      const { status, body } = await openAs(at, client, { delegation_id, want_requests: 100 })
      if (status !== 201) break
      lent.push(body)
    }
    expect(lent.reduce((sum, { requests }) => sum + requests, 0)).toBe(10)
    expect(lent.length).toBeGreaterThan(3)
    expect(lent[0]?.requests).toBe(5)
  })

  test('many that ask at once on two servers get no more than the limit', async () => {
    const delegation_id = await rootOf('seven')
    const answers = await Promise.all(
      times(20, (index) =>
        openAs(index % 2 === 0 ? servers.one : servers.two, 'docs-server', {
          delegation_id,
          want_requests: 3,
        }),
      ),
    )
    const lent = answers.filter(({ status }) => status === 201)
    expect(lent.reduce((sum, { body }) => sum + body.requests, 0)).toBe(7)
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(20 - lent.length)
  })

  test('a child counts against everyone above it', async () => {
    const limits = (count: number) => ({
      agent_limits: JSON.stringify({ requests_per_hour: count }),
    })
    const upper = await delegateOnce(server, { ...limits(12), scope: 'docs:read' })
    const lower = await delegateOnce(
      server,
      { ...limits(8), scope: 'docs:read' },
      'researcher',
      'scraper',
      upper.token,
    )
    const sibling = await delegateOnce(server, { ...limits(15), scope: 'docs:read' })
    const root = delegationOf(upper.subject)
    const ids = [lower, upper].map(({ token }) => delegationOf(token))
    await use(ids[0] ?? '', 5)
    expect([await left(ids[0] ?? ''), await left(ids[1] ?? ''), await left(root)]).toEqual([
      3, 7, 15,
    ])
    await use(delegationOf(sibling.token), 15)
    const refused = await expectRefused(ids[0] ?? '')
    expect(refused.body).toMatchObject({ limited_by: 'agent:orchestrator', limit: 20 })
    expect(await budget(server, ids[0] ?? '')).toMatchObject({
      remaining_requests: 0,
      requests_per_hour: 20,
      requests_limited_by: 'agent:orchestrator',
    })
  })

  test('what was lent and not used comes back', async () => {
    const delegation_id = await rootOf('ten')
    const { body } = await open(server, { delegation_id, want_requests: 5 })
    expect(await left(delegation_id)).toBe(5)
    await renew(server, body.id, { seq: 1, requests: 2, want_requests: 1 })
    expect(await left(delegation_id)).toBe(7)
    await close(server, body.id, { seq: 2, requests: 2 })
    expect(await left(delegation_id)).toBe(8)
  })

  test('what is reported twice counts once', async () => {
    const delegation_id = await rootOf('ten')
    const { body } = await open(server, { delegation_id, want_requests: 5 })
    for (const seq of [1, 2, 3]) await renew(server, body.id, { seq, requests: 4 })
    await close(server, body.id, { seq: 4, requests: 4 })
    expect(await left(delegation_id)).toBe(6)
  })

  test('a lease that is not heard of counts in full, until a late report takes back the rest', async () => {
    const delegation_id = await rootOf('ten')
    const { body } = await open(server, { delegation_id, want_requests: 5 })
    servers.clock.advance(41)
    await server.expireHolds()
    expect(await left(delegation_id)).toBe(5)
    await use(delegation_id, 2)
    servers.clock.advance(1800)
    await close(server, body.id, { seq: 1, requests: 1 })
    expect(await left(delegation_id)).toBe(7)
  })

  test('a report after the hour takes nothing back from what counts now', async () => {
    const delegation_id = await rootOf('ten')
    const { body } = await open(server, { delegation_id, want_requests: 5 })
    servers.clock.advance(41)
    await server.expireHolds()
    await use(delegation_id, 3)
    servers.clock.advance(2 * 3600)
    await use(delegation_id, 4)
    expect((await close(server, body.id, { seq: 1 })).status).toBe(200)
    expect(await left(delegation_id)).toBe(6)
    // Nor from what would count again, should the clock be set back.
    servers.clock.advance(-2 * 3600)
    expect(await left(delegation_id)).toBeLessThanOrEqual(3)
    servers.clock.advance(2 * 3600)
  })
})

describe('the refusal', () => {
  test('says which limit it is, and when to come again', async () => {
    const delegation_id = await rootOf('ten')
    await use(delegation_id, 10)
    servers.clock.advance(1815)
    const { status, headers, body } = await open(server, { delegation_id, want_requests: 1 })
    // The minute that counts ends its hour 61 minutes after it began.
    const wait = 61 * 60 - 1815
    expect(status).toBe(429)
    expect(headers.get('content-type')).toBe('application/problem+json')
    expect(headers.get('retry-after')).toBe(String(wait))
    expect(headers.get('ratelimit-policy')).toBe('"requests_per_hour";q=10;w=3600')
    expect(headers.get('ratelimit')).toBe(`"requests_per_hour";r=0;t=${wait}`)
    expect(body).toMatchObject({
      error: 'rate_limited',
      error_detail: 'requests_per_hour',
      limited_by: 'agent:ten',
      limit: 10,
      remaining: '0',
      retry_after: wait,
    })
    servers.clock.advance(wait - 1)
    expect((await expectRefused(delegation_id)).headers.get('retry-after')).toBe('1')
    servers.clock.advance(1)
    await expectOne(delegation_id)
  })

  test('waits for the oldest minute in which something counts still', async () => {
    const delegation_id = await rootOf('ten')
    const { body } = await open(server, { delegation_id, want_requests: 5 })
    servers.clock.advance(60)
    await server.expireHolds()
    servers.clock.advance(120)
    await use(delegation_id, 5)
    await close(server, body.id, { seq: 1 })
    await use(delegation_id, 5)
    const { headers } = await expectRefused(delegation_id)
    expect(headers.get('retry-after')).toBe(String(61 * 60))
  })

  test('asks for a minute while only leases are in the way', async () => {
    const delegation_id = await rootOf('ten')
    const ids: string[] = []
    for (let held = 0; held < 10; ) {
      const { body } = await open(server, { delegation_id, want_requests: 10 })
      held += body.requests
      ids.push(body.id)
    }
    expect((await expectRefused(delegation_id)).headers.get('retry-after')).toBe('60')
    await close(server, ids[0] ?? '', { seq: 1 })
    await expectOne(delegation_id)
  })

  test('comes before money, and then no money is held either', async () => {
    const delegation_id = await rootOf('ten')
    await use(delegation_id, 10)
    const both = { delegation_id, want_usd: '1', want_requests: 1 }
    expect((await open(server, both)).status).toBe(429)
    expect(await budget(server, delegation_id)).toMatchObject({ held_usd: '0' })
    const money = await open(server, { delegation_id, want_usd: '1' })
    expect([money.status, money.body.requests]).toEqual([201, 0])
    await close(server, money.body.id, { seq: 1 })
  })

  test('is the answer to a repeat of its key, also when the hour is over', async () => {
    const delegation_id = await rootOf('ten')
    await use(delegation_id, 10)
    const ask = () => open(server, { delegation_id, want_requests: 1 }, 'refused-once')
    const first = await ask()
    servers.clock.advance(7200)
    const again = await ask()
    expect([first.status, again.status, again.body]).toEqual([429, 429, first.body])
    for (const name of ['retry-after', 'ratelimit', 'ratelimit-policy', 'content-type']) {
      expect([name, again.headers.get(name)]).toEqual([name, first.headers.get(name)])
    }
  })

  test('meets a renewal that has nothing left either, and its report counts', async () => {
    const delegation_id = await rootOf('ten')
    const { body } = await open(server, { delegation_id, want_requests: 5 })
    await use(delegation_id, 5)
    const last = { seq: 1, requests: 4, want_requests: 3 }
    const held = await renew(server, body.id, last)
    expect([held.status, held.body.requests]).toEqual([200, 1])
    const none = await renew(server, body.id, { ...last, seq: 2, requests: 5 })
    expect([none.status, none.body.error]).toEqual([429, 'rate_limited'])
    expect(await left(delegation_id)).toBe(0)
  })

  test('is all there is with a limit of nothing', async () => {
    const delegation_id = await rootOf('none')
    const { headers, body } = await expectRefused(delegation_id)
    expect(headers.get('retry-after')).toBe('3600')
    expect(body).toMatchObject({ limited_by: 'agent:none', limit: 0, remaining: '0' })
  })
})

describe('the edge of a minute', () => {
  test('a request counts for an hour at least, and for one more minute at most', async () => {
    const delegation_id = await rootOf('ten')
    servers.clock.advance(59)
    await use(delegation_id, 10)
    servers.clock.advance(3600)
    await expectRefused(delegation_id)
    servers.clock.advance(1)
    await expectOne(delegation_id)
  })

  test('what is reported in the next minute counts from there', async () => {
    const delegation_id = await rootOf('seven')
    servers.clock.advance(59)
    const { body } = await open(server, { delegation_id, want_requests: 3 })
    servers.clock.advance(1)
    await close(server, body.id, { seq: 1, requests: 3 })
    servers.clock.advance(3600)
    expect(await left(delegation_id)).toBe(4)
    servers.clock.advance(60)
    expect(await left(delegation_id)).toBe(7)
  })

  test('old minutes are forgotten only when they count no more', async () => {
    const delegation_id = await rootOf('ten')
    await use(delegation_id, 10)
    servers.clock.advance(3600)
    await server.deps.store.budgets.forgetMinutes(servers.clock.now())
    await expectRefused(delegation_id)
    servers.clock.advance(3 * 3600)
    await server.deps.store.budgets.forgetMinutes(servers.clock.now())
    const rows = await server.database.read('select count(*)::int as n from request_minutes', [])
    expect(rows[0]?.n).toBe(0)
  })
})

test('a limit that begins while a lease is open does not count what was lent before', async () => {
  const withLimits = (agent_limits: object) => ({
    ...config,
    clients: config.clients.map((client) =>
      'client_id' in client && client.client_id === 'ten' ? agent('ten', { agent_limits }) : client,
    ),
  })
  const delegation_id = await rootOf('ten')
  await server.applyConfig(withLimits({}))
  const { body } = await open(server, { delegation_id, want_requests: 500 })
  servers.clock.advance(41)
  await server.expireHolds()
  await server.applyConfig(withLimits({ requests_per_hour: 10 }))
  await use(delegation_id, 2)
  expect((await close(server, body.id, { seq: 1 })).status).toBe(200)
  expect(Number(await left(delegation_id))).toBeLessThanOrEqual(10)
  await server.applyConfig(config)
})

test('a limit that is lowered below what was used leaves nothing, and not less', async () => {
  const delegation_id = await rootOf('ten')
  await use(delegation_id, 8)
  const clients = config.clients.map((client) =>
    'client_id' in client && client.client_id === 'ten' ? limited('ten', 4) : client,
  )
  await server.applyConfig({ ...config, clients })
  expect(await left(delegation_id)).toBe(0)
  await expectRefused(delegation_id)
  await server.applyConfig(config)
  expect(await left(delegation_id)).toBe(2)
})
