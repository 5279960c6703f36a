/** `requests_per_hour` against random histories: what was used is counted, not what the ledger says. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { agent, type TestServer } from './harness.js'
import { close, failures, type LeaseBody, renew } from './lease-fixtures.js'
import { checkBooks, configWith, delegationOf } from './ledger-fixtures.js'
import { openTwoServers, type TwoServers } from './two-servers.js'

const limit = 7
const config = configWith({
  more: [agent('seven', { agent_limits: { requests_per_hour: limit, cost_budget_usd: 10 } })],
})

let servers: TwoServers
let server: TestServer
let delegation_id: string
beforeAll(async () => {
  servers = await openTwoServers(config)
  server = servers.one
  delegation_id = delegationOf((await server.clientCredentials('seven')).body.access_token)
})
afterAll(async () => {
  for (const one of [servers.one, servers.two]) expect(failures(one)).toEqual([])
  await checkBooks(server)
  await servers.close()
})

/** A lease as its holder sees it. */
interface Held {
  at: TestServer
  id: string
  seq: number
  used: number
  /** What may be used in all. */
  authority: number
  until: number
}

/** What a run knows: what is held, and when each request was made. */
interface History {
  held: Held[]
  made: number[]
}

const step = fc.record({
  kind: fc.constantFrom('open', 'use', 'use', 'renew', 'renew', 'close', 'wait', 'wait', 'expire'),
  which: fc.nat({ max: 9 }),
  count: fc.integer({ min: 1, max: 9 }),
  seconds: fc.oneof(fc.integer({ min: 0, max: 70 }), fc.integer({ min: 0, max: 1500 })),
})
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

const lentBy = (body: LeaseBody, used: number) => ({
  authority: used + body.requests,
  until: body.state === 'open' ? servers.clock.seconds() + Number(body.ttl_seconds) : 0,
})

const openOne = async (history: History, { which, count, seconds }: Step): Promise<void> => {
  const at = which % 2 === 0 ? servers.one : servers.two
  const client = which % 3 === 0 ? 'mail-server' : 'docs-server'
  const asked = { delegation_id, want_requests: count, ttl_seconds: 10 + (seconds % 290) }
  const { status, body } = await at.ledger(client, '/leases', asked)
  expect([201, 429]).toContain(status)
  // What the other client was lent is lost: it never uses it, and never says so.
  if (status !== 201 || client !== 'docs-server') return
  const lease = body as unknown as LeaseBody
  history.held.push({ at, id: lease.id, seq: 0, used: 0, ...lentBy(lease, 0) })
}

const useSome = ({ made }: History, one: Held, { count }: Step): void => {
  const now = servers.clock.seconds()
  if (now >= one.until) return
  const more = Math.min(count, one.authority - one.used)
  one.used += more
  for (let n = 0; n < more; n += 1) made.push(now)
}

const renewOne = async (one: Held, { count, which }: Step): Promise<void> => {
  one.seq += 1
  const report = { seq: one.seq, requests: one.used }
  const ask = { ...report, want_requests: count, ttl_seconds: 30 + which }
  const { status, body } = await renew(one.at, one.id, ask)
  Object.assign(one, status === 200 ? lentBy(body, one.used) : { until: 0 })
}

const closeOne = async (history: History, one: Held): Promise<void> => {
  await close(one.at, one.id, { seq: one.seq + 1, requests: one.used })
  history.held = history.held.filter((other) => other !== one)
}

const take = async (history: History, { kind, ...args }: Step): Promise<void> => {
  if (kind === 'wait') servers.clock.advance(args.seconds)
  else if (kind === 'expire') await server.expireHolds()
  else if (kind === 'open') await openOne(history, { kind, ...args })
  const one = history.held[args.which % Math.max(1, history.held.length)]
  if (!one) return
  if (kind === 'use') useSome(history, one, { kind, ...args })
  if (kind === 'renew') await renewOne(one, { kind, ...args })
  if (kind === 'close') await closeOne(history, one)
}

const busiestHour = (made: readonly number[]): number =>
  Math.max(
    0,
    ...made.map((from) => made.filter((time) => time >= from && time < from + 3600).length),
  )

test('no hour sees more requests than the limit, whatever is opened, lost and reported', async () => {
  const run = async (steps: Step[]): Promise<void> => {
    const history: History = { held: [], made: [] }
    for (const one of steps) await take(history, one)
    expect(busiestHour(history.made)).toBeLessThanOrEqual(limit)
    servers.clock.advance(7200)
    await server.expireHolds()
    servers.clock.advance(7200)
  }
  const histories = fc.array(step, { minLength: 20, maxLength: 60 })
  await fc.assert(fc.asyncProperty(histories, run), { numRuns: 30 })
})
