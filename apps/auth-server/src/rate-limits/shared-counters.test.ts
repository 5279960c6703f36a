import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type CountExchange, type Counts, openSharedCounters } from './shared-counters.js'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** So many that hear all that the others send. */
const connect = (count: number) => {
  const sent: Counts[] = []
  const ears: ((counts: Counts) => void)[] = []
  const exchanges = Array.from(
    { length: count },
    (_, me): CountExchange => ({
      send: (counts) => {
        sent.push(counts)
        for (const [index, hear] of ears.entries()) if (index !== me) hear(counts)
      },
      listen: (hear) => {
        ears[me] = hear
      },
    }),
  )
  return { sent, all: exchanges.map((exchange) => openSharedCounters(exchange)) }
}

const timesOf = async (n: number, count: () => Promise<unknown>): Promise<number> => {
  let refused = 0
  for (let turn = 0; turn < n; turn += 1) if ((await count()) !== undefined) refused += 1
  return refused
}

test('what one has counted is too much at another as well, a moment later', async () => {
  const [one, other] = connect(2).all.map((counters) => counters.under('issuer')('token', 10))
  expect(await timesOf(10, async () => one?.count('a client'))).toBe(0)
  await vi.advanceTimersByTimeAsync(100)
  expect(await timesOf(3, async () => other?.count('a client'))).toBe(3)
  expect(await timesOf(3, async () => other?.count('another client'))).toBe(0)
})

test('limits of other names are not mixed up, and one that is not known is passed over', async () => {
  const { all } = connect(2)
  const [one, other] = all.map((counters) => counters.under('issuer')('token', 2))
  const revoke = all[0]?.under('issuer')('revoke', 2)
  await timesOf(2, async () => revoke?.count('a client'))
  await vi.advanceTimersByTimeAsync(100)
  expect(await timesOf(2, async () => other?.count('a client'))).toBe(0)
  expect(await timesOf(2, async () => one?.count('a client'))).toBe(0)
})

test('a thousand counts are one message, and without any nothing is sent', async () => {
  const { sent, all } = connect(3)
  const counter = all[0]?.under('issuer')('token', 10_000)
  await timesOf(1000, async () => counter?.count('a client'))
  await vi.advanceTimersByTimeAsync(1000)
  expect(sent).toEqual([[['token', 'a client', 1000]]])
})
