/** What is kept of the past and for how long, and the turns in which the rest is forgotten. */
import type { Config } from './config.js'
import type { Deps } from './deps.js'
import type { HistoryKind } from './store/retention.js'

/** Days; `null` is for ever. */
export interface Retention {
  /** Who got which token. */
  tokens: number | null
  /** Who lent what to whom, and what people agreed to. Counted from its end. */
  delegations: number | null
  /** What was charged, by whom and for which action; and the days, weeks and months of budgets. */
  charges: number | null
  /** Single movements of the ledger. What they came to is kept for as long as the budget. */
  ledgerEntries: number | null
  /** Entries of the revocation feed that no verifier needs any more. */
  revocationFeed: number | null
}

const auditDays = 730
const feedDays = 7

const orDefault = (days: number | null | undefined, byDefault: number): number | null =>
  days === undefined ? byDefault : days

/** What proves who did what is kept for two years. A feed proves nothing that delegations do not. */
export const retentionOf = ({ retention = {} }: Pick<Config, 'retention'>): Retention => ({
  tokens: orDefault(retention.tokens_days, auditDays),
  delegations: orDefault(retention.delegations_days, auditDays),
  charges: orDefault(retention.charges_days, auditDays),
  ledgerEntries: orDefault(retention.ledger_entries_days, auditDays),
  revocationFeed: orDefault(retention.revocation_feed_days, feedDays),
})

/** In this order, what refers to something goes before it. */
const daysOf = (retention: Retention): ReadonlyMap<HistoryKind, number | null> =>
  new Map<HistoryKind, number | null>([
    ['idempotency_keys', 0],
    ['refresh_tokens', 0],
    ['revocations', retention.revocationFeed],
    ['tokens', retention.tokens],
    ['reservations', retention.charges],
    ['leases', retention.charges],
    ['ledger_entries', retention.ledgerEntries],
    ['delegations', retention.delegations],
    ['periods', retention.charges],
  ])

const dayMs = 86_400_000

/** Small enough that no request waits for a lock of one for longer than a commit takes. */
const batchRows = 500
/** A turn ends after so many of each kind, and the next one goes on there. */
const maxBatches = 400
/** Between two batches: what is left of the disk is for requests. Milliseconds. */
const pauseMs = 20
/** When all was looked at, it is looked at again so much later. */
const restMs = 3_600_000

interface Progress {
  cursor: string | undefined
  restsUntil: number
}

export interface ForgettingOptions {
  retention: Retention
  store: Pick<Deps['store'], 'retention'>
  now: Deps['now']
  wait: Deps['wait']
  rows?: number
  batches?: number
}

/**
 * A backlog of millions is worked off turn by turn. Any number of servers may do so at once: each takes
 * what no other has taken.
 *
 * @returns one turn, which says how many rows of each kind are gone
 */
export const createForgetting = ({
  retention,
  store,
  now,
  wait,
  rows = batchRows,
  batches = maxBatches,
}: ForgettingOptions) => {
  const progress = new Map<HistoryKind, Progress>()

  const forget = async (kind: HistoryKind, days: number): Promise<number> => {
    const own = progress.get(kind) ?? { cursor: undefined, restsUntil: 0 }
    progress.set(kind, own)
    if (now().getTime() < own.restsUntil) return 0
    const before = new Date(now().getTime() - days * dayMs)
    let total = 0
    for (let batch = 0; batch < batches; batch += 1) {
      const { cursor } = own
      const done = await store.retention.forget(kind, { before, cursor, limit: rows })
      total += done.gone
      own.cursor = done.cursor
      if (done.seen < rows || (done.gone === 0 && done.cursor === cursor)) {
        Object.assign(own, { cursor: undefined, restsUntil: now().getTime() + restMs })
        return total
      }
      await wait(pauseMs)
    }
    return total
  }

  return async (): Promise<ReadonlyMap<HistoryKind, number>> => {
    const gone = new Map<HistoryKind, number>()
    for (const [kind, days] of daysOf(retention)) {
      if (days !== null) gone.set(kind, await forget(kind, days))
    }
    return gone
  }
}
