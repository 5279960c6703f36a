/** How much a holder asks for: enough for one lifetime of the lease, at the rate that was seen. Pure. */

export interface Usage {
  /** The cost of one charge, or 1 for requests. */
  unit: number
  /** What was used since the last grant. */
  used: number
  /** Milliseconds since the last grant. */
  elapsedMs: number
  ttlMs: number
  /** What was asked for the last time. */
  wanted: number
  /** Something did not fit, although the lease was good for it. */
  ranDry: boolean
}

/** A first lease is good for so many charges like the one at hand. */
const firstUnits = 10
/** What is used within a blink says little of the rate: nothing is measured over less than this. */
const leastMs = 1000
/** However often it runs dry, never more than so many times what the rate asks for. */
const mostRates = 4

/**
 * What to hold beyond what is spent. It grows with the rate and doubles when it did not last, and it
 * shrinks as soon as less is used, so that nobody keeps from the others what they do not need.
 */
export const sizeOf = (usage: Usage): number => {
  const { unit, used, elapsedMs, ttlMs, wanted, ranDry } = usage
  const atThisRate = Math.max(unit * firstUnits, (used * ttlMs) / Math.max(elapsedMs, leastMs))
  const doubled = ranDry ? Math.min(2 * wanted, mostRates * atThisRate) : 0
  return Math.ceil(Math.max(atThisRate, doubled))
}
