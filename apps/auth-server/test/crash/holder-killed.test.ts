/** Holders of leases that are killed while they charge without asking anybody. */

import { formatUsd } from '@behalf/protocol'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { basic, createDatabase } from '../harness.js'
import { times } from '../ledger-fixtures.js'
import { type HolderLine, type HolderProcess, startHolder } from './holder-process.js'
import { headersOf } from './ledger-client.js'
import { openScene, type Scene } from './scene.js'
import { createRounds, seededRandom, sleep } from './seeded.js'
import { type BadNetwork, startBadNetwork } from './tcp-proxy.js'

const rounds = createRounds('holders killed', 6)
const ttlSeconds = 2

describe.runIf(inject('postgresUrl'))('a holder of a lease that is killed', () => {
  const random = seededRandom('holders killed')
  let database: Awaited<ReturnType<typeof createDatabase>>
  let scene: Scene
  let front: BadNetwork
  const holders: HolderProcess[] = []
  /** The delegations that are charged. */
  const ids: string[] = []
  /** Small ones, where the end of the budget is soon. */
  const spare: string[] = []
  /** Of each lease and each reservation, what was charged. Micro-USD. */
  const charged = new Map<string, { delegationId: string; amount: bigint }>()
  const note = ({ lease, reservation, cost }: HolderLine, delegationId: string): void => {
    const id = lease ?? reservation
    if (id === undefined || cost === undefined) return
    const amount = (charged.get(id)?.amount ?? 0n) + BigInt(cost)
    charged.set(id, { delegationId, amount })
  }
  beforeAll(async () => {
    database = await createDatabase()
    scene = await openScene({ databaseUrl: database.url, random })
    const choices = random.fork()
    // One address for both servers; nothing is done to what passes.
    front = await startBadNetwork({ target: () => scene.reachable(choices), fate: () => ({}) })
  })
  afterAll(async () => {
    await Promise.all(holders.map((holder) => holder.end('SIGKILL')))
    await front.close()
    await scene.close(database.drop)
  })

  let names = 0
  const start = async (delegationId: string, name?: string): Promise<void> => {
    names += 1
    const env = {
      LEDGER: `${front.url}/ledger`,
      AUTHORIZATION: basic('docs-server'),
      DELEGATION: delegationId,
      TTL_SECONDS: String(ttlSeconds),
    }
    const named = { script: 'lease-holder.mjs', name: name ?? `holder-${names}` } as const
    holders.push(await startHolder({ ...named, delegationId, env }, note))
  }

  const lendSome = async (caps: readonly string[]): Promise<string[]> => {
    const { targets } = await scene.createLoad(caps)
    return targets.map(({ delegationId }) => delegationId)
  }

  /** One ends, and another takes its place: under its name, as a stranger, or somewhere else. */
  const replaceOne = async (): Promise<void> => {
    const [holder] = holders.splice(random.below(holders.length), 1)
    if (!holder) return
    await holder.end(random.chance(0.85) ? 'SIGKILL' : 'SIGTERM')
    const place = random.pick(['same name', 'stranger', 'elsewhere'] as const)
    if (place === 'same name') await start(holder.delegationId, holder.name)
    else if (place === 'stranger') await start(holder.delegationId)
    else {
      const fresh = spare.pop() ?? holder.delegationId
      ids.push(fresh)
      await Promise.all([start(fresh), start(fresh)])
    }
  }

  const killServer = async (): Promise<void> => {
    const victim = random.pick(scene.servers)
    await victim.kill()
    await victim.start()
  }

  /** A late report, by somebody who has found out what the dead holder had done. */
  const reportLate = async (id: string, seq: number, amount: bigint): Promise<void> => {
    const response = await fetch(`${scene.url()}/ledger/leases/${id}/close`, {
      method: 'POST',
      headers: headersOf({ key: crypto.randomUUID() }),
      body: JSON.stringify({ seq, spent_usd: formatUsd(amount) }),
    })
    expect(await response.json()).toMatchObject({ id, state: 'closed', amount_usd: '0' })
  }

  const sumOf = (delegationId: string): bigint =>
    [...charged.values()]
      .filter((one) => one.delegationId === delegationId)
      .reduce((sum, { amount }) => sum + amount, 0n)

  test(
    'has paid for all it did, holds nothing after its ttl and the grace, and gets the rest back',
    async () => {
      ids.push(...(await lendSome(['50', '2', '0.1'])))
      spare.push(...(await lendSome(times(rounds.count, () => random.pick(['0.05', '0.2', '1'])))))
      for (const id of [...ids, ...ids]) await start(id)
      await rounds.play(async () => {
        await sleep(random.between(50, 500))
        await Promise.all([replaceOne(), ...(random.chance(0.3) ? [killServer()] : [])])
        expect(await scene.books.problems()).toEqual([])
      })
      await Promise.all(holders.splice(0).map((holder) => holder.end('SIGKILL')))

      // What is stranded is what open leases hold, and no more: the books say so at every moment.
      expect(await scene.books.held()).toBeGreaterThan(0n)
      await scene.untilNothingIsHeld()
      expect(await scene.books.problems()).toEqual([])
      const { leases, reservations } = await scene.books.ledger(ids)
      const paid = new Map([
        ...leases.map(({ id, spent, expired }) => [id, spent + expired] as const),
        ...reservations.map(({ id, charged }) => [id, charged ?? 0n] as const),
      ])
      const unpaid = [...charged].filter(([id, { amount }]) => (paid.get(id) ?? 0n) < amount)
      const say = unpaid.map(([id, { amount }]) => `${id}: ${amount} charged, ${paid.get(id)} paid`)
      expect(say).toEqual([])
      expect(leases.filter(({ state }) => state === 'open')).toEqual([])
      expect(leases.filter(({ overrun }) => overrun > 0n)).toEqual([])
      for (const id of ids) expect(await scene.books.spent(id)).toBeGreaterThanOrEqual(sumOf(id))

      const expired = leases.filter(({ state }) => state === 'expired')
      expect(expired.length).toBeGreaterThan(0)
      for (const { id, seq } of expired)
        await reportLate(id, seq + 1, charged.get(id)?.amount ?? 0n)
      expect(await scene.books.problems()).toEqual([])
      // A reservation whose answer was lost by a kill may have been charged and never used.
      const unused = reservations
        .filter(({ id }) => !charged.has(id))
        .reduce((sum, { charged }) => sum + (charged ?? 0n), 0n)
      const all = (await Promise.all(ids.map((id) => scene.books.spent(id)))).reduce(
        (sum, spent) => sum + spent,
        0n,
      )
      expect(all - unused).toBe(ids.reduce((sum, id) => sum + sumOf(id), 0n))
      console.log(
        `holders killed: ${rounds.count} rounds, ${leases.length} leases, ${expired.length} of them expired,`,
        `${reservations.length} reservations, ${formatUsd(all)} USD in ${charged.size} holds`,
      )
    },
    180_000 + rounds.count * 10_000,
  )
})
