/**
 * Leases that are over, until their last report has arrived. What is not reported is charged in full
 * when the lease expires, and a report within a day takes the rest back: so it is tried again.
 */
import { formatUsd, isOAuthError } from '@behalf/protocol'
import { why } from './http.js'
import type { HeldLease } from './lease.js'
import { freeUsd, reportOf } from './lease-account.js'
import type { Ledger, NumberedReport } from './ledger.js'
import { isOutcomeUnknown, ledgerCode } from './ledger-http.js'
import type { Logger } from './settings.js'

export interface LeaseReturns {
  /** Reports it and gives the rest back: now, or as soon as what runs on it has ended. */
  add: (lease: HeldLease, options?: { givesBack?: boolean }) => void
  /** Tries again what is due. */
  sweep: (t: number) => void
  size: () => number
  /** Waits for those that are under way. */
  settled: () => Promise<void>
  /** One last attempt for each. What is still running is reported as if it cost all that it held. */
  flush: () => Promise<void>
}

interface Return {
  lease: HeldLease
  key: string
  report: NumberedReport | undefined
  flight: Promise<void> | undefined
  tries: number
  nextAt: number
  until: number
}

const dayMs = 86_400_000
const firstRetryMs = 1000
const longestRetryMs = 60_000
/** So many requests at a time, however many leases end at once. */
const maxFlights = 64

const lost = 'A lease could not be returned. What is left of it counts as spent.'

const overran = 'Actions on a lease cost more than was held for them. The rest was not charged.'

const lastReport = (lease: HeldLease): NumberedReport => {
  const { spent, inFlight, requests } = lease.account
  lease.seq += 1
  return { seq: lease.seq, spent: spent + inFlight, requests }
}

const toReturn = (lease: HeldLease, t: number): Return => ({
  lease,
  key: crypto.randomUUID(),
  report: undefined,
  flight: undefined,
  tries: 0,
  nextAt: t,
  until: t + dayMs,
})

interface Parts {
  ledger: Pick<Ledger, 'closeLease' | 'renewLease'>
  monotonic: () => number
  logger: Logger
  /** How many are kept at the most. */
  maxReturns: number
}

export const createLeaseReturns = ({
  ledger,
  monotonic,
  logger,
  maxReturns,
}: Parts): LeaseReturns => {
  const open = new Set<Return>()
  let flights = 0

  const giveUp = (one: Return, error?: unknown): void => {
    open.delete(one)
    logger.error(lost, { lease: one.lease.id, ...(error !== undefined && why(error)) })
  }
  const failed = (one: Return, error: unknown): void => {
    const code = ledgerCode(error)
    if (code === 'lease_ended' || code === 'not_found') open.delete(one)
    else if (!isOutcomeUnknown(error) && isOAuthError(error)) giveUp(one, error)
    else if (monotonic() >= one.until) giveUp(one, error)
    else {
      one.nextAt = monotonic() + Math.min(firstRetryMs * 2 ** one.tries, longestRetryMs)
      one.tries += 1
    }
  }
  const reportOnce = (lease: HeldLease): NumberedReport => {
    const { overrun } = lease.account
    if (overrun > 0n) logger.warn(overran, { lease: lease.id, overrun_usd: formatUsd(overrun) })
    return lastReport(lease)
  }
  const close = async (one: Return): Promise<void> => {
    flights += 1
    try {
      one.report ??= reportOnce(one.lease)
      await ledger.closeLease(one.lease.id, one.report, one.key)
      open.delete(one)
    } catch (error) {
      failed(one, error)
    } finally {
      flights -= 1
      one.flight = undefined
    }
  }
  const start = (one: Return): Promise<void> => {
    one.flight ??= close(one)
    return one.flight
  }
  /** What nothing runs on is not waited for. Whether it arrives or not, the last report says it all. */
  const giveBackFree = async (lease: HeldLease): Promise<void> => {
    const { account } = lease
    lease.seq += 1
    const report = { ...reportOf(account), seq: lease.seq }
    const wish = { usd: account.inFlight, requests: 0, need: undefined }
    await ledger.renewLease(lease.id, report, wish).catch(() => undefined)
  }
  const isReady = ({ lease, flight, nextAt }: Return, t: number): boolean =>
    lease.account.charges === 0 && !flight && t >= nextAt

  return {
    add: (lease, { givesBack = false } = {}) => {
      const t = monotonic()
      const [oldest] = open
      if (oldest && open.size >= maxReturns) giveUp(oldest)
      const one = toReturn(lease, t)
      open.add(one)
      if (isReady(one, t) && flights < maxFlights) start(one)
      else if (givesBack && freeUsd(lease.account) > 0n) void giveBackFree(lease)
    },
    sweep: (t) => {
      for (const one of open) {
        if (flights >= maxFlights) return
        if (isReady(one, t)) start(one)
      }
    },
    size: () => open.size,
    settled: async () => {
      await Promise.all([...open].map(({ flight }) => flight))
    },
    flush: async () => {
      while (open.size > 0) {
        const batch = [...open].slice(0, maxFlights)
        const before = open.size
        await Promise.all(batch.map(start))
        // Nothing has arrived: the ledger is away, and waiting for the others would not help.
        if (open.size === before) break
      }
      if (open.size > 0) logger.error(lost, { leases: open.size })
      open.clear()
    },
  }
}
