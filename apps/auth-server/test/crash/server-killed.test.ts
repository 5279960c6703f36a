/** Servers that are killed in the middle of charges, many times, while others go on. */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createDatabase } from '../harness.js'
import { repeatSome, resolveDoubts, startWork } from './load.js'
import { openScene, type Scene } from './scene.js'
import { createRounds, seededRandom, sleep } from './seeded.js'

const rounds = createRounds('servers killed', 15)

describe.runIf(inject('postgresUrl'))('a server that is killed', () => {
  const random = seededRandom('servers killed')
  let database: Awaited<ReturnType<typeof createDatabase>>
  let scene: Scene
  beforeAll(async () => {
    database = await createDatabase()
    scene = await openScene({ databaseUrl: database.url, random })
  })
  afterAll(async () => {
    const { looks } = await scene.close(database.drop)
    console.log(`servers killed: the books were looked at ${looks} times`)
  })

  const doubts = { all: 0, done: 0 }

  const playRound = async (): Promise<void> => {
    const load = await scene.createLoad(['0.5', '0.2'])
    const stop = startWork(load, 16)
    await sleep(random.between(10, 250))
    // One of the two, or both.
    const victims = random.chance(0.3) ? scene.servers : [random.pick(scene.servers)]
    await Promise.all(victims.map((server) => server.kill()))
    // Whoever is left goes on, and may be asked again at once.
    const inDoubt = scene.log.inDoubt()
    await sleep(random.between(0, 50))
    await stop()
    await scene.check(load)
    const ids = load.targets.map(({ delegationId }) => delegationId)
    const { answers } = await scene.books.ledger(ids)
    const kept = new Set(answers.map(({ key }) => key))
    doubts.all += inDoubt.length
    doubts.done += inDoubt.filter(({ key }) => kept.has(key)).length
    const restart = Promise.all(victims.map((server) => server.start()))
    await Promise.all([restart, resolveDoubts(load)])
    await repeatSome(load, 20)
    await scene.check(load)
  }

  test(
    'loses nothing that it has acknowledged, and repeats with the same key are exact',
    async () => {
      await rounds.play(playRound)
      await scene.checkAll()
      console.log(`servers killed: ${rounds.count} rounds`, scene.log.counts, doubts)
      expect(doubts.all).toBeGreaterThan(0)
    },
    120_000 + rounds.count * 10_000,
  )
})
