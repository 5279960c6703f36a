/** How much a lease may grow. Small against what is left, so that nobody starves the others. Pure. */
import { roomOf } from './balance.js'
import type { Budget } from './book.js'

/**
 * Half of a fair share: with `n` leases on a budget each may grow by what is left / 2n. What is lent
 * shrinks with the remainder, until it no longer covers a charge and everybody reserves for each.
 */
const share = (left: bigint, leases: number): bigint => {
  if (left <= 0n) return 0n
  return left / BigInt(2 * Math.max(1, leases))
}

/** @returns micro-USD by which it may grow: never more than is wanted, nor than there is */
export const moneyGrowth = (wanted: bigint, path: readonly Budget[]): bigint =>
  path.reduce((growth, budget) => {
    const mine = share(roomOf(budget), budget.leases)
    // biome-ignore lint/complexity/useMathMinMax: Math.min knows no bigint.
    return mine < growth ? mine : growth
  }, wanted)

/** The same for requests, but for the last ones: while there is one, somebody may have it. */
export const requestGrowth = (wanted: number, left: number | undefined, leases: number): number => {
  if (left === undefined) return wanted
  const mine = Math.max(1, Math.floor(left / (2 * Math.max(1, leases))))
  return Math.min(wanted, mine, left)
}
