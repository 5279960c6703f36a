/** Budgets: reservations against a floor, a budget that overspends, and spending in process. */
import postgres from 'postgres'
import { startPostgres } from '../../scripts/postgres.mjs'
import { measureLease } from './lease.mjs'
import { measureOverspend } from './overspend.mjs'
import { measureReserve } from './reserve.mjs'

/** @param {(line: string) => void} say shows progress */
export const measureBudget = async (say) => {
  say('Starting PostgreSQL (fsync on)')
  const server = await startPostgres()
  const sql = postgres(`${server.url}postgres`, { max: 1, onnotice: () => {} })
  const createDatabase = async (name) => {
    await sql.unsafe(`create database ${name}`)
    return `${server.url}${name}`
  }
  const parts = { postgres: server, createDatabase }
  try {
    const reserve = await measureReserve(parts, say)
    const overspend = await measureOverspend(parts, say)
    return [reserve, overspend, ...(await measureLease(parts, say))]
  } finally {
    await sql.end()
    await server.stop()
  }
}
