import { expect, test } from 'vitest'
import { createTurns } from './turns.js'

/** Work that ends when it is told to. */
const createWork = () => {
  const running: (() => void)[] = []
  let started = 0
  return {
    running,
    started: () => started,
    run: () => {
      started += 1
      return new Promise<void>((resolve) => running.push(resolve))
    },
  }
}

const settle = () => new Promise((resolve) => setImmediate(resolve))

test('so many work at once, so many wait, and the next is sent away with a time to come again', async () => {
  const turns = createTurns({ atOnce: 2, waiting: 3 })
  const work = createWork()
  const taken = [1, 2, 3, 4, 5].map(() => turns(work.run))
  await settle()
  expect(work.started()).toBe(2)
  await expect(turns(work.run)).rejects.toMatchObject({
    code: 'temporarily_unavailable',
    status: 503,
    reason: 'sign_in_busy',
    headers: { 'Retry-After': '3' },
  })
  for (let done = 0; done < 5; done += 1) {
    expect(work.running.length).toBe(Math.min(2, 5 - done))
    work.running.shift()?.()
    await settle()
  }
  await Promise.all(taken)
  expect(work.started()).toBe(5)
})

test('work that fails gives its place away as well', async () => {
  const turns = createTurns({ atOnce: 1, waiting: 1 })
  const failing = turns(() => Promise.reject(new Error('no')))
  const next = turns(async () => 'next')
  await expect(failing).rejects.toThrow('no')
  await expect(next).resolves.toBe('next')
  await expect(turns(async () => 'again')).resolves.toBe('again')
})
