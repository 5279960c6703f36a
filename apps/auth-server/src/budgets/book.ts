/**
 * A page of the ledger: the rows that one batch has locked, and what the batch makes of them. Here is
 * arithmetic and no I/O: what is read and written is the store's.
 */
import type { BudgetPeriod, LeaseState, ReservationState } from '@behalf/protocol'
import { periodIds } from './periods.js'

/** Balances. Money in micro-USD. */
export interface Budget {
  readonly id: string
  readonly tenantId: string | undefined
  /** What the constraint of the database holds it to. */
  cap: bigint | undefined
  /** What new holds are judged by: lower than `cap` while more was held when it was cut. */
  wantedCap: bigint | undefined
  spent: bigint
  held: bigint
  /** Open leases that draw on it. */
  leases: number
  requestsPerHour: number | undefined
  requestsHeld: number
  readonly periods: Readonly<Partial<Record<BudgetPeriod, bigint>>> | undefined
  /** Escrow: what it was carved out of. */
  drawnFrom: readonly string[] | undefined
  /** Escrow: what is set aside above; `undefined` once it was given back. */
  carved: bigint | undefined
}

export interface StoredReservation {
  readonly id: string
  readonly delegationId: string
  readonly budgetIds: readonly string[]
  readonly clientId: string
  readonly action: string
  readonly amount: bigint
  readonly onExpiry: 'charge' | 'release'
  readonly createdAt: Date
  readonly expiresAt: Date
  state: ReservationState
  charged: bigint | undefined
  overrun: bigint | undefined
  endedAt: Date | undefined
}

export interface StoredLease {
  readonly id: string
  readonly delegationId: string
  readonly budgetIds: readonly string[]
  readonly clientId: string
  readonly holder: string
  readonly epoch: number
  readonly createdAt: Date
  seq: number
  state: LeaseState
  /** Lent, beyond what was reported as spent. */
  held: bigint
  /** Reported and charged. */
  spent: bigint
  overrun: bigint
  /** Charged because it expired: a late report takes back what was not used. */
  expired: bigint
  requestsHeld: number
  requestsUsed: number
  requestsExpired: number
  recalled: boolean
  expiresAt: Date
  endedAt: Date | undefined
}

/** So much is missing on a budget on which leases may hold some. Micro-USD. */
export interface Shortage {
  budgetId: string
  missing: bigint
}

export interface StoredAnswer {
  status: number
  body: Record<string, unknown>
  headers?: Record<string, string>
  /** Not stored: why it was refused, for those who hold what is missing. */
  shortage?: Shortage | undefined
}

export interface KeyedRequest {
  clientId: string
  key: string
  /** Of what was asked: the same key with another hash is a mistake of the caller. */
  requestHash: string
  expiresAt: Date
}

export interface KeptAnswer extends KeyedRequest {
  answer: StoredAnswer
}

export interface MinuteCount {
  budgetId: string
  minute: number
  count: number
}

/** Append-only: what moved, on all of these budgets at once. */
export interface Entry {
  budgetIds: readonly string[]
  ref: string
  kind: string
  spent: bigint
  held: bigint
  cap?: bigint | undefined
  at: Date
}

/** What was locked and read. */
export interface Page {
  budgets: Budget[]
  reservations: StoredReservation[]
  leases: StoredLease[]
  minutes: MinuteCount[]
  /** Delegations that are alive. */
  alive: ReadonlySet<string>
  answers: KeptAnswer[]
}

/** What is to be written. */
export interface Changes {
  /** As they were, and as they are. */
  budgets: { was: Budget; is: Budget }[]
  newReservations: StoredReservation[]
  endedReservations: StoredReservation[]
  leases: StoredLease[]
  minutes: MinuteCount[]
  entries: Entry[]
  answers: KeptAnswer[]
}

/** A decision needs rows that were not locked: lock these too, and decide again. */
export class MissingBudgets extends Error {
  constructor(readonly ids: readonly string[]) {
    super('budgets are missing')
  }
}

export interface Move {
  spent?: bigint
  held?: bigint
}

const answerKey = ({ clientId, key }: { clientId: string; key: string }): string =>
  JSON.stringify([clientId, key])

const byBudget = (rows: readonly MinuteCount[]): Map<string, Map<number, MinuteCount>> => {
  const all = new Map<string, Map<number, MinuteCount>>()
  for (const row of rows) {
    const known = all.get(row.budgetId)
    if (known) known.set(row.minute, row)
    else all.set(row.budgetId, new Map([[row.minute, row]]))
  }
  return all
}

/** A cap that was cut follows what is spent and held down, and never comes up again by itself. */
const tightened = ({ cap, wantedCap, spent, held }: Budget): bigint | undefined => {
  if (cap === undefined || wantedCap === undefined || wantedCap >= cap) return cap
  const used = spent + held
  return used > wantedCap ? used : wantedCap
}

export const createBook = (page: Page, now: Date) => {
  const budgets = new Map(page.budgets.map((row) => [row.id, row]))
  const before = new Map<string, Budget>()
  const reservations = new Map(page.reservations.map((row) => [row.id, row]))
  const stored = new Set(reservations.keys())
  const leases = new Map(page.leases.map((row) => [row.id, row]))
  const minutes = byBudget(page.minutes)
  const answers = new Map(page.answers.map((row) => [answerKey(row), row]))
  const touched = {
    reservations: new Set<StoredReservation>(),
    leases: new Set<StoredLease>(),
    minutes: new Set<MinuteCount>(),
    answers: [] as KeptAnswer[],
  }
  const entries: Entry[] = []

  const budgetsOf = (ids: readonly string[]): Budget[] => {
    const missing = ids.filter((id) => !budgets.has(id))
    if (missing.length > 0) throw new MissingBudgets(missing)
    return ids.map((id) => budgets.get(id) as Budget)
  }

  /**
   * Where money moves. What is set aside in escrow was drawn above when it was carved out, so a charge
   * on it goes no higher; once it was given back, what is left of it is the business of those above.
   */
  const moneyPath = (ids: readonly string[]): readonly string[] => {
    const rows = budgetsOf(ids)
    const escrow = rows.findLast(({ drawnFrom }) => drawnFrom !== undefined)
    if (!escrow) return ids
    const below = ids.slice(rows.indexOf(escrow))
    return escrow.carved === undefined ? [...moneyPath(escrow.drawnFrom ?? []), ...below] : below
  }

  const change = (id: string): Budget => {
    const [row] = budgetsOf([id])
    if (!row) throw new MissingBudgets([id])
    if (!before.has(id)) before.set(id, { ...row })
    return row
  }

  const enter = (entry: Omit<Entry, 'at'>): void => {
    entries.push({ ...entry, at: now })
  }

  const move = (
    ids: readonly string[],
    { spent = 0n, held = 0n }: Move,
    kind: string,
    ref: string,
  ) => {
    if (spent === 0n && held === 0n) return
    const path = moneyPath(ids)
    // All of them first: a row that is missing must not leave half a move behind.
    budgetsOf(path)
    for (const id of path) {
      const row = change(id)
      row.spent += spent
      row.held += held
      row.cap = tightened(row)
    }
    enter({ budgetIds: path, ref, kind, spent, held })
    giveBackAbove(path[0])
  }

  /** What a cut of its cap has freed is not set aside any more. */
  const giveBackAbove = (id: string | undefined): void => {
    const row = id === undefined ? undefined : budgets.get(id)
    if (row?.carved === undefined || row.cap === undefined || row.cap >= row.carved) return
    const freed = row.carved - row.cap
    row.carved = row.cap
    move(row.drawnFrom ?? [], { held: -freed }, 'escrow_return', row.id)
  }

  return {
    now,
    budgetsOf,
    change,
    enter,

    /** The budgets that are drawn on now, the tenant's first: the path, and its periods. */
    drawing: (ids: readonly string[]): string[] => {
      const path = budgetsOf(ids).flatMap((row) => [row.id, ...periodIds(row, now)])
      budgetsOf(path)
      return path
    },

    /** Those of a path that money is drawn on. */
    money: (ids: readonly string[]): Budget[] => budgetsOf(moneyPath(ids)),

    isAlive: (lineage: readonly string[]): boolean => lineage.every((id) => page.alive.has(id)),

    /** Moves money on all budgets of a path, and enters it. */
    move,

    countLease: (ids: readonly string[], by: 1 | -1): void => {
      for (const id of ids) change(id).leases += by
    },

    reservation: (id: string): StoredReservation | undefined => reservations.get(id),

    putReservation: (row: StoredReservation): void => {
      reservations.set(row.id, row)
      touched.reservations.add(row)
    },

    lease: (id: string): StoredLease | undefined => leases.get(id),

    openLeases: (delegationId: string, clientId: string): StoredLease[] =>
      [...leases.values()].filter(
        (row) =>
          row.state === 'open' && row.delegationId === delegationId && row.clientId === clientId,
      ),

    putLease: (row: StoredLease): void => {
      leases.set(row.id, row)
      touched.leases.add(row)
    },

    minutesOf: (budgetId: string): MinuteCount[] => [...(minutes.get(budgetId)?.values() ?? [])],

    /** What comes back late may have left the hour: its minute was not read, and stays as it is. */
    count: (budgetId: string, minute: number, by: number): void => {
      const known = minutes.get(budgetId) ?? new Map<number, MinuteCount>()
      if (by < 0 && !known.has(minute)) return
      const row = known.get(minute) ?? { budgetId, minute, count: 0 }
      row.count = Math.max(0, row.count + by)
      minutes.set(budgetId, known.set(minute, row))
      touched.minutes.add(row)
    },

    kept: (request: KeyedRequest): KeptAnswer | undefined => answers.get(answerKey(request)),

    keep: (request: KeyedRequest, answer: StoredAnswer): void => {
      const kept = { ...request, answer }
      answers.set(answerKey(request), kept)
      touched.answers.push(kept)
    },

    changes: (): Changes => ({
      budgets: [...before].map(([id, was]) => ({ was, is: budgets.get(id) as Budget })),
      newReservations: [...touched.reservations].filter(({ id }) => !stored.has(id)),
      endedReservations: [...touched.reservations].filter(({ id }) => stored.has(id)),
      leases: [...touched.leases],
      minutes: [...touched.minutes],
      entries,
      answers: touched.answers,
    }),
  }
}

export type Book = ReturnType<typeof createBook>
