export interface PostgresServer {
  /** A connection string that ends before the name of the database. */
  readonly url: string
  readonly pid: number | undefined
  stop(): Promise<void>
  kill(): Promise<void>
  restart(): Promise<void>
}

export const startPostgres: (options?: { flags?: string[] }) => Promise<PostgresServer>
