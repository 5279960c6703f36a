/** PostgreSQL that is killed in the middle of charges, with two servers that have to live with it. */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { type Death, deaths, startDatabase } from './database-process.js'
import { repeatSome, resolveDoubts, startWork } from './load.js'
import { openScene, type Scene } from './scene.js'
import { createRounds, seededRandom, sleep } from './seeded.js'

const rounds = createRounds('database killed', 6)

describe.runIf(inject('postgresUrl'))('a database that is killed', () => {
  const random = seededRandom('database killed')
  let database: Awaited<ReturnType<typeof startDatabase>>
  let scene: Scene
  beforeAll(async () => {
    database = await startDatabase()
    scene = await openScene({ databaseUrl: database.url, random })
  })
  afterAll(async () => {
    const { looks } = await scene.close(database.stop)
    console.log(`database killed: the books were looked at ${looks} times`)
  })

  /** Two who ask at the same moment for what has been revoked: one from the start, one for news. */
  const startFollowers = (): (() => Promise<void>) => {
    let over = false
    const statuses = new Set<number>()
    const ask = async (query: string): Promise<void> => {
      for (const { url } of scene.servers) {
        const response = await fetch(`${url}/revocations${query}`)
        await response.arrayBuffer()
        statuses.add(response.status)
      }
    }
    const running = (async () => {
      while (!over) {
        await Promise.all([ask(''), ask('?after=0')])
        await sleep(10)
      }
    })()
    running.catch(() => {})
    return async () => {
      over = true
      await running
      expect([200, 503]).toEqual(expect.arrayContaining([...statuses]))
    }
  }

  const playRound = async (death: Death): Promise<void> => {
    const load = await scene.createLoad(['0.5', '0.2'])
    const stop = startWork(load, 16)
    const stopFollowers = startFollowers()
    await sleep(random.between(10, 250))
    await database.die(death, random.pick)
    // The servers are up all the time, and everybody must hear from them.
    await sleep(random.between(0, 300))
    await database.restart(death)
    await sleep(random.between(0, 100))
    await stop()
    await stopFollowers()
    await resolveDoubts(load)
    await repeatSome(load, 20)
    await scene.check(load)
  }

  test(
    'costs nothing that was acknowledged: 503 with Retry-After, and then every repeat is exact',
    async () => {
      await rounds.play((round) => playRound(deaths[round % deaths.length] ?? 'all'))
      await scene.checkAll()
      console.log(`database killed: ${rounds.count} rounds`, scene.log.counts)
      expect(scene.log.counts.unavailable).toBeGreaterThan(0)
      // Nobody was left without an answer by a server that is up.
      expect(scene.log.counts.lost).toBe(0)
    },
    120_000 + rounds.count * 15_000,
  )
})
