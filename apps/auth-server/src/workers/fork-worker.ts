/** The primary's side of a worker, which is this very program once more, told by a message what to serve. */
import cluster, { type Worker as Fork } from 'node:cluster'
import { type Config, ConfigError } from '../config.js'
import type { Counts } from '../rate-limits/shared-counters.js'
import type { Ending, Worker } from './supervisor.js'

/** What a worker is not to find out for itself: all serve one port, and what was applied. */
export interface Orders {
  /** From 1 on. */
  slot: number
  port: number
  config: Config
}

/** What a worker says. */
export type Report =
  | { asksForOrders: true }
  | { isServing: true }
  | { refusal: string }
  | { counts: Counts }

const nameOf = ({ code, signal }: Ending): string => signal ?? `code ${code}`

const endingOf = (fork: Fork): Promise<Ending> =>
  new Promise((resolve) => {
    fork.once('exit', (code, signal) => resolve({ code, signal }))
  })

/** By then all that it has said has been heard, which its exit may come before. */
const disconnected = (fork: Fork): Promise<void> =>
  new Promise((resolve) => {
    fork.once('disconnect', resolve)
  })

/** @param ordersOf what the worker with this number is to serve */
export const createForks = (ordersOf: (slot: number) => Orders): ((slot: number) => Worker) => {
  // Each accepts for itself. Handed round by the primary, a connection costs more than a token, and one
  // that is on its way to a worker when that dies is answered by nobody, ever.
  cluster.schedulingPolicy = cluster.SCHED_NONE
  // Structured clones: a message as JSON loses what is undefined.
  cluster.setupPrimary({ serialization: 'advanced' })
  const serving = new Set<Fork>()
  const passOn = (from: Fork, counts: Counts): void => {
    for (const fork of serving) if (fork !== from) fork.send({ counts })
  }
  return (slot) => {
    const fork = cluster.fork()
    // One that is gone hears nothing, and its exit says so.
    fork.on('error', () => {})
    const ended = endingOf(fork)
    const isServing = new Promise<void>((resolve, reject) => {
      fork.on('message', (report: Report) => {
        if ('counts' in report) return passOn(fork, report.counts)
        // Not before it asks: what is sent to one that does not listen yet is lost.
        if ('asksForOrders' in report) return fork.send(ordersOf(slot))
        if ('refusal' in report) return reject(new ConfigError(report.refusal))
        serving.add(fork)
        resolve()
      })
      Promise.all([ended, disconnected(fork)]).then(([ending]) => {
        serving.delete(fork)
        reject(new Error(`a worker ended at its start (${nameOf(ending)})`))
      })
    })
    // Whoever waits for it hears of it; whoever does not must not fail by it.
    isServing.catch(() => {})
    const { pid } = fork.process
    return { pid, serving: isServing, ended, stop: () => fork.process.kill('SIGTERM') }
  }
}
