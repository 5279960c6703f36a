/** What was charged, for the program and for the caller. */
import { agentBudgetHeader } from '@behalf/protocol'

/** How a charge has ended. All amounts are micro-USD. */
export interface Ended {
  readonly cost: bigint
  readonly remaining: bigint | undefined
  readonly reservationId: string | undefined
  readonly leaseId: string | undefined
}

export interface Receipt {
  readonly action: string
  /** Micro-USD. */
  readonly cost: bigint
  /**
   * What the tightest budget on the way to the tenant has left; absent when none has a cap. Of a
   * charge on a lease it is reckoned here: what the ledger said last, less what was spent here since.
   * What others have spent meanwhile is not in it.
   */
  readonly remaining: bigint | undefined
  /** The reservation, for a charge that was reserved on its own. */
  readonly reservationId: string | undefined
  /** The lease that it was charged to, without asking. */
  readonly leaseId: string | undefined
  /** True when no ledger took part, so that nothing was charged anywhere. */
  readonly advisory: boolean
  /** `Agent-Budget`, for the response; empty when nothing was charged. */
  readonly headers: Readonly<Record<string, string>>
}

export const receiptOf = (action: string, ended: Ended): Receipt => {
  const { cost, remaining, reservationId, leaseId } = ended
  const advisory = reservationId === undefined && leaseId === undefined
  const headers = advisory ? {} : { 'Agent-Budget': agentBudgetHeader(cost, remaining) }
  return Object.freeze({
    action,
    cost,
    remaining,
    reservationId,
    leaseId,
    advisory,
    headers: Object.freeze(headers),
  })
}

/** `Agent-Budget` where the cost is not known yet: what is left beside what is held. */
export const remainingHeader = (remaining: bigint): string =>
  `remaining=${remaining}; unit="USD"; decimals=6`
