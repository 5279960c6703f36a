/** What one lease may still spend, and what it has spent. Arithmetic: no clock, no network. */
/** All amounts are micro-USD, and count from the opening of the lease. */
export interface Account {
  /** The most that may ever be spent: what was reported as spent, and what is held beyond it. */
  authority: bigint
  /** What has been settled. */
  spent: bigint
  /** What meters said beyond what their charges held. It is told to the operator, and to nobody else. */
  overrun: bigint
  /** Held by charges that are still running. It is not spent yet, and nobody else may spend it. */
  inFlight: bigint
  /** How many charges are running. */
  charges: number
  /** The same for requests, which are used when they are taken. */
  requestAuthority: number
  requests: number
}

/** Totals, so that a report that is lost is made good by the next one. */
export interface Report {
  readonly spent: bigint
  readonly requests: number
}

/** What a holder would like to hold beyond what it reports; `undefined` leaves it as it is. */
export interface Want {
  readonly usd: bigint | undefined
  readonly requests: number | undefined
}

export const emptyAccount = (): Account => ({
  authority: 0n,
  spent: 0n,
  overrun: 0n,
  inFlight: 0n,
  charges: 0,
  requestAuthority: 0,
  requests: 0,
})

/** Micro-USD that are used, or may be by what is running. */
export const usedUsd = ({ spent, inFlight }: Account): bigint => spent + inFlight

/** Micro-USD that a new charge may have. Never less than nothing, whatever the ledger answers. */
export const freeUsd = ({ authority, spent, inFlight }: Account): bigint => {
  const free = authority - spent - inFlight
  return free > 0n ? free : 0n
}

export const freeRequests = ({ requestAuthority, requests }: Account): number =>
  Math.max(0, requestAuthority - requests)

/** @returns false when there is not enough, and then nothing has changed */
export const hold = (account: Account, cost: bigint): boolean => {
  if (cost > account.authority - account.spent - account.inFlight) return false
  account.inFlight += cost
  account.charges += 1
  return true
}

/**
 * Ends a charge that held `cost`, at `actual`; nothing gives all of it back. More than it held is not
 * charged, as with a reservation: the rest of the lease is held for other charges, not for a meter that
 * overran.
 *
 * @returns what it was charged
 */
export const settle = (account: Account, cost: bigint, actual: bigint): bigint => {
  const charged = actual < cost ? actual : cost
  account.inFlight -= cost
  account.charges -= 1
  account.spent += charged
  account.overrun += actual - charged
  return charged
}

/** @returns false when there is none left, and then nothing has changed */
export const takeRequest = (account: Account): boolean => {
  if (account.requests >= account.requestAuthority) return false
  account.requests += 1
  return true
}

export const reportOf = ({ spent, requests }: Account): Report => ({ spent, requests })

/**
 * To be called before a wish leaves this process. The ledger may give back what is not wanted the
 * moment it reads it, whether its answer comes or not, so that must not be spent here any more.
 */
export const lowerTo = (account: Account, report: Report, want: Want): void => {
  if (want.usd !== undefined && report.spent + want.usd < account.authority) {
    account.authority = report.spent + want.usd
  }
  if (want.requests !== undefined && report.requests + want.requests < account.requestAuthority) {
    account.requestAuthority = report.requests + want.requests
  }
}

/** @param report the one that this is the answer to, whatever was spent since it was sent */
export const grant = (
  account: Account,
  report: Report,
  held: { amount: bigint; requests: number },
): void => {
  account.authority = report.spent + held.amount
  account.requestAuthority = report.requests + held.requests
}

export const least = (one: bigint | undefined, other: bigint | undefined): bigint | undefined => {
  if (one === undefined || other === undefined) return one ?? other
  return one < other ? one : other
}
export const greater = (one: bigint, other: bigint): bigint => {
  if (one > other) return one
  return other
}
