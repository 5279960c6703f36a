/** Two servers on one database, at the same moment: what one of them may, both together may. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createBook } from '../src/budgets/book.js'
import { touching } from '../src/budgets/work.js'
import { writeChanges } from '../src/store/ledger-changes.js'
import { readPage } from '../src/store/ledger-page.js'
import { agent, resourceServer, type TestServer } from './harness.js'
import { close, failures, type LeaseBody, leaseConfig, open, renew } from './lease-fixtures.js'
import { budget, checkBooks, delegationOf, lend, reserve, tally, times } from './ledger-fixtures.js'
import { openTwoServers, type TwoServers } from './two-servers.js'

const config = {
  ...leaseConfig,
  clients: [
    ...leaseConfig.clients,
    ...times(5, (index) =>
      agent(`fresh-${index}`, {
        agent_limits: { cost_budget_usd: 50 },
        budget_periods: { day: '0.5', week: '1', month: '2' },
      }),
    ),
    { ...resourceServer('ops'), scope: 'admin' },
  ],
}

let servers: TwoServers
let server: TestServer
beforeAll(async () => {
  servers = await openTwoServers(config)
  server = servers.one
})
afterAll(async () => {
  for (const one of [servers.one, servers.two]) expect(failures(one)).toEqual([])
  await checkBooks(server)
  await servers.close()
})

const either = (index: number): TestServer => (index % 2 === 0 ? servers.one : servers.two)

const rounds = times(5, (index) => index)

const sum = (amounts: readonly unknown[]): number =>
  amounts.reduce<number>((total, amount) => total + Math.round(Number(amount) * 1e6), 0)

const openLeases = async (delegationId: string): Promise<Record<string, unknown>[]> =>
  server.database.read(
    `select id, epoch, held::text from leases where delegation_id = $1 and state = 'open'`,
    [delegationId],
  )

describe('one key on two servers at once', () => {
  test('opens one lease, and everybody is told of it', async () => {
    for (const round of rounds) {
      const { delegation_id } = await lend(server, '1')
      const answers = await Promise.all(
        times(10, (index) =>
          open(either(index), { delegation_id, want_usd: '0.2' }, `open-${round}`),
        ),
      )
      expect(tally(answers)).toEqual({ 201: 10 })
      expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1)
      expect(await openLeases(delegation_id)).toHaveLength(1)
    }
  })

  test('with two bodies does one of them, and refuses the other', async () => {
    for (const round of rounds) {
      const { delegation_id } = await lend(server, '1')
      const answers = await Promise.all(
        times(10, (index) => {
          const want_usd = index % 2 === 0 ? '0.2' : '0.3'
          return open(either(index), { delegation_id, want_usd }, `bodies-${round}`)
        }),
      )
      expect(tally(answers)).toEqual({ 201: 5, 409: 5 })
      expect(await openLeases(delegation_id)).toHaveLength(1)
    }
  })

  test('changes one of two budgets that have nothing in common', async () => {
    for (const round of times(20, (index) => index)) {
      const answers = await Promise.all(
        ['fresh-0', 'fresh-1'].map((name, index) => {
          const path = `/budgets/agent:${name}/cap`
          return either(index).ledger('ops', path, { cap_usd: '50' }, `caps-${round}`)
        }),
      )
      expect(tally(answers)).toEqual({ 200: 1, 409: 1 })
    }
  })

  test('counts a report once', async () => {
    const { delegation_id } = await lend(server, '1')
    const { body } = await open(server, { delegation_id, want_usd: '0.4' })
    const report = { seq: 1, spent_usd: '0.1', want_usd: '0.1' }
    const answers = await Promise.all(
      times(12, (index) => renew(either(index), body.id, report, 'renew-many')),
    )
    expect(tally(answers)).toEqual({ 200: 12 })
    for (const answer of answers) expect(answer.body).toEqual(answers[0]?.body)
    expect(await budget(server, delegation_id)).toMatchObject({ spent_usd: '0.1', held_usd: '0.1' })
  })

  test('tops a cap up once', async () => {
    const { delegation_id } = await lend(server, '1')
    const path = `/budgets/${delegation_id}/top-up`
    const answers = await Promise.all(
      times(10, (index) => either(index).ledger('ops', path, { amount_usd: '0.5' }, 'top-up-many')),
    )
    expect(tally(answers)).toEqual({ 200: 10 })
    expect((await budget(server, delegation_id)).cap_usd).toBe('1.5')
  })
})

describe('one lease on two servers at once', () => {
  test('takes one report of each seq', async () => {
    const { delegation_id } = await lend(server, '1')
    const { body } = await open(server, { delegation_id, want_usd: '0.5' })
    const answers = await Promise.all(
      times(10, (index) => renew(either(index), body.id, { seq: 1, spent_usd: `0.${index % 5}` })),
    )
    expect(tally(answers)).toEqual({ 200: 1, 409: 9 })
    const winner = answers.find(({ status }) => status === 200)?.body
    const { spent_usd, held_usd } = await budget(server, delegation_id)
    expect([held_usd, sum([spent_usd, held_usd])]).toEqual([winner?.amount_usd, 500_000])
  })

  test('is renewed or closed, and charged for what was reported in either order', async () => {
    for (const round of rounds) {
      const { delegation_id } = await lend(server, '1')
      const { body } = await open(server, { delegation_id, want_usd: '0.4' })
      const [renewed, closed] = await Promise.all([
        renew(either(round), body.id, { seq: 1, spent_usd: '0.1', want_usd: '0.5' }),
        close(either(round + 1), body.id, { seq: 2, spent_usd: '0.3' }),
      ])
      expect(closed.status).toBe(200)
      expect([200, 409]).toContain(renewed.status)
      const after = await budget(server, delegation_id)
      expect(after).toMatchObject({ spent_usd: '0.3', held_usd: '0' })
      const { body: next } = await open(server, { delegation_id, want_usd: '1' })
      expect(next.amount_usd).toBe('0.35')
    }
  })

  test('expires once, and its late report refunds once', async () => {
    for (const round of rounds) {
      const { delegation_id } = await lend(server, '1')
      const { body } = await open(server, { delegation_id, want_usd: '0.4' })
      servers.clock.advance(41)
      const [, , one, other] = await Promise.all([
        either(round).expireHolds(),
        either(round + 1).expireHolds(),
        close(servers.one, body.id, { seq: 1, spent_usd: '0.1' }),
        close(servers.two, body.id, { seq: 1, spent_usd: '0.1' }),
      ])
      expect([one?.status, other?.status].sort()).toEqual([200, 409])
      const after = await budget(server, delegation_id)
      expect(after).toMatchObject({ spent_usd: '0.1', held_usd: '0' })
    }
  })

  test('has one heir when its holder opens again twice', async () => {
    for (const _ of rounds) {
      const { delegation_id } = await lend(server, '1')
      const asked = { delegation_id, want_usd: '0.1', holder: 'process-1' }
      const answers = await Promise.all(times(4, (index) => open(either(index), asked)))
      expect(answers.map(({ body }) => body.epoch).sort()).toEqual([1, 2, 3, 4])
      const left = await openLeases(delegation_id)
      expect(left).toMatchObject([{ epoch: 4, held: '100000' }])
      expect(await budget(server, delegation_id)).toMatchObject({ spent_usd: '0.3' })
    }
  })

  test('is asked back although a renewal was being decided at that moment', async () => {
    const { delegation_id } = await lend(server, '1')
    const { body } = await open(server, { delegation_id, want_usd: '0.4' })
    const { read } = server.database
    const work = { request: undefined, touches: touching({ leases: [body.id] }) }
    const now = servers.clock.now()
    const decide = () => ({ status: 200, body: {} })
    const book = createBook(await readPage(read, [{ ...work, decide }], [], now), now)
    await server.ledger('ops', `/budgets/${delegation_id}/cap`, { cap_usd: '0.5' })
    const lease = book.lease(body.id)
    if (lease) book.putLease(lease)
    await writeChanges(read, book.changes())
    expect((await renew(server, body.id, { seq: 1 })).body.recalled).toBe(true)
  })
})

describe('one budget on two servers at once', () => {
  const openAs = async (at: TestServer, client: string, body: object) =>
    (await at.ledger(client, '/leases', body)) as unknown as { status: number; body: LeaseBody }

  test('lends to 50 that open at once no more than a tiny cap', async () => {
    const cap = '0.000037'
    const { delegation_id } = await lend(server, cap)
    const answers = await Promise.all(
      times(50, (index) =>
        index % 5 === 0
          ? reserve(either(index), { delegation_id, amount_usd: '0.000002' })
          : openAs(either(index), 'docs-server', { delegation_id, want_usd: '1' }),
      ),
    )
    for (const { status } of answers) expect([201, 402, 429]).toContain(status)
    const held = answers.flatMap(({ status, body }) => (status === 201 ? [body.amount_usd] : []))
    const books = (await checkBooks(server)).get(delegation_id)
    expect(sum(held)).toBeLessThanOrEqual(37)
    expect(books).toMatchObject({ cap: '37', spent: '0', held: String(sum(held)) })
    expect(sum(held)).toBeGreaterThan(18)
  })

  test('has 32 open leases of one client at most', async () => {
    const { delegation_id } = await lend(server, '1')
    const answers = await Promise.all(
      times(60, (index) => open(either(index), { delegation_id, want_usd: '0.000001' })),
    )
    expect(tally(answers)).toEqual({ 201: 32, 429: 28 })
    expect(await openLeases(delegation_id)).toHaveLength(32)
  })

  test('holds no more than a cap that is cut, from the moment when the cut was acknowledged', async () => {
    const { delegation_id } = await lend(server, '2')
    let cutAt: number | undefined
    const take = async (index: number) => {
      const sentAfter = cutAt !== undefined
      const { status } = await reserve(either(index), { delegation_id, amount_usd: '0.01' })
      return { status, sentAfter }
    }
    const cut = async () => {
      const path = `/budgets/${delegation_id}/cap`
      const { body } = await servers.two.ledger('ops', path, { cap_usd: '0.5' })
      cutAt = sum([body.spent_usd, body.held_usd])
    }
    const first = times(100, take)
    const cutting = cut()
    const answers = [...(await Promise.all(first))]
    const inBetween = times(50, take)
    await cutting
    answers.push(...(await Promise.all(inBetween)), ...(await Promise.all(times(50, take))))
    for (const { status } of answers) expect([201, 402]).toContain(status)
    const accepted = answers.filter(({ status }) => status === 201).length * 10_000
    const limit = Math.max(500_000, cutAt ?? 0)
    expect(accepted).toBeLessThanOrEqual(limit)
    expect(accepted).toBeGreaterThanOrEqual(500_000)
    const after = answers.filter(({ sentAfter }) => sentAfter)
    expect(after.length).toBeGreaterThan(0)
    if ((cutAt ?? 0) >= 500_000) expect(tally(after)).toEqual({ 402: after.length })
    const { held_usd } = await budget(server, delegation_id)
    expect(sum([held_usd])).toBe(accepted)
  })

  test('begins a period once, and within its cap', async () => {
    for (const index of times(5, (one) => one)) {
      const { body } = await server.clientCredentials(`fresh-${index}`)
      const delegation_id = delegationOf(body.access_token)
      const answers = await Promise.all(
        times(20, (one) => reserve(either(one), { delegation_id, amount_usd: '0.05' })),
      )
      expect(tally(answers)).toEqual({ 201: 10, 402: 10 })
      const rows = await server.database.read(
        `select id, cap::text, held::text from budgets where id like $1 order by id`,
        [`%:agent:fresh-${index}`],
      )
      expect(rows.map(({ cap, held }) => [cap, held])).toEqual([
        ['500000', '500000'],
        ['2000000', '500000'],
        ['1000000', '500000'],
      ])
    }
  })
})
