/** A worker is this very program once more, told by a message what to serve. */
import cluster from 'node:cluster'
import { type Config, ConfigError } from '../config.js'
import type { Ending, Worker } from './supervisor.js'

/** What a worker is not to find out for itself: all serve one port, and what was applied. */
export interface Orders {
  /** From 1 on. */
  slot: number
  port: number
  config: Config
}

type Report = { asksForOrders: true } | { isServing: true } | { refusal: string }

const nameOf = ({ code, signal }: Ending): string => signal ?? `code ${code}`

/** Called in the primary. */
export const forkWorker = (orders: Orders): Worker => {
  // Structured clones: a message as JSON loses what is undefined.
  cluster.setupPrimary({ serialization: 'advanced' })
  const worker = cluster.fork()
  // One that is gone takes no orders, and `exit` says so.
  worker.on('error', () => {})
  const ended = new Promise<Ending>((resolve) => {
    worker.once('exit', (code, signal) => resolve({ code, signal }))
  })
  const serving = new Promise<void>((resolve, reject) => {
    worker.on('message', (report: Report) => {
      // What is sent before it listens is lost.
      if ('asksForOrders' in report) worker.send(orders)
      else if ('refusal' in report) reject(new ConfigError(report.refusal))
      else resolve()
    })
    ended.then((ending) => reject(new Error(`a worker ended at its start (${nameOf(ending)})`)))
  })
  // Whoever waits for it hears of it; whoever does not must not fail by it.
  serving.catch(() => {})
  return { serving, ended, stop: () => worker.process.kill('SIGTERM') }
}

/** Called in a worker. Resolves when the primary has it. */
export const report = (what: Report): Promise<void> =>
  new Promise((resolve) => {
    if (process.connected) process.send?.(what, undefined, undefined, () => resolve())
    else resolve()
  })

/** Called in a worker. */
export const takeOrders = (): Promise<Orders> =>
  new Promise((resolve) => {
    process.once('message', resolve)
    report({ asksForOrders: true })
  })
