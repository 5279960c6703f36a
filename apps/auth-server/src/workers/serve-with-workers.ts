/**
 * Several processes on one port. The primary serves nobody: it brings the database to what the
 * configuration says, starts the workers, and starts another where one ends.
 */

import type { Logger } from 'pino'
import { prepareServer, type RunningServer, type ServerToStart } from '../server.js'
import { connectionsPerProcess } from '../store/postgres.js'
import { createForks } from './fork-worker.js'
import { superviseWorkers } from './supervisor.js'

/** PostgreSQL turns away whoever comes on top, and only under load: so it is said at the start. */
export const warnOfConnections = (
  workers: number,
  maxConnections: number,
  log: Pick<Logger, 'warn'>,
): void => {
  const mayOpen = workers * connectionsPerProcess
  if (mayOpen <= maxConnections) return
  log.warn(
    { workers, mayOpen, maxConnections },
    'the workers may open more connections than PostgreSQL has: raise its max_connections, or start fewer',
  )
}

/**
 * The schema and the configuration are applied here, once: a worker that is started again tomorrow must
 * not bring back what a newer file has changed meanwhile, nor find a file that cannot be read.
 */
export const serveWithWorkers = async (
  options: ServerToStart & { workers: number },
): Promise<RunningServer> => {
  const { config, log, workers: count } = options
  const { url, port, issuer, maxConnections } = await prepareServer(options)
  warnOfConnections(count, maxConnections, log)
  const start = createForks((slot) => ({ slot, port, config }))
  const { close } = await superviseWorkers({ count, start, log })
  return { url, issuer, close }
}
