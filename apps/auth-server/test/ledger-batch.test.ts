/** What is decided in one batch: each on its own, whatever the others ask for. */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createBook, MissingBudgets } from '../src/budgets/book.js'
import { touching } from '../src/budgets/work.js'
import type { Database, Query } from '../src/store/database.js'
import { ledgerStore } from '../src/store/ledger.js'
import { writeChanges } from '../src/store/ledger-changes.js'
import { readPage } from '../src/store/ledger-page.js'
import { docs, mail, openTestServer, type TestServer } from './harness.js'
import { close, leaseConfig, open } from './lease-fixtures.js'
import { budget, delegationOf, lend, reserve, times } from './ledger-fixtures.js'

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({ config: leaseConfig })
})
afterAll(() => server.close())

const rounds = times(5, (index) => index)

const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const openLeases = async (delegationId: string): Promise<Record<string, unknown>[]> =>
  server.database.read(`select id from leases where delegation_id = $1 and state = 'open'`, [
    delegationId,
  ])

describe('one batch', () => {
  test('keeps apart the leases of one holder at two clients and on two delegations', async () => {
    const { body } = await server.clientCredentials('researcher', { resource: [docs, mail] })
    const shared = delegationOf(body.access_token)
    for (const round of rounds) {
      const { delegation_id } = await lend(server, '1')
      const asked = { want_usd: '0.01', holder: `process-${round}` }
      // These are decided first, and meanwhile the others gather.
      const busy = times(8, () => reserve(server, { delegation_id, amount_usd: '0.01' }))
      const answers = await Promise.all([
        open(server, { ...asked, delegation_id }),
        server.ledger('docs-server', '/leases', { ...asked, delegation_id: shared }),
        server.ledger('mail-server', '/leases', { ...asked, delegation_id: shared }),
      ])
      await Promise.all(busy)
      for (const { status, body: lease } of answers) expect([status, lease.epoch]).toEqual([201, 1])
      expect(await openLeases(shared)).toHaveLength(2 * (round + 1))
    }
  })

  test('ends a lease once that is closed and opened again by its holder', async () => {
    const { delegation_id } = await lend(server, '1')
    const asked = { delegation_id, want_usd: '0.1', holder: 'process-1' }
    const { body } = await open(server, asked)
    const [closed, opened] = await Promise.all([
      close(server, body.id, { seq: 1, spent_usd: '0.02' }),
      open(server, asked),
    ])
    expect([closed.status, opened.status]).toEqual([200, 201])
    expect(await openLeases(delegation_id)).toHaveLength(1)
    expect(await budget(server, delegation_id)).toMatchObject({ spent_usd: '0.02' })
  })

  test('is not written over what has moved since it was read', async () => {
    const { delegation_id } = await lend(server, '1')
    const { read } = server.database
    const touches = touching({ budgetIds: [delegation_id] })
    const decide = () => ({ status: 200, body: {} })
    const now = server.clock.now()
    const book = createBook(
      await readPage(read, [{ request: undefined, touches, decide }], [], now),
      now,
    )
    await reserve(server, { delegation_id, amount_usd: '0.4' })
    book.change(delegation_id).held += 900_000n
    await expect(writeChanges(read, book.changes())).rejects.toThrow('moved under their lock')
    expect(await budget(server, delegation_id)).toMatchObject({ held_usd: '0.4' })
  })

  const change = (text: string) => server.database.write(text, [])

  test('does not fail with one that cannot be written', async () => {
    const [bad, one, other] = [
      await lend(server, '1'),
      await lend(server, '1'),
      await lend(server, '1'),
    ]
    // Asked for in the same moment, so they are one batch.
    const hold = ({ delegation_id: id }: { delegation_id: string }, leases: number) =>
      server.deps.store.ledger.run({
        request: undefined,
        touches: touching({ budgetIds: [id] }),
        decide: (book) => {
          book.change(id).leases = leases
          return { status: 200, body: {} }
        },
      })
    const answers = await Promise.allSettled([hold(one, 1), hold(bad, -1), hold(other, 1)])
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    const rows = await server.database.read(
      'select id, leases from budgets where id = any($1) and leases > 0',
      [[bad, one, other].map(({ delegation_id }) => delegation_id)],
    )
    expect(rows).toHaveLength(2)
  })

  test('lets the next one pass while it looks for what it lacks', async () => {
    const [one, other] = [await lend(server, '1'), await lend(server, '1')]
    const done = { status: 200, body: {} }
    const { database, clock } = server
    // Slow enough for the second to begin while the first is at work.
    const slowly =
      (query: Query): Query =>
      async (text, params) => {
        for (const _ of rounds) await soon()
        return query(text, params)
      }
    const slow: Database = {
      ...database,
      ledger: (work) => database.ledger((query) => work(slowly(query))),
    }
    const { run } = ledgerStore(slow, clock.now)
    const ask = ({ delegation_id: id }: { delegation_id: string }, decide = () => done) =>
      run({
        request: undefined,
        touches: touching({ budgetIds: [id] }),
        decide,
      })
    let decided = 0
    const lacking = ask(one, () => {
      decided += 1
      if (decided === 1) throw new MissingBudgets([other.delegation_id])
      return done
    })
    const following: Promise<unknown>[] = []
    while (decided === 0) {
      following.push(ask(other))
      await soon()
    }
    await Promise.all([lacking, ...following])
    expect(decided).toBe(2)
  })

  test('does not wait for ever for a budget that is not there', async () => {
    const lost = await lend(server, '1')
    await change(`delete from budgets where id = '${lost.delegation_id}'`)
    const answer = await reserve(server, { delegation_id: lost.delegation_id, amount_usd: '0.01' })
    expect([answer.status, answer.body.error]).toEqual([404, 'not_found'])
    const { delegation_id } = await lend(server, '1')
    expect((await reserve(server, { delegation_id, amount_usd: '0.01' })).status).toBe(201)
  })

  // PGlite has one connection, so there nobody else could ask.
  test.runIf(inject('postgresUrl'))(
    'locks the budgets and the delegations that it is about',
    async () => {
      const { delegation_id } = await lend(server, '1')
      const touches = touching({ budgetIds: [delegation_id], lineage: [delegation_id] })
      const decide = () => ({ status: 200, body: {} })
      const isLocked = (table: string): Promise<boolean> =>
        server.database
          .read(`select id from ${table} where id = $1 for update nowait`, [delegation_id])
          .then(
            () => false,
            ({ code }) => code === '55P03',
          )
      expect([await isLocked('budgets'), await isLocked('delegations')]).toEqual([false, false])
      await server.database.ledger(async (query) => {
        await readPage(query, [{ request: undefined, touches, decide }], [], server.clock.now())
        expect([await isLocked('budgets'), await isLocked('delegations')]).toEqual([true, true])
        return { result: undefined, written: Promise.resolve() }
      })
      expect([await isLocked('budgets'), await isLocked('delegations')]).toEqual([false, false])
    },
  )
})
