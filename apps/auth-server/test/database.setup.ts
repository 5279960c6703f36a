/** Starts PostgreSQL once for all files when `BEHALF_TEST_DATABASE=postgres`; PGlite otherwise. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { drizzle } from 'drizzle-orm/pglite'
import { migrate } from 'drizzle-orm/pglite/migrator'
import type { TestProject } from 'vitest/node'
import { startPostgres } from '../../../scripts/postgres.mjs'
import { migrationsFolder } from '../src/store/migrations-folder.js'

declare module 'vitest' {
  interface ProvidedContext {
    /** Absent: PGlite. */
    postgresUrl: string | undefined
    /** A file: a PGlite with all tables and no rows, for each that is opened in memory. */
    pgliteDump: string | undefined
  }
}

const dumpPglite = async (path: string): Promise<void> => {
  const pglite = new PGlite()
  await migrate(drizzle(pglite), { migrationsFolder })
  const dump = await pglite.dumpDataDir('none')
  await writeFile(path, new Uint8Array(await dump.arrayBuffer()))
  await pglite.close()
}

const setUpPglite = async (project: TestProject): Promise<() => Promise<void>> => {
  const folder = await mkdtemp(join(tmpdir(), 'behalf-pglite-'))
  const path = join(folder, 'migrated.tar')
  await dumpPglite(path)
  project.provide('postgresUrl', undefined)
  project.provide('pgliteDump', path)
  return () => rm(folder, { recursive: true, force: true })
}

export const setup = async (project: TestProject): Promise<() => Promise<void>> => {
  if (process.env.BEHALF_TEST_DATABASE !== 'postgres') return setUpPglite(project)
  project.provide('pgliteDump', undefined)
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
