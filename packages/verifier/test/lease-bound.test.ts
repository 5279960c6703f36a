/** Memory that does not grow with the number of delegations that come by. */
import { expect, it, vi } from 'vitest'
import type { Caller } from '../src/index.js'
import { settle } from '../src/lease-account.js'
import { createLeaseReturns } from '../src/lease-returns.js'
import { createLeases } from '../src/leases.js'
import type { Ledger, Lent } from '../src/ledger.js'
import { createRequestRate } from '../src/request-rate.js'
import { silent } from './issuer.js'
import { turn } from './lease-world.js'

const callerOf = (id: string) =>
  ({ lineage: [id], limits: { requestsPerHour: 100 }, token: 'x' }) as unknown as Caller

const createWorld = (max: number) => {
  const clock = { ms: 0 }
  let opened = 0
  const lent = (id: string, amount = 0n, requests = 0, state: Lent['state'] = 'open'): Lent => ({
    id,
    state,
    amount,
    requests,
    ttlSeconds: 30,
    tail: false,
    recalled: false,
    remaining: undefined,
  })
  const ledger = {
    openLease: vi.fn(async (_id, wish) => {
      opened += 1
      return lent(`lse_${opened}`, wish.usd, wish.requests)
    }),
    renewLease: vi.fn(async (id, _report, wish) => lent(id, wish.usd, wish.requests)),
    closeLease: vi.fn(async (id: string) => lent(id, 0n, 0, 'closed')),
  }
  const leases = createLeases({
    settings: { monotonic: () => clock.ms, logger: silent },
    ledger: ledger as unknown as Ledger,
    feed: { isRevoked: () => false, onChange: () => undefined },
    rate: createRequestRate({ now: () => 0, requestsStatus: 429 }),
    max,
  })
  return { clock, ledger, leases }
}

it('holds so many leases and no more: beyond that charges are reserved and requests borrowed singly', async () => {
  const { leases, ledger } = createWorld(3)
  for (let index = 0; index < 3; index += 1) {
    expect(await leases.borrow(callerOf(`dlg_${index}`), 5n)).toBeDefined()
  }
  const more = callerOf('dlg_more')
  expect(await leases.borrow(more, 5n)).toBeUndefined()
  expect(ledger.openLease).toHaveBeenCalledTimes(3)
  expect(ledger.closeLease).not.toHaveBeenCalled()
  await leases.takeRequest(more)
  await turn()
  expect(ledger.openLease).toHaveBeenCalledTimes(4)
  const report = { seq: 1, spent: 0n, requests: 1 }
  expect(ledger.closeLease).toHaveBeenCalledWith('lse_4', report, expect.any(String))
  // Those that it holds are still good.
  expect(leases.take(callerOf('dlg_1'), 5n)).toBeDefined()
  await leases.close()
})

it('counts those that still have to be reported, until they are', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const { leases, ledger, clock } = createWorld(2)
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 250) {
      clock.ms += 250
      await vi.advanceTimersByTimeAsync(250)
    }
  }
  const held = await leases.borrow(callerOf('dlg_1'), 5n)
  await leases.borrow(callerOf('dlg_2'), 5n)
  // One of them runs for long; the other one is idle by then, and closed.
  const lease = leases.take(callerOf('dlg_2'), 5n)
  if (held) settle(held.account, 5n, 5n)
  await pass(40_000)
  expect(ledger.closeLease).toHaveBeenCalledTimes(1)
  expect(lease?.account.charges).toBe(2)
  expect(await leases.borrow(callerOf('dlg_3'), 5n)).toBeDefined()
  expect(await leases.borrow(callerOf('dlg_4'), 5n)).toBeUndefined()
  await leases.close()
  vi.useRealTimers()
})

it('forgets a delegation that is refused, after a while', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const { leases, ledger, clock } = createWorld(1)
  ledger.openLease.mockRejectedValueOnce(new Error('of the test'))
  await expect(leases.borrow(callerOf('dlg_1'), 5n)).rejects.toMatchObject({ reason: 'unexpected' })
  expect(await leases.borrow(callerOf('dlg_2'), 5n)).toBeUndefined()
  clock.ms += 1250
  await vi.advanceTimersByTimeAsync(1250)
  expect(await leases.borrow(callerOf('dlg_2'), 5n)).toBeDefined()
  await leases.close()
  vi.useRealTimers()
})

it('renews and closes many in the background, and not all of them at once', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const { leases, ledger, clock } = createWorld(1000)
  const callers = Array.from({ length: 600 }, (_, index) => callerOf(`dlg_${index}`))
  const held = await Promise.all(callers.map((caller) => leases.borrow(caller, 5n)))
  ledger.renewLease.mockReturnValue(new Promise(() => undefined))
  clock.ms += 15_000
  await vi.advanceTimersByTimeAsync(250)
  expect(ledger.renewLease).toHaveBeenCalledTimes(256)
  ledger.closeLease.mockReturnValue(new Promise(() => undefined))
  for (const lease of held) if (lease) settle(lease.account, 5n, 5n)
  clock.ms += 15_000
  await vi.advanceTimersByTimeAsync(1000)
  expect(ledger.closeLease).toHaveBeenCalledTimes(64)
  vi.useRealTimers()
})

it('gives up the oldest report when too many could not be made', async () => {
  const { ledger } = createWorld(1)
  const log = { warn: vi.fn(), error: vi.fn() }
  const monotonic = () => 0
  const returns = createLeaseReturns({ ledger, monotonic, logger: log, maxReturns: 2 })
  ledger.closeLease.mockReturnValue(new Promise(() => undefined))
  const { leases } = createWorld(9)
  for (let index = 0; index < 4; index += 1) {
    const lease = await leases.borrow(callerOf(`dlg_${index}`), 5n)
    if (lease) returns.add(lease)
  }
  expect(returns.size()).toBe(2)
  expect(log.error.mock.calls.map(([, { lease }]) => lease)).toEqual(['lse_1', 'lse_2'])
})
