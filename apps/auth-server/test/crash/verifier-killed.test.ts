/** Verifiers that are killed while they charge, and servers and their database with them. */
import { formatUsd } from '@behalf/protocol'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { docs, secretOf } from '../harness.js'
import { times } from '../ledger-fixtures.js'
import { deaths, startDatabase } from './database-process.js'
import { type HolderProcess, startHolder } from './holder-process.js'
import { openScene, type Scene } from './scene.js'
import { createRounds, seededRandom, sleep } from './seeded.js'
import { type BadNetwork, startBadNetwork } from './tcp-proxy.js'

const rounds = createRounds('verifiers killed', 8)

describe.runIf(inject('postgresUrl'))('a verifier that is killed', () => {
  const random = seededRandom('verifiers killed')
  let database: Awaited<ReturnType<typeof startDatabase>>
  let scene: Scene
  /** The issuer as verifiers know it, whichever server answers. */
  let front: BadNetwork
  const holders: HolderProcess[] = []
  /** The one that is not killed. */
  let survivor: HolderProcess | undefined
  /** What was charged on each delegation. Micro-USD. */
  const charged = new Map<string, bigint>()
  beforeAll(async () => {
    database = await startDatabase()
    const choices = random.fork()
    front = await startBadNetwork({ target: () => scene.reachable(choices), fate: () => ({}) })
    scene = await openScene({ databaseUrl: database.url, random, issuer: front.url })
  })
  afterAll(async () => {
    await Promise.all([...holders, survivor].map((holder) => holder?.end('SIGKILL')))
    await front.close()
    await scene.close(database.stop)
  })

  const tokens = new Map<string, string>()
  const start = async (delegationId: string): Promise<void> => {
    const env = {
      ISSUER: front.url,
      AUDIENCE: docs,
      CLIENT_ID: 'docs-server',
      CLIENT_SECRET: secretOf('docs-server'),
      TOKEN: tokens.get(delegationId) ?? '',
    }
    const options = { script: 'verifier-holder.mjs', name: 'verifier', delegationId, env } as const
    const holder = await startHolder(options, ({ cost }) => {
      if (cost === undefined) return
      charged.set(delegationId, (charged.get(delegationId) ?? 0n) + BigInt(cost))
    })
    holders.push(holder)
  }
  const lendSome = async (caps: readonly string[]): Promise<string[]> => {
    const { targets } = await scene.createLoad(caps)
    for (const { delegationId, token } of targets) tokens.set(delegationId, token)
    return targets.map(({ delegationId }) => delegationId)
  }

  const replaceOne = async (fresh: string): Promise<void> => {
    const [holder] = holders.splice(random.below(holders.length), 1)
    await holder?.end('SIGKILL')
    await start(holder && random.chance(0.5) ? holder.delegationId : fresh)
  }
  const killServer = async (): Promise<void> => {
    const victim = random.pick(scene.servers)
    await victim.kill()
    await sleep(random.between(0, 300))
    await victim.start()
  }
  const killDatabase = async (): Promise<void> => {
    const death = random.pick(deaths)
    await database.die(death, random.pick)
    await sleep(random.between(0, 300))
    await database.restart(death)
  }

  test(
    'has paid for all that it did, and never more than there was',
    async () => {
      const ids = await lendSome(['500', '3', '0.5', '500'])
      const fresh = await lendSome(times(rounds.count, () => random.pick(['0.1', '0.5', '2'])))
      const tidy = ids.pop() ?? ''
      for (const id of [...ids, ...ids, tidy]) await start(id)
      survivor = holders.pop()
      await rounds.play(async (index) => {
        await sleep(random.between(100, 700))
        await replaceOne(fresh[index] ?? '')
        if (index % 4 === 1) await killServer()
        if (index % 4 === 3) await killDatabase()
      })
      await scene.untilReady()
      // One that ends as it should, after all that: it reports what it did, and gives back the rest.
      await survivor?.end('SIGTERM')
      expect(await scene.books.spent(tidy)).toBe(charged.get(tidy))
      expect(await scene.books.heldOn(tidy)).toBe(0n)

      await Promise.all(holders.splice(0).map((holder) => holder.end('SIGKILL')))
      await scene.books.letHoldsExpire()
      await scene.untilNothingIsHeld()
      expect(await scene.books.problems()).toEqual([])
      const all = [...ids, ...fresh]
      for (const id of all) {
        expect(await scene.books.spent(id)).toBeGreaterThanOrEqual(charged.get(id) ?? 0n)
      }
      const { leases, reservations } = await scene.books.ledger(all)
      // Nothing was given back that its holder had not given back itself.
      expect(leases.filter(({ state }) => state === 'open')).toEqual([])
      expect(leases.filter(({ overrun }) => overrun > 0n)).toEqual([])
      const sum = [...charged.values()].reduce((total, amount) => total + amount, 0n)
      console.log(
        `verifiers killed: ${rounds.count} rounds, ${leases.length} leases,`,
        `${reservations.length} reservations, ${formatUsd(sum)} USD`,
      )
    },
    180_000 + rounds.count * 15_000,
  )
})
