/** A PostgreSQL of one test's own, and three ways in which it dies. */
import postgres from 'postgres'
import { startPostgres } from '../../../../scripts/postgres.mjs'
import { sleep } from './seeded.js'

/**
 * `all`: what a power cut does. `postmaster`: the others see that they are alone, each in its time.
 * `backend`: what the kernel does when memory is short; PostgreSQL then ends everybody and recovers.
 */
export const deaths = ['all', 'postmaster', 'backend'] as const
export type Death = (typeof deaths)[number]

const endNow = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

export const startDatabase = async () => {
  const server = await startPostgres({ flags: ['max_connections=100'] })
  const url = `${server.url}postgres`

  /** The processes that serve somebody, and those that work behind them. */
  const listProcesses = async (onlyServing: boolean): Promise<number[]> => {
    const sql = postgres(url, { max: 1, onnotice: () => {} })
    try {
      const rows = await sql<{ pid: number }[]>`
        select pid from pg_stat_activity
        where pid <> pg_backend_pid() and (backend_type = 'client backend' or not ${onlyServing})
        order by pid`
      return rows.map(({ pid }) => pid)
    } finally {
      await sql.end()
    }
  }

  const restart = async (): Promise<void> => {
    for (let turn = 1; ; turn += 1) {
      try {
        return await server.restart()
      } catch (error) {
        // What is left of the old one still has its memory.
        if (turn === 100) throw error
        await sleep(50)
      }
    }
  }

  return {
    url,
    die: async (death: Death, choose: (pids: readonly number[]) => number): Promise<void> => {
      const pids = await listProcesses(death === 'backend')
      if (death === 'backend') return endNow(choose(pids))
      const gone = server.kill()
      if (death === 'all') pids.forEach(endNow)
      await gone
    },
    /** Only needed when its first process has died. */
    restart: (death: Death): Promise<void> => (death === 'backend' ? Promise.resolve() : restart()),
    stop: () => server.stop(),
  }
}
