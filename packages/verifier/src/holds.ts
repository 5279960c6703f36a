/** Money that is held while a charge runs: on a lease, by a reservation, or nowhere. */
import { isOAuthError, OAuthError, parseUsd, type Reservation } from '@behalf/protocol'
import type { Caller } from './caller.js'
import type { CheckedCharge } from './charge-options.js'
import { type HeldLease, remainingUsd } from './lease.js'
import { settle } from './lease-account.js'
import type { Leases } from './leases.js'
import type { Ledger } from './ledger.js'
import { isMoneyRefusal } from './ledger-http.js'
import type { Ended } from './receipt.js'
import type { Settings } from './settings.js'

export interface Hold {
  /** Micro-USD that are left beside what is held, where that is known. */
  remaining: () => bigint | undefined
  /** Charges this much; gives all of it back when it is `undefined`. On a lease nobody is asked. */
  end: (actual: bigint | undefined) => Ended | Promise<Ended>
}

type Asked = Pick<CheckedCharge<never>, 'action' | 'cost' | 'ttlSeconds'>

export interface Holder {
  /** What can be held at once; `undefined` where somebody must be asked. @throws OAuthError */
  now: (caller: Caller, asked: Asked) => Hold | undefined
  /** @throws OAuthError the refusal, or `temporarily_unavailable` */
  later: (caller: Caller, asked: Asked) => Promise<Hold>
}

const holdNothing = (): Hold => ({
  remaining: () => undefined,
  end: (actual) => ({
    cost: actual ?? 0n,
    remaining: undefined,
    reservationId: undefined,
    leaseId: undefined,
  }),
})

const holdOnLease = (lease: HeldLease, cost: bigint): Hold => ({
  remaining: () => remainingUsd(lease),
  end: (actual = 0n) => {
    const charged = settle(lease.account, cost, actual)
    return {
      cost: charged,
      remaining: remainingUsd(lease),
      reservationId: undefined,
      leaseId: lease.id,
    }
  },
})

const remainingIn = ({ remaining_usd }: Reservation): bigint | undefined => parseUsd(remaining_usd)

const holdReserved = (ledger: Ledger, reserved: Reservation, cost: bigint): Hold => ({
  remaining: () => remainingIn(reserved),
  end: async (actual) => {
    const { id: reservationId } = reserved
    const leaseId = undefined
    if (actual === undefined) {
      await ledger.release(reservationId)
      return { cost: 0n, remaining: remainingIn(reserved), reservationId, leaseId }
    }
    // What cannot be settled is charged in full when it expires.
    const settled = await ledger.settle(reservationId, actual)
    const charged = parseUsd(settled?.charged_usd ?? settled?.amount_usd) ?? cost
    return { cost: charged, remaining: remainingIn(settled ?? reserved), reservationId, leaseId }
  },
})

const cannotEnforce = (): OAuthError =>
  new OAuthError('access_denied', {
    description: 'The token has a budget, and this server cannot charge it.',
    reason: 'ledger_not_configured',
    hint: "Give createVerifier the option budget: credentials of this server, or 'advisory'.",
  })

/** "Cannot enforce" is not "no limit": without a ledger a budget refuses, unless told otherwise. */
export const createFreeHolder = ({ budget, logger }: Settings): Holder => {
  let told = false
  const tell = (level: 'warn' | 'error', message: string): void => {
    if (!told) logger[level](message)
    told = true
  }
  const now: Holder['now'] = ({ limits }, { cost }) => {
    if (cost === 0n) return holdNothing()
    if (budget === 'advisory') tell('warn', 'Charged actions run, and nobody is charged for them.')
    else if (limits.costBudget !== undefined) {
      tell('error', 'A charged action was refused: no ledger is configured.')
      throw cannotEnforce()
    }
    return holdNothing()
  }
  return { now, later: async () => holdNothing() }
}

/**
 * On the lease while it covers the cost; a reservation where the ledger does not lend. A budget of the
 * token is not asked for: an ancestor or the tenant may have one, and only the ledger knows.
 */
export const createHolder = (ledger: Ledger, leases: Leases): Holder => {
  const reserve = async (caller: Caller, { action, cost, ttlSeconds }: Asked): Promise<Hold> => {
    const { token } = caller
    const reserved = await ledger.reserve({ token, action, amount: cost, ttlSeconds })
    return holdReserved(ledger, reserved, cost)
  }
  /** What is free in our own lease must not be the reason for a refusal: the last cent is usable. */
  const reserveAfterAll = async (caller: Caller, asked: Asked, error: unknown): Promise<Hold> => {
    if (!isMoneyRefusal(error)) throw error
    if (await leases.giveBack(caller)) return reserve(caller, asked)
    throw error
  }
  const reserveAll = async (caller: Caller, asked: Asked): Promise<Hold> => {
    try {
      return await reserve(caller, asked).catch((error) => reserveAfterAll(caller, asked, error))
    } catch (error) {
      if (isOAuthError(error) && isMoneyRefusal(error)) leases.remember(caller, asked.cost, error)
      throw error
    }
  }
  return {
    now: (caller, { cost }) => {
      if (cost === 0n) return holdNothing()
      const lease = leases.take(caller, cost)
      return lease && holdOnLease(lease, cost)
    },
    later: async (caller, asked) => {
      const lease = await leases.borrow(caller, asked.cost)
      return lease ? holdOnLease(lease, asked.cost) : reserveAll(caller, asked)
    },
  }
}
