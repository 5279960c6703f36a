/** One database, two kinds: PGlite for a single process, PostgreSQL for any number of them. */
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'
import type * as schema from './schema.js'

export type Drizzle = PgDatabase<PgQueryResultHKT, typeof schema>
export type Row = Record<string, unknown>

/** The two drivers answer `execute` differently. */
export const rowsOf = (result: unknown): Row[] =>
  Array.isArray(result) ? result : (result as { rows: Row[] }).rows

export interface Statement {
  text: string
  params: unknown[]
}

/** One statement, prepared. */
export type Query = (text: string, params: unknown[]) => Promise<Row[]>

/**
 * What has been decided, and that it is written. The commit is sent behind the last statement without
 * waiting for it: where that fails PostgreSQL rolls back instead.
 */
export interface Written<T> {
  result: T
  written: Promise<unknown>
}

export interface Database {
  /** For transactions and for whatever is not hot. */
  readonly drizzle: Drizzle
  /** For what must not wait behind a queue of charges: taking authority back. */
  readonly urgent: Drizzle
  /** A prepared statement on a pipelined connection that only reads. */
  read(text: string, params: unknown[]): Promise<Row[]>
  /** A read that may take its time, apart from those that requests wait for, and cut off. */
  report(text: string, params: unknown[]): Promise<Row[]>
  /** A write that nobody waits for, on a connection of its own, and cut off. */
  background(text: string, params: unknown[]): Promise<Row[]>
  /** A prepared statement on the one connection of batched writes. */
  write(text: string, params: unknown[]): Promise<Row[]>
  /** Two of them in one transaction: the second sees what the first had to wait for. */
  writeAfter(first: Statement, second: Statement): Promise<Row[]>
  /** A transaction on one of the connections of the ledger. */
  ledger<T>(work: (query: Query) => Promise<Written<T>>): Promise<T>
  close(): Promise<void>
}

export interface OpenDatabaseOptions {
  /** Somebody has brought the schema up to date. */
  isMigrated?: boolean | undefined
  /** What `memory:` begins with, as PGlite dumps it: that is there sooner than an empty one is made. */
  dump?: Blob | undefined
}

/**
 * The code of the other kind is not loaded.
 *
 * @param url `postgres://…`, `pglite:PATH` or `memory:`
 */
export const openDatabase = async (
  url: string,
  { isMigrated = false, dump }: OpenDatabaseOptions = {},
): Promise<Database> => {
  if (url === 'memory:' || url.startsWith('pglite:')) {
    const { openPglite } = await import('./pglite.js')
    return openPglite(url === 'memory:' ? undefined : url.slice('pglite:'.length), dump)
  }
  const { migratePostgres, openPostgres } = await import('./postgres.js')
  if (!isMigrated) await migratePostgres(url)
  return openPostgres(url)
}
