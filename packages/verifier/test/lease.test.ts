/** One lease, without a ledger: what its answers mean. */
import { beforeEach, describe, expect, it } from 'vitest'
import {
  granted,
  type HeldLease,
  isLow,
  isTailFor,
  openedLease,
  remainingUsd,
  takeOneRequest,
  takeUsd,
} from '../src/lease.js'
import { freeUsd, reportOf, settle } from '../src/lease-account.js'
import { type Demand, noDemand, wishFor } from '../src/lease-wish.js'
import type { LeaseWish, Lent } from '../src/ledger.js'

const lent = (more: Partial<Lent> = {}): Lent => ({
  id: 'lse_1',
  state: 'open',
  amount: 100n,
  requests: 10,
  ttlSeconds: 30,
  tail: false,
  recalled: false,
  remaining: 900n,
  ...more,
})
const wish: LeaseWish = { usd: 100n, need: 10n, requests: 10 }
const demandOf = (more: Partial<Demand>): Demand => ({ ...noDemand(), ...more })
const most = { usd: undefined, requests: undefined }

let lease: HeldLease
const answer = (more: Partial<Lent>, demand: Partial<Demand> = {}, sentAt = 1000) => {
  const report = reportOf(lease.account)
  granted(lease, { lent: lent(more), report, wish, demand: demandOf(demand), sentAt })
}
beforeEach(() => {
  lease = openedLease({ lent: lent(), wish, demand: demandOf({ need: 10n }), sentAt: 0 })
})

describe('a lease', () => {
  it('is good from when it was asked for until a second before its time is over', () => {
    expect(takeUsd(lease, 1n, 28_999)).toBe(true)
    expect(takeOneRequest(lease, 28_999)).toBe(true)
    expect(takeUsd(lease, 1n, 29_000)).toBe(false)
    expect(takeOneRequest(lease, 29_000)).toBe(false)
  })

  it('of a second keeps back a part of it', () => {
    answer({ ttlSeconds: 1 }, {}, 0)
    expect(takeUsd(lease, 1n, 949)).toBe(true)
    expect(takeUsd(lease, 1n, 950)).toBe(false)
  })

  it('is low when half of it is used, in money, in requests or in time', () => {
    expect(isLow(lease, 14_999)).toBe(false)
    expect(isLow(lease, 15_000)).toBe(true)
    for (let index = 0; index < 4; index += 1) takeOneRequest(lease, 0)
    takeUsd(lease, 49n, 0)
    expect(isLow(lease, 0)).toBe(false)
    takeUsd(lease, 1n, 0)
    expect(isLow(lease, 0)).toBe(true)
    answer({ requests: 10 })
    expect(isLow(lease, 1000)).toBe(false)
    for (let index = 0; index < 5; index += 1) takeOneRequest(lease, 1000)
    expect(isLow(lease, 1000)).toBe(true)
  })

  it('that holds nothing is not low for that', () => {
    answer({ amount: 0n, requests: 0 })
    expect(isLow(lease, 1000)).toBe(false)
  })

  it('has nothing free, and not less, when the ledger says that it holds less than is running', () => {
    takeUsd(lease, 50n, 0)
    answer({ amount: 20n, remaining: 10n })
    expect(freeUsd(lease.account)).toBe(0n)
    expect(takeUsd(lease, 1n, 1000)).toBe(false)
    expect(remainingUsd(lease)).toBe(0n)
  })

  it('takes no more for a charge than it held', () => {
    takeUsd(lease, 50n, 0)
    expect(settle(lease.account, 50n, 170n)).toBe(50n)
    expect(lease.account).toMatchObject({ spent: 50n, overrun: 120n, inFlight: 0n })
    expect(freeUsd(lease.account)).toBe(50n)
  })
})

describe('the tail', () => {
  it('begins at the cost that could not be lent, and is no reason to renew', () => {
    answer({ tail: true, amount: 30n }, { need: 40n })
    expect(isTailFor(lease, 40n)).toBe(true)
    expect(isTailFor(lease, 39n)).toBe(false)
    takeUsd(lease, 30n, 1000)
    expect(isLow(lease, 1000)).toBe(false)
  })

  it('begins lower when less could not be lent either', () => {
    answer({ tail: true }, { need: 40n })
    answer({ tail: true }, { need: 20n })
    answer({ tail: true }, { need: 30n })
    expect(isTailFor(lease, 20n)).toBe(true)
  })

  it('is over when a renewal says so', () => {
    answer({ tail: true }, { need: 40n })
    answer({ tail: false }, { need: 50n })
    expect(isTailFor(lease, 50n)).toBe(false)
  })

  it('is not over because something was given back', () => {
    answer({ tail: true }, { need: 40n })
    answer({ tail: false }, { givesBack: true })
    expect(isTailFor(lease, 40n)).toBe(true)
  })

  it('is looked into with little', () => {
    takeUsd(lease, 10n, 0)
    answer({ tail: true }, { need: 40n })
    expect(wishFor(lease, noDemand(), 2000, most)).toMatchObject({ usd: 90n, need: 50n })
  })
})

describe('a wish', () => {
  it('is for what is in flight, and for all who wait', () => {
    takeUsd(lease, 30n, 0)
    const demand = demandOf({ usd: 7000n, need: 20n, dearest: 60n, requests: 40 })
    expect(wishFor(lease, demand, 0, most)).toEqual({ usd: 7030n, need: 50n, requests: 40 })
  })

  it('is for no more than the token could use, beside what is in flight', () => {
    takeUsd(lease, 30n, 0)
    const wanted = wishFor(lease, noDemand(), 0, { usd: 50n, requests: 5 })
    expect(wanted).toMatchObject({ usd: 80n })
  })

  it('is for what is in flight alone when the rest is to be given back, or was not used', () => {
    takeUsd(lease, 30n, 0)
    expect(wishFor(lease, demandOf({ givesBack: true }), 0, most)).toMatchObject({ usd: 30n })
    expect(wishFor(lease, noDemand(), 31_000, most)).toMatchObject({ usd: 30n, requests: 0 })
  })
})
