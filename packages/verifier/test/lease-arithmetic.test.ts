/** What a lease may spend, and what it asks for, whatever the numbers are. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  emptyAccount,
  freeRequests,
  freeUsd,
  grant,
  hold,
  lowerTo,
  reportOf,
  settle,
  takeRequest,
} from '../src/lease-account.js'
import { sizeOf } from '../src/lease-size.js'

const amount = fc.bigInt(0n, 1000n)

it('never has less than nothing free, and never more than it was lent', () => {
  const step = fc.record({ what: fc.nat(5), usd: amount, more: amount, requests: fc.nat(20) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
      const account = emptyAccount()
      const held: bigint[] = []
      for (const { what, usd, more, requests } of steps) {
        const report = reportOf(account)
        if (what === 0 && hold(account, usd)) held.push(usd)
        if (what === 1 && held.length > 0) settle(account, held.pop() ?? 0n, more)
        if (what === 2) grant(account, report, { amount: more, requests })
        if (what === 3) lowerTo(account, report, { usd: account.inFlight + more, requests })
        if (what === 4) takeRequest(account)
        expect(freeUsd(account)).toBeGreaterThanOrEqual(0n)
        expect(freeRequests(account)).toBeGreaterThanOrEqual(0)
        expect(account.charges).toBe(held.length)
        expect(account.inFlight).toBe(held.reduce((sum, one) => sum + one, 0n))
        if (what === 3) expect(freeUsd(account)).toBeLessThanOrEqual(more)
        if (what === 3) expect(freeRequests(account)).toBeLessThanOrEqual(requests)
      }
    }),
    { numRuns: 500 },
  )
})

it('asks for enough and for nothing absurd', () => {
  const usage = fc.record({
    unit: fc.integer({ min: 1, max: 1_000_000 }),
    used: fc.nat(1_000_000_000),
    elapsedMs: fc.nat(60_000),
    ttlMs: fc.constant(30_000),
    wanted: fc.nat(1_000_000_000),
    ranDry: fc.boolean(),
  })
  fc.assert(
    fc.property(usage, (one) => {
      const size = sizeOf(one)
      const atThisRate = (one.used * one.ttlMs) / Math.max(1000, one.elapsedMs)
      expect(Number.isSafeInteger(size)).toBe(true)
      expect(size).toBeGreaterThanOrEqual(10 * one.unit)
      expect(size).toBeGreaterThanOrEqual(Math.floor(atThisRate))
      expect(size).toBeLessThanOrEqual(4 * Math.ceil(Math.max(10 * one.unit, atThisRate)) + 4)
      const dry = sizeOf({ ...one, ranDry: true })
      const rates = Math.max(10 * one.unit, atThisRate)
      expect(dry).toBeGreaterThanOrEqual(Math.min(2 * one.wanted, Math.floor(4 * rates)))
    }),
  )
})
