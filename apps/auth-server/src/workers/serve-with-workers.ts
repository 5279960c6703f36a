/**
 * Several processes on one port. The primary serves nobody: it brings the database to what the
 * configuration says, starts the workers, and starts another where one ends.
 */
import { prepareServer, type RunningServer, type ServerToStart } from '../server.js'
import { forkWorker } from './fork-worker.js'
import { superviseWorkers } from './supervisor.js'

/**
 * The schema and the configuration are applied here, once: a worker that is started again tomorrow must
 * not bring back what a newer file has changed meanwhile, nor find a file that cannot be read.
 */
export const serveWithWorkers = async (
  options: ServerToStart & { workers: number },
): Promise<RunningServer> => {
  const { config, log, workers: count } = options
  const { url, port, issuer } = await prepareServer(options)
  const start = (slot: number) => forkWorker({ slot, port, config })
  const { close } = await superviseWorkers({ count, start, log })
  return { url, issuer, close }
}
