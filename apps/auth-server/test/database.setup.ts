/** Starts PostgreSQL once for all files when `BEHALF_TEST_DATABASE=postgres`; PGlite otherwise. */
import type { TestProject } from 'vitest/node'
import { startPostgres } from '../../../scripts/postgres.mjs'

declare module 'vitest' {
  interface ProvidedContext {
    /** Absent: PGlite. */
    postgresUrl: string | undefined
  }
}

export const setup = async (project: TestProject): Promise<() => Promise<void>> => {
  if (process.env.BEHALF_TEST_DATABASE !== 'postgres') {
    project.provide('postgresUrl', undefined)
    return async () => {}
  }
  // A server of your own, of whatever version: the URL ends before the name of the database.
  const ownServer = process.env.BEHALF_TEST_POSTGRES_URL
  if (ownServer) {
    project.provide('postgresUrl', ownServer)
    return async () => {}
  }
  const server = await startPostgres({ flags: ['max_connections=300'] })
  project.provide('postgresUrl', server.url)
  return () => server.stop()
}
