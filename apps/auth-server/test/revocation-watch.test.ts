/** Waiting for news: one look serves all, and nobody waits longer than was said. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createRevocationWatch } from '../src/revocation-watch.js'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** A feed whose cursor the test moves, and how often it was asked for. */
const openFeed = () => {
  const feed = { cursor: 5n, looks: 0, fails: false }
  const watch = createRevocationWatch(async () => {
    feed.looks += 1
    if (feed.fails) throw new Error('the database is away')
    return feed.cursor
  })
  /** When each of these came back, in milliseconds. */
  const wait = (cursor: bigint, milliseconds: number) => {
    const began = Date.now()
    const found: { after: number | undefined } = { after: undefined }
    watch.moved(cursor, milliseconds).then(() => {
      found.after = Date.now() - began
    })
    return found
  }
  return { feed, wait }
}

test('ends when the feed has moved, within a look', async () => {
  const { feed, wait } = openFeed()
  const one = wait(5n, 5000)
  await vi.advanceTimersByTimeAsync(1000)
  expect(one.after).toBeUndefined()
  feed.cursor = 6n
  await vi.advanceTimersByTimeAsync(200)
  expect(one.after).toBeLessThanOrEqual(1200)
})

test('ends when the time is over, even while the database is away', async () => {
  const { feed, wait } = openFeed()
  feed.fails = true
  const one = wait(5n, 3000)
  await vi.advanceTimersByTimeAsync(2999)
  expect(one.after).toBeUndefined()
  await vi.advanceTimersByTimeAsync(1)
  expect(one.after).toBe(3000)
})

test('ends only for those to whom it is news', async () => {
  const { feed, wait } = openFeed()
  const [behind, ahead] = [wait(5n, 4000), wait(7n, 4000)]
  feed.cursor = 7n
  await vi.advanceTimersByTimeAsync(200)
  expect([behind.after !== undefined, ahead.after]).toEqual([true, undefined])
  await vi.advanceTimersByTimeAsync(4000)
  expect(ahead.after).toBe(4000)
})

test('asks the database once for all who wait, and not at all when nobody does', async () => {
  const { feed, wait } = openFeed()
  for (let index = 0; index < 500; index += 1) wait(5n, 1000)
  await vi.advanceTimersByTimeAsync(1000)
  expect(feed.looks).toBeLessThanOrEqual(6)
  const before = feed.looks
  await vi.advanceTimersByTimeAsync(60_000)
  expect(feed.looks - before).toBeLessThanOrEqual(1)
  const again = wait(5n, 1000)
  await vi.advanceTimersByTimeAsync(0)
  feed.cursor = 6n
  await vi.advanceTimersByTimeAsync(400)
  expect(again.after).toBeLessThanOrEqual(400)
})

test('is refused to nobody, but beyond a bound it is no waiting', async () => {
  const { wait } = openFeed()
  const all = Array.from({ length: 2001 }, () => wait(5n, 1000))
  await vi.advanceTimersByTimeAsync(0)
  expect(all.filter(({ after }) => after !== undefined)).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(1000)
  expect(all.every(({ after }) => after !== undefined)).toBe(true)
})
