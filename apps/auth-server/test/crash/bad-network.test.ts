/** Requests that come late, twice or by halves, and answers that get lost, with two servers. */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createDatabase } from '../harness.js'
import { type Load, runAll } from './attempts.js'
import { attempt } from './ledger-client.js'
import { repeatSome, resolveDoubts, startWork } from './load.js'
import { openScene, type Scene } from './scene.js'
import { createRounds, type Random, seededRandom, sleep } from './seeded.js'
import { type BadNetwork, deliver, type Fate, startBadNetwork } from './tcp-proxy.js'

const rounds = createRounds('bad network', 5)

const chooseFate = (random: Random): Fate => ({
  ...(random.chance(0.15) && { delayRequest: random.between(0, 120) }),
  ...(random.chance(0.15) && { delayAnswer: random.between(0, 120) }),
  ...(random.chance(0.3) && { cut: random.pick(['halfway', 'during', 'answer'] as const) }),
  ...(random.chance(0.2) && { twice: true }),
})

const keyOf = (request: Buffer): string =>
  /^idempotency-key: *(\S+)/im.exec(request.toString('latin1'))?.[1] ?? ''

describe.runIf(inject('postgresUrl'))('a network that behaves badly', () => {
  const random = seededRandom('bad network')
  let database: Awaited<ReturnType<typeof createDatabase>>
  let scene: Scene
  let proxy: BadNetwork
  beforeAll(async () => {
    database = await createDatabase()
    scene = await openScene({ databaseUrl: database.url, random })
    const choices = random.fork()
    proxy = await startBadNetwork({
      target: () => scene.reachable(choices),
      fate: () => chooseFate(choices),
    })
  })
  afterAll(async () => {
    await proxy.close()
    await scene.close(database.drop)
  })

  /** Callers who wait for a while, and some who give up while the request is still on its way. */
  const send: Load['send'] = (url, operation, choices) => {
    if (!choices.chance(0.3)) return attempt(url, operation)
    const impatience = new AbortController()
    const timer = setTimeout(() => impatience.abort(), choices.between(5, 100))
    return attempt(url, operation, impatience.signal).finally(() => clearTimeout(timer))
  }

  /** Delivers requests that have been delivered before, in any order, to any server. */
  const replay = (requests: readonly Buffer[]): Promise<void> =>
    runAll(random.shuffle(requests), async (request) => {
      const operation = scene.log.find(keyOf(request))
      expect(operation?.answer).toBeDefined()
      const answer = await deliver(scene.url(), request)
      if (operation) scene.log.note(operation, { answer, retryAfter: null })
    })

  const playRound = async (): Promise<void> => {
    const before = proxy.recorded.length
    const direct = await scene.createLoad(['0.5', '0.2'])
    const load: Load = { ...direct, address: () => proxy.url, send }
    const stop = startWork(load, 16)
    await sleep(random.between(200, 500))
    const victim = random.chance(0.3) ? random.pick(scene.servers) : undefined
    await victim?.kill()
    await stop()
    await scene.check(load)
    await Promise.all([victim?.start(), resolveDoubts(load)])
    await repeatSome(load, 20)
    await scene.check(load)
    await replay(proxy.recorded.slice(before))
    await scene.check(load)
  }

  test(
    'does every effect once, however often and late a request arrives',
    async () => {
      await rounds.play(playRound)
      await scene.checkAll()
      // Long after everything has ended, all of it comes again.
      const balances = await scene.books.balances()
      await replay(proxy.recorded)
      expect(await scene.books.balances()).toBe(balances)
      await scene.checkAll()
      console.log(
        `bad network: ${rounds.count} rounds, ${proxy.recorded.length} requests`,
        scene.log.counts,
      )
    },
    120_000 + rounds.count * 15_000,
  )
})
