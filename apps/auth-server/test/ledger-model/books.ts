/** After every step: what the database says is what the model has summed up, and the promises hold. */
import { expect } from 'vitest'
import type { Run } from './run.js'
import { leaseOf, usesOfTheHour } from './verifiers.js'
import {
  balances,
  countedOf,
  known,
  minuteOf,
  openLeasesOn,
  requestsHeldOn,
  usedOf,
  type World,
} from './world.js'

const readBudgets = `
  select b.id, b.cap::text, b.spent::text, b.held::text, b.leases::int, b.requests_held::int,
    b.carved::text,
    coalesce((select json_object_agg(m.minute, m.count order by m.minute) from request_minutes m
      where m.budget_id = b.id and m.minute > $2::int and m.count > 0), '{}') as counted
  from budgets b where b.id = any($1::text[])`

const readEntries = `
  select e.id::text, e.budget_ids, e.spent::text, e.held::text from ledger_entries e
  where e.id > $1::text::bigint order by e.id`

export const newestEntry = async ({ database }: Run['server']): Promise<bigint> => {
  const [row] = await database.read(
    'select coalesce(max(id), 0)::text as id from ledger_entries',
    [],
  )
  return BigInt(String(row?.id))
}

interface Sums {
  spent: number
  held: number
}

export interface Books {
  /** Nothing of this run has been entered up to here. */
  start: bigint
  /** What is summed up has been read up to here. */
  readTo: bigint
  entered: Map<string, Sums>
  /** What was used of each budget a step ago, and its cap. */
  before: Map<string, { cap: number | undefined; used: number }>
}

export const openBooks = (start: bigint): Books => ({
  start,
  readTo: start,
  entered: new Map(),
  before: new Map(),
})

const sumUp = (entered: Map<string, Sums>, rows: readonly Record<string, unknown>[]): void => {
  for (const { budget_ids: ids, spent, held } of rows) {
    for (const id of ids as string[]) {
      const sums = entered.get(id) ?? { spent: 0, held: 0 }
      entered.set(id, { spent: sums.spent + Number(spent), held: sums.held + Number(held) })
    }
  }
}

/** What counts in which minute. */
const minutesOf = (world: World, id: string): Record<number, number> => {
  const minutes: Record<number, number> = {}
  for (const { path, counted } of Object.values(world.leases)) {
    if (!path.includes(id)) continue
    for (const { minute, count } of counted) {
      if (minute <= minuteOf(world.now) - 61 || count === 0) continue
      minutes[minute] = (minutes[minute] ?? 0) + count
    }
  }
  return minutes
}

/** The row of a budget as the model has it. */
const rowOf = (world: World, all: ReturnType<typeof balances>, id: string) => {
  const { cap, carved, perHour } = known(world.budgets, id)
  const { spent, held } = all.get(id) ?? { spent: 0, held: 0 }
  return {
    id,
    // A cap that was cut comes down with what is used, and not before.
    cap: cap === undefined ? null : String(Math.max(cap, spent + held)),
    spent: String(spent),
    held: String(held),
    leases: openLeasesOn(world, id).length,
    requests_held: requestsHeldOn(world, id),
    carved: carved === undefined ? null : String(carved),
    counted: perHour === undefined ? {} : minutesOf(world, id),
  }
}

const untouched = { spent: '0', held: '0', leases: 0, requests_held: 0, carved: null, counted: {} }

/** Spent and held never exceed a cap; where it was cut below them, they only fall. */
const checkCaps = (world: World, all: ReturnType<typeof balances>, { before }: Books): void => {
  for (const [id, { cap }] of Object.entries(world.budgets)) {
    const used = usedOf(all, id)
    const earlier = before.get(id)
    const most = Math.max(cap ?? used, earlier?.cap === cap ? (earlier?.used ?? 0) : used)
    expect(used, `${id} may not rise beyond its cap of ${cap}`).toBeLessThanOrEqual(most)
    before.set(id, { cap, used })
  }
}

/** No hour holds more requests than the limit, by the clocks of those who let them through. */
const checkHour = ({ world, verifiers }: Run): void => {
  for (const [id, { perHour }] of Object.entries(world.budgets)) {
    if (perHour === undefined) continue
    const used = verifiers
      .filter((one) => leaseOf(world, one)?.path.includes(id))
      .reduce((sum, one) => sum + usesOfTheHour(one, world.now), 0)
    expect(used, `${id} lets ${perHour} through in an hour`).toBeLessThanOrEqual(perHour)
  }
}

/** Whatever a holder let through is held, spent or charged; and its requests of an hour count. */
const checkHolders = ({ world, verifiers }: Run): void => {
  for (const verifier of verifiers) {
    const lease = leaseOf(world, verifier)
    const { spent = 0, held = 0, expired = 0, requestsHeld = 0 } = lease ?? {}
    const { covered } = verifier
    expect(covered, `money of ${verifier.lease}`).toBeLessThanOrEqual(spent + held + expired)
    const counts = requestsHeld + (lease ? countedOf(world, lease) : 0)
    const used = usesOfTheHour(verifier, world.now)
    expect(used, `requests of ${verifier.lease}`).toBeLessThanOrEqual(counts)
  }
}

const checkRows = async (run: Run, books: Books, all: ReturnType<typeof balances>) => {
  const { server, world } = run
  const ids = Object.keys(world.budgets)
  const [rows, entries] = await Promise.all([
    server.database.read(readBudgets, [ids, minuteOf(world.now) - 61]),
    server.database.read(readEntries, [String(books.readTo)]),
  ])
  sumUp(books.entered, entries)
  books.readTo = BigInt(String(entries.at(-1)?.id ?? books.readTo))
  const byId = new Map(rows.map((row) => [String(row.id), row]))
  for (const id of ids) {
    const should = rowOf(world, all, id)
    // A day that nobody has drawn on has no row yet.
    expect(byId.get(id) ?? { id, cap: should.cap, ...untouched }).toEqual(should)
    const { spent, held } = books.entered.get(id) ?? { spent: 0, held: 0 }
    expect([id, String(spent), String(held)]).toEqual([id, should.spent, should.held])
  }
}

/** What must be true whatever the database says. */
export const checkPromises = (run: Run): void => {
  checkHour(run)
  checkHolders(run)
}

export const checkStep = async (run: Run, books: Books): Promise<void> => {
  const all = balances(run.world)
  await checkRows(run, books, all)
  checkCaps(run.world, all, books)
  checkPromises(run)
}

const readHolds = `
  select id, state, held::text, spent::text, overrun::text, expired::text, recalled,
    requests_held::int, requests_used::int from leases where delegation_id = any($1::text[])`

const readReservations = `
  select id, state, coalesce(charged, 0)::text as charged, coalesce(overrun, 0)::text as overrun
  from reservations where delegation_id = any($1::text[])`

const byId = (rows: readonly Record<string, unknown>[]) =>
  rows.toSorted((one, other) => (String(one.id) < String(other.id) ? -1 : 1))

/** When nothing is open any more: each hold has ended as the model says, and holds nothing. */
export const checkEnd = async (run: Run, books: Books): Promise<void> => {
  const { server, world, ids, tree } = run
  const [leases, reservations, entries] = await Promise.all([
    server.database.read(readHolds, [tree.nodes]),
    server.database.read(readReservations, [tree.nodes]),
    server.database.read(readEntries, [String(books.start)]),
  ])
  const expectedLeases = Object.entries(world.leases).map(([name, lease]) => ({
    id: ids.get(name),
    state: lease.state,
    held: '0',
    spent: String(lease.spent),
    overrun: String(lease.overrun),
    expired: String(lease.expired),
    recalled: lease.recalled,
    requests_held: 0,
    requests_used: lease.requestsUsed,
  }))
  expect(byId(leases)).toEqual(byId(expectedLeases))
  expect(leases.filter(({ state }) => state === 'open')).toEqual([])
  const expectedHolds = Object.entries(world.holds).map(([name, { state, spent, overrun }]) => ({
    ...{ id: ids.get(name), state, charged: String(spent), overrun: String(overrun) },
  }))
  expect(byId(reservations)).toEqual(byId(expectedHolds))
  expect(reservations.filter(({ state }) => state === 'reserved')).toEqual([])
  // Nothing that was once entered has changed since.
  const entered = new Map<string, Sums>()
  sumUp(entered, entries)
  expect(entered).toEqual(books.entered)
  for (const [id, { held }] of balances(world)) expect([id, held]).toEqual([id, 0])
}
