/** Work at a pace, and how long it took. */
import { setTimeout as sleep } from 'node:timers/promises'

export interface Timed<T> {
  result: T
  /** Since the work of all began, and how long this one took. */
  atMs: number
  tookMs: number
}

/** Begins so many in a second, whether those before have ended or not. */
export const atRate = async <T>(
  perSecond: number,
  seconds: number,
  work: (index: number) => Promise<T>,
): Promise<Timed<T>[]> => {
  const begun = performance.now()
  const timed = async (index: number): Promise<Timed<T>> => {
    const startedAt = performance.now()
    const result = await work(index)
    return { result, atMs: startedAt - begun, tookMs: performance.now() - startedAt }
  }
  const all: Promise<Timed<T>>[] = []
  for (let index = 0; index < perSecond * seconds; index += 1) {
    const early = begun + (index * 1000) / perSecond - performance.now()
    if (early > 1) await sleep(early)
    const one = timed(index)
    // Looked at below; until then it is not unhandled.
    one.catch(() => {})
    all.push(one)
  }
  return Promise.all(all)
}

/** So many at the same time, until all are done. */
export const allAtOnce = async (
  count: number,
  workers: number,
  work: (index: number) => Promise<void>,
): Promise<void> => {
  let next = 0
  const run = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) await work(index)
  }
  await Promise.all(Array.from({ length: workers }, run))
}

/** The value below which so much of them lies, from 0 to 1. */
export const quantile = (values: readonly number[], part: number): number => {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN
}

const rankSum = (own: readonly number[], others: readonly number[]): number => {
  const all = [
    ...own.map((value) => ({ value, isOwn: true })),
    ...others.map((value) => ({ value, isOwn: false })),
  ].toSorted((one, other) => one.value - other.value)
  return all.reduce((sum, { isOwn }, index) => (isOwn ? sum + index + 1 : sum), 0)
}

/** Of the standard normal distribution, both tails. Abramowitz and Stegun 7.1.26. */
const bothTails = (z: number): number => {
  const x = Math.abs(z) / Math.SQRT2
  const t = 1 / (1 + 0.3275911 * x)
  const polynomial = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592].reduce(
    (sum, coefficient) => (sum + coefficient) * t,
    0,
  )
  return polynomial * Math.exp(-x * x)
}

/** Mann and Whitney: how likely two samples differ by so much if nothing tells them apart. */
export const likelihoodOfChance = (one: readonly number[], other: readonly number[]): number => {
  const [n, m] = [one.length, other.length]
  const u = rankSum(one, other) - (n * (n + 1)) / 2
  return bothTails((u - (n * m) / 2) / Math.sqrt((n * m * (n + m + 1)) / 12))
}
