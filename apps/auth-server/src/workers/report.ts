/** A worker's side of its primary. */
import type { CountExchange, Counts } from '../rate-limits/shared-counters.js'
import type { Orders, Report } from './fork-worker.js'

/** Resolves when the primary has it. */
export const report = (what: Report): Promise<void> =>
  new Promise((resolve) => {
    if (process.connected) process.send?.(what, undefined, undefined, () => resolve())
    else resolve()
  })

export const takeOrders = (): Promise<Orders> =>
  new Promise((resolve) => {
    process.once('message', resolve)
    report({ asksForOrders: true })
  })

/** With the other workers, through the primary. */
export const countExchange: CountExchange = {
  send: (counts) => {
    report({ counts })
  },
  listen: (hear) => {
    process.on('message', ({ counts }: { counts?: Counts }) => counts && hear(counts))
  },
}
