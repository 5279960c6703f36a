/** One PostgreSQL for all that is measured, with a database for each, and folders for PGlite. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { startPostgres } from '../../scripts/postgres.mjs'

/** @returns `{ pid, create(): Promise<url>, folder(): url, stop() }`; fsync is on */
export const openDatabases = async () => {
  const server = await startPostgres()
  const sql = postgres(`${server.url}postgres`, { max: 1, onnotice: () => {} })
  const folders = mkdtempSync(join(tmpdir(), 'behalf-bench-'))
  let count = 0
  return {
    pid: server.pid,
    create: async () => {
      count += 1
      await sql.unsafe(`create database bench_${count}`)
      return `${server.url}bench_${count}`
    },
    folder: () => {
      count += 1
      return `pglite:${join(folders, `pglite-${count}`)}`
    },
    stop: async () => {
      await sql.end()
      await server.stop()
      rmSync(folders, { recursive: true, force: true })
    },
  }
}
