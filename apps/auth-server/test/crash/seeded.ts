/** Choices that can be made again. Which request meets which fault still depends on the machine. */

export interface Random {
  /** At least `from`, less than `to`. */
  between(from: number, to: number): number
  /** A whole number, from 0 on, less than `count`. */
  below(count: number): number
  chance(probability: number): boolean
  pick<T>(choices: readonly T[]): T
  shuffle<T>(things: readonly T[]): T[]
  /** A generator of its own for one worker, so that its choices do not depend on the others' pace. */
  fork(): Random
}

/** mulberry32: small, and good enough to scatter faults. */
export const createRandom = (seed: number): Random => {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (count: number): number => Math.floor(next() * count)
  const pick = <T>(choices: readonly T[]): T => {
    const chosen = choices[below(choices.length)]
    if (chosen === undefined) throw new RangeError('there is nothing to choose from')
    return chosen
  }
  return {
    between: (from, to) => from + next() * (to - from),
    below,
    chance: (probability) => next() < probability,
    pick,
    shuffle: (things) =>
      things
        .map((thing) => ({ thing, order: next() }))
        .toSorted((one, other) => one.order - other.order)
        .map(({ thing }) => thing),
    fork: () => createRandom(below(2 ** 32)),
  }
}

/** Of `BEHALF_CRASH_SEED`, or another one for every run. It is printed, to be set again. */
export const seededRandom = (title: string): Random => {
  const given = process.env.BEHALF_CRASH_SEED
  const seed = given === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(given)
  console.log(`${title}: BEHALF_CRASH_SEED=${seed}`)
  return createRandom(seed)
}

/**
 * Plays a few rounds of faults by default, as many as `BEHALF_CRASH_ROUNDS` says at night, and says now
 * and then how far it is.
 */
export const createRounds = (title: string, few: number) => {
  const count = Number(process.env.BEHALF_CRASH_ROUNDS ?? few)
  return {
    count,
    play: async (round: (index: number) => Promise<void>): Promise<void> => {
      for (let index = 0; index < count; index += 1) {
        if (index > 0 && index % 10 === 0) console.log(`${title}: ${index} of ${count} rounds`)
        await round(index)
      }
    },
  }
}

export const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds))
