import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createMemory, remember } from './memory.js'

interface Found {
  version: string
  key: string
}

/** A database that moves when it is told to, and answers when it is told to. */
const createSource = (maxEntries = 100) => {
  let version = 1
  let reads = 0
  const held: (() => void)[] = []
  const memory = createMemory()
  const found = remember(memory, {
    nameOf: (key: string) => key,
    read: async (key): Promise<Found | undefined> => {
      reads += 1
      const seen = { version: String(version), key }
      await new Promise<void>((resolve) => held.push(resolve))
      return key === 'nobody' ? undefined : seen
    },
    asOf: (value) => value?.version,
    isKept: (value) => value?.key !== 'passing',
    maxEntries,
  })
  /** Lets the reads answer, in this order. */
  const answer = async (...order: number[]): Promise<void> => {
    const waiting = [...held]
    for (const index of order.length > 0 ? order : waiting.keys()) {
      const resolve = waiting[index]
      if (!resolve) continue
      held.splice(held.indexOf(resolve), 1)
      resolve()
      await new Promise(setImmediate)
    }
  }
  const load = async (key: string): Promise<Found | undefined> => {
    const loading = found.find(key)
    await answer()
    return loading
  }
  return {
    ...found,
    version: memory.version,
    answer,
    load,
    move: () => {
      version += 1
    },
    reads: () => reads,
  }
}

describe('what was read', () => {
  test('is not read again', async () => {
    const source = createSource()
    await source.load('one')
    expect(await source.load('one')).toEqual({ version: '1', key: 'one' })
    expect(source.reads()).toBe(1)
  })

  test('is forgotten, whatever it is, once anything of a later version was read', async () => {
    const source = createSource()
    await source.load('one')
    source.move()
    await source.load('two')
    expect(source.peek('one')).toBeUndefined()
    expect(source.peek('two')).toEqual({ version: '2', key: 'two' })
  })

  test('is not kept when nothing was found', async () => {
    const source = createSource()
    await source.load('nobody')
    await source.load('nobody')
    expect(source.reads()).toBe(2)
  })

  test('tells of a later version even where it is not kept itself', async () => {
    const source = createSource()
    await source.load('one')
    source.move()
    await source.load('passing')
    expect([source.version(), source.peek('one'), source.peek('passing')]).toEqual([
      '2',
      undefined,
      undefined,
    ])
  })

  test('before a change, and answers after one of later, changes nothing', async () => {
    const source = createSource()
    const early = source.find('one')
    source.move()
    const late = source.find('two')
    await source.answer(1, 0)
    expect([(await early)?.version, (await late)?.version]).toEqual(['1', '2'])
    expect(source.peek('one')).toBeUndefined()
    expect(source.peek('two')?.version).toBe('2')
  })

  test('goes, the oldest first, when there is too much of it', async () => {
    const source = createSource(2)
    for (const key of ['one', 'two', 'three']) await source.load(key)
    expect(['one', 'two', 'three'].map((key) => source.peek(key)?.key)).toEqual([
      undefined,
      'two',
      'three',
    ])
  })

  test('is never kept at two versions, nor at one before the last that was kept', async () => {
    const step = fc.oneof(
      fc.constant({ move: true as const }),
      fc.record({ key: fc.constantFrom('a', 'b', 'c') }),
      fc.record({ answer: fc.nat(5) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const source = createSource()
        let newest = 0
        for (const one of steps) {
          if ('move' in one) source.move()
          else if ('key' in one) void source.find(one.key)
          else await source.answer(one.answer)
          const kept = ['a', 'b', 'c'].flatMap((key) => source.peek(key)?.version ?? [])
          expect(new Set(kept).size).toBeLessThanOrEqual(1)
          const version = Number(kept[0] ?? newest)
          expect(version).toBeGreaterThanOrEqual(newest)
          newest = version
        }
      }),
      { numRuns: 100 },
    )
  })
})
