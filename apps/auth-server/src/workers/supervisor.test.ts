import { pino } from 'pino'
import { expect, test } from 'vitest'
import { type Ending, pauseAfter, superviseWorkers, type Worker } from './supervisor.js'

const log = pino({ level: 'silent' })

/** Workers that start and end when the test says so. */
const createWorkers = () => {
  const made: { slot: number; serve: () => void; end: (ending?: Partial<Ending>) => void }[] = []
  const start = (slot: number): Worker => {
    let end = (_: Ending): void => {}
    let serve = (): void => {}
    let refuse = (_: Error): void => {}
    const serving = new Promise<void>((resolve, reject) => {
      serve = resolve
      refuse = reject
    })
    const ended = new Promise<Ending>((resolve) => {
      end = (ending) => {
        resolve(ending)
        refuse(new Error(`slot ${slot} did not start`))
      }
    })
    serving.catch(() => {})
    const endAs = (ending: Partial<Ending> = {}) => end({ code: null, signal: null, ...ending })
    made.push({ slot, serve, end: endAs })
    return { pid: slot, serving, ended, stop: () => endAs({ code: 0 }) }
  }
  return { made, start }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const superviseThree = async () => {
  const { made, start } = createWorkers()
  const pauses: number[] = []
  const clock = { now: 0 }
  const supervising = superviseWorkers({
    count: 3,
    start,
    log,
    clock: () => clock.now,
    pause: async (milliseconds) => pauses.push(milliseconds),
  })
  for (const worker of made) worker.serve()
  return { made, pauses, clock, supervisor: await supervising }
}

test('it is ready when all of them serve, and not before', async () => {
  const { made, start } = createWorkers()
  let isReady = false
  const supervising = superviseWorkers({ count: 2, start, log }).then(() => {
    isReady = true
  })
  made[0]?.serve()
  await settled()
  expect(isReady).toBe(false)
  made[1]?.serve()
  await supervising
})

test('one that cannot start ends all, and is not tried again', async () => {
  const { made, start } = createWorkers()
  const supervising = superviseWorkers({ count: 2, start, log })
  made[0]?.serve()
  made[1]?.end({ code: 1 })
  await expect(supervising).rejects.toThrow('slot 2 did not start')
  await settled()
  expect(made).toHaveLength(2)
})

test('another takes the place and the number of one that ends, however it ends', async () => {
  const { made, supervisor } = await superviseThree()
  made[1]?.end({ signal: 'SIGKILL' })
  await settled()
  made[2]?.end({ code: 0 })
  await settled()
  expect(made.map(({ slot }) => slot)).toEqual([1, 2, 3, 2, 3])
  await supervisor.close()
})

test('who ends again and again is started ever more slowly, and who lasted is not', async () => {
  const { made, pauses, clock, supervisor } = await superviseThree()
  for (let turn = 0; turn < 10; turn += 1) {
    made.at(turn === 0 ? 0 : -1)?.end({ code: 1 })
    await settled()
  }
  expect(pauses).toEqual([250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
  expect(pauseAfter(1000)).toBe(30_000)
  clock.now += 60_000
  made.at(-1)?.end({ code: 1 })
  await settled()
  expect(pauses.at(-1)).toBe(250)
  await supervisor.close()
})

test('closing ends all of them, starts none, and says when one ended badly', async () => {
  const { made, supervisor } = await superviseThree()
  await supervisor.close()
  await settled()
  expect(made).toHaveLength(3)

  const { start } = createWorkers()
  const startBadly = (slot: number): Worker => {
    const { serving, ended, stop } = start(slot)
    const endedBadly = ended.then(() => ({ code: 1, signal: null }))
    return { pid: slot, serving: Promise.race([serving, settled()]), ended: endedBadly, stop }
  }
  const other = await superviseWorkers({ count: 1, start: startBadly, log })
  await expect(other.close()).rejects.toThrow('a worker did not end well')
})
