/** Charged actions: nothing runs before its cost is held, and a failure gives it back. */
import type { Caller } from './caller.js'
import {
  type Charge,
  type ChargeOptions,
  type CheckedCharge,
  checkAllowed,
  checkCharge,
  createMeter,
} from './charge-options.js'
import { meterStreamed, type Streamed } from './charge-stream.js'
import type { Discovery } from './discovery.js'
import { createFreeHolder, createHolder, type Hold } from './holds.js'
import { createLeases } from './leases.js'
import { createLedger } from './ledger.js'
import { type Ended, type Receipt, receiptOf } from './receipt.js'
import { createRequestRate } from './request-rate.js'
import type { RevocationFeed } from './revocation-feed.js'
import type { Settings } from './settings.js'

export interface Charged<T> {
  readonly result: T
  readonly receipt: Receipt
}

/** What is charged for. */
export type Run<T> = (charge: Charge) => T | Promise<T>

export interface Budgets {
  charge: <T>(caller: Caller, options: ChargeOptions<T>, run: Run<T>) => Promise<T>
  chargeWithReceipt: <T>(
    caller: Caller,
    options: ChargeOptions<T>,
    run: Run<T>,
  ) => Promise<Charged<T>>
  chargeStream: <T extends Streamed>(
    caller: Caller,
    options: ChargeOptions<T>,
    run: Run<T>,
  ) => Promise<T>
  /** One of the `requests_per_hour`. Waits only where somebody must be asked. @throws OAuthError */
  countRequest: (caller: Caller) => Promise<void> | undefined
  flush: () => Promise<void>
  close: () => Promise<void>
}

const createParts = (
  settings: Settings,
  discover: Discovery,
  feed: Pick<RevocationFeed, 'isRevoked' | 'onChange'>,
) => {
  const { budget } = settings
  const rate = createRequestRate(settings)
  if (budget === undefined || budget === 'advisory') {
    const countRequest = (caller: Caller): undefined => rate.count(caller) as undefined
    const close = async () => undefined
    return { holder: createFreeHolder(settings), countRequest, flush: close, close }
  }
  const ledger = createLedger(settings, budget, discover)
  const leases = createLeases({ settings, ledger, feed, rate })
  const holder = createHolder(ledger, leases)
  const { takeRequest: countRequest, flush, close } = leases
  return { holder, countRequest, flush, close }
}

export const createBudgets = (
  settings: Settings,
  discover: Discovery,
  feed: Pick<RevocationFeed, 'isRevoked' | 'onChange'>,
): Budgets => {
  const { budgetStatus } = settings
  const { holder, countRequest, flush, close } = createParts(settings, discover, feed)

  /** @throws OAuthError, and the reason of a signal that was aborted before anything was held */
  const holdFor = (caller: Caller, charge: CheckedCharge<never>): Hold | Promise<Hold> => {
    checkAllowed(caller, charge, budgetStatus)
    charge.signal?.throwIfAborted()
    return holder.now(caller, charge) ?? holder.later(caller, charge)
  }
  const charged = async <T>(
    caller: Caller,
    charge: CheckedCharge<T>,
    run: Run<T>,
  ): Promise<{ result: T; ended: Ended }> => {
    const holding = holdFor(caller, charge)
    const hold = holding instanceof Promise ? await holding : holding
    const meter = createMeter(charge)
    let result: T
    let actual: bigint
    try {
      // Somebody may have gone while it was asked for.
      charge.signal?.throwIfAborted()
      result = await run(meter.charge)
      actual = meter.total(result)
    } catch (error) {
      await hold.end(meter.said())
      throw error
    }
    const ending = hold.end(actual)
    return { result, ended: ending instanceof Promise ? await ending : ending }
  }
  return {
    charge: async (caller, options, run) =>
      (await charged(caller, checkCharge(options), run)).result,
    chargeWithReceipt: async (caller, options, run) => {
      const { result, ended } = await charged(caller, checkCharge(options), run)
      return { result, receipt: receiptOf(options.action, ended) }
    },
    chargeStream: async (caller, options, run) => {
      const charge = checkCharge(options)
      const hold = await holdFor(caller, charge)
      const meter = createMeter(charge)
      try {
        charge.signal?.throwIfAborted()
        const result = await run(meter.charge)
        return await meterStreamed({ result, charge, hold, meter, settings })
      } catch (error) {
        await hold.end(meter.said())
        throw error
      }
    },
    countRequest,
    flush,
    close,
  }
}
