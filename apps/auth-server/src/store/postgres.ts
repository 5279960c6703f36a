/** PostgreSQL, for any number of processes: which statement goes over which connection, and how. */
import { drizzle as drizzlePostgres } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'
import type { Database, Query, Row, Statement, Written } from './database.js'
import * as schema from './schema.js'

export { migratePostgres } from './migrate.js'

/** Left alone, the driver waits up to twenty seconds between attempts, and so does every request. */
const reconnectSeconds = 0.25

const reportTimeoutMs = 5000

/**
 * A page of a listing is read sooner than workers for it are started, or machine code is made. How much of
 * a table is alive, only the time of the question says: a plan for any time would read all of it.
 */
const smallPlans = {
  max_parallel_workers_per_gather: 0,
  jit: 'off',
  plan_cache_mode: 'force_custom_plan',
}

/** Milliseconds. What cannot be done now is done at the next turn. */
const backgroundTimeouts = { statement_timeout: 10_000, lock_timeout: 1000 }
/** Seconds. */
const backgroundIdle = 30

/**
 * A server that hangs with the ledger in its hands must not stop the others: PostgreSQL takes it away,
 * and who waits for too long is told to come again. Milliseconds.
 */
const ledgerTimeouts = { idle_in_transaction_session_timeout: 5000, lock_timeout: 7500 }

/**
 * All that a write looks for has a key. For small tables the planner would rather read all of them,
 * or all of an index, and hot rows bloat both. It need not think about it more than once.
 */
const byKey = {
  enable_seqscan: 'off',
  enable_mergejoin: 'off',
  enable_hashjoin: 'off',
  plan_cache_mode: 'force_generic_plan',
}

const never = new Promise<never>(() => {})

/**
 * When its connection is lost the driver makes the transaction fail and uses what is left of it for the
 * next: whatever the lost one would still say, a rollback as well, must not be heard there.
 */
const inTransaction = async <T>(
  client: postgres.Sql,
  prepared: (client: Pick<postgres.Sql, 'unsafe'>) => Query,
  work: (query: Query) => Promise<Written<T>>,
): Promise<T> => {
  let isOver = false
  let written: Promise<unknown> = Promise.resolve()
  const run = async (query: Query): Promise<T> => {
    const done = await work((text, params) => (isOver ? never : query(text, params)))
    written = done.written
    // Waited for below; here only so that nobody calls it unhandled until then.
    written.catch(() => {})
    return done.result
  }
  const unlessOver = (ended: () => Promise<T>): Promise<T> => (isOver ? never : ended())
  try {
    const result = await client.begin((transaction) => {
      const running = run(prepared(transaction))
      const settled = (): Promise<T> => unlessOver(() => running)
      return running.then(settled, settled)
    })
    await written
    return result as T
  } finally {
    isOver = true
  }
}

/** The driver sends a query when somebody waits for it, and no sooner. */
const sent = (rows: Promise<Row[]>): Promise<Row[]> => {
  rows.catch(() => {})
  return rows
}

/** Sent one behind the other, and the commit behind both: PostgreSQL begins the second when the first is done. */
const bothOf =
  (first: Statement, second: Statement) =>
  async (query: Query): Promise<Written<{ rows: Promise<Row[]> }>> => {
    const done = sent(query(first.text, first.params))
    const rows = sent(query(second.text, second.params))
    return { result: { rows }, written: Promise.all([done, rows]) }
  }

/** Opened when they are first needed. */
const pools = {
  transactions: 10,
  reads: 2,
  writes: 1,
  ledger: 3,
  urgent: 2,
  reports: 1,
  background: 1,
}

/** At most, of one process to PostgreSQL. */
export const connectionsPerProcess = Object.values(pools).reduce((sum, max) => sum + max, 0)

/**
 * Reads are pipelined over two connections, which takes a quarter of the CPU of a pool of ten.
 * Writes have their own, since everything behind a commit waits for it. Drizzle gets a client for
 * itself: it replaces the date parsers of the one it is given.
 */
export const openPostgres = (url: string): Database => {
  const backoff = () => reconnectSeconds
  const options = { onnotice: () => {}, connect_timeout: 5, idle_timeout: 0, backoff }
  const transactions = postgres(url, { ...options, max: pools.transactions })
  const reads = postgres(url, { ...options, max: pools.reads })
  const writes = postgres(url, { ...options, max: pools.writes, connection: byKey })
  // While one commits the next waits for its locks, and a third has begun: no batch waits for a round trip.
  const ledger = postgres(url, {
    ...options,
    max: pools.ledger,
    connection: { ...ledgerTimeouts, ...byKey },
  })
  const urgent = postgres(url, { ...options, max: pools.urgent })
  const connection = { statement_timeout: reportTimeoutMs, ...smallPlans }
  const reports = postgres(url, { ...options, max: pools.reports, connection })
  const slow = postgres(url, {
    ...options,
    max: pools.background,
    idle_timeout: backgroundIdle,
    connection: { ...backgroundTimeouts, ...byKey },
  })
  const prepared =
    (client: Pick<postgres.Sql, 'unsafe'>): Query =>
    (text, params) =>
      client.unsafe(text, params as postgres.ParameterOrJSON<never>[], { prepare: true })
  return {
    drizzle: drizzlePostgres(transactions, { schema }),
    urgent: drizzlePostgres(urgent, { schema }),
    read: prepared(reads),
    report: prepared(reports),
    background: prepared(slow),
    write: prepared(writes),
    writeAfter: async (first, second) =>
      (await inTransaction(writes, prepared, bothOf(first, second))).rows,
    ledger: (work) => inTransaction(ledger, prepared, work),
    close: async () => {
      const clients = [transactions, reads, writes, ledger, urgent, reports, slow]
      await Promise.all(clients.map((client) => client.end({ timeout: 5 })))
    },
  }
}
