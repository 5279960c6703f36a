/** Keeps so many workers at work: one that ends is started again, ever more slowly if it ends again. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'

export interface Ending {
  code: number | null
  signal: string | null
}

export interface Worker {
  pid: number | undefined
  /** Resolves when it serves. Rejects with why it never will. */
  serving: Promise<void>
  /** Resolves when it is gone. */
  ended: Promise<Ending>
  /** Lets it end what is under way. */
  stop: () => void
}

export interface SupervisorOptions {
  count: number
  /** @param slot from 1 on: whoever takes the place of another has its number */
  start: (slot: number) => Worker
  log: Logger
  /** Milliseconds that only grow. */
  clock?: () => number
  pause?: (milliseconds: number, signal: AbortSignal) => Promise<unknown>
}

export interface Supervisor {
  /** @throws Error when one of them did not end well */
  close: () => Promise<void>
}

const firstPauseMs = 250
const longestPauseMs = 30_000

/** Whoever has been at work for so long did not end because of how it starts. */
const steadyMs = 60_000

/** @param endings one after the other, each soon after the start */
export const pauseAfter = (endings: number): number =>
  Math.min(longestPauseMs, firstPauseMs * 2 ** (endings - 1))

const pauseUnless = (milliseconds: number, signal: AbortSignal): Promise<unknown> =>
  sleep(milliseconds, undefined, { signal }).catch(() => {})

/**
 * Starts all of them, and resolves when all serve. Only then is one that ends started again: what keeps
 * a worker from its first start, such as a port that is taken, keeps it from every other.
 *
 * @throws what the first that cannot start says
 */
export const superviseWorkers = async (options: SupervisorOptions): Promise<Supervisor> => {
  const { count, start, log, clock = () => performance.now(), pause = pauseUnless } = options
  const stopping = new AbortController()
  const slots = Array.from({ length: count }, (_, index) => index + 1)
  const running = new Map(slots.map((slot) => [slot, start(slot)]))
  const stopAll = (): void => {
    for (const worker of running.values()) worker.stop()
  }

  const startAgain = (slot: number): Worker => {
    const worker = start(slot)
    worker.serving.then(
      () => log.info({ worker: slot, workerPid: worker.pid }, 'a worker serves again'),
      ({ message }: Error) => log.error({ worker: slot, why: message }, 'a worker cannot start'),
    )
    running.set(slot, worker)
    return worker
  }
  /** @returns how the last one in this place ended, once all are to stop */
  const keep = async (slot: number, first: Worker): Promise<Ending> => {
    let endings = 0
    for (let worker = first; ; worker = startAgain(slot)) {
      const since = clock()
      const ending = await worker.ended
      if (stopping.signal.aborted) return ending
      endings = clock() - since < steadyMs ? endings + 1 : 1
      const pauseMs = pauseAfter(endings)
      const who = { worker: slot, workerPid: worker.pid }
      log.error({ ...who, ...ending, pauseMs }, 'a worker has ended and is started again')
      await pause(pauseMs, stopping.signal)
      if (stopping.signal.aborted) return { code: 0, signal: null }
    }
  }
  try {
    await Promise.all([...running.values()].map(({ serving }) => serving))
  } catch (error) {
    stopAll()
    throw error
  }
  log.info({ workerPids: [...running.values()].map(({ pid }) => pid) }, 'the workers serve')
  const kept = [...running].map(([slot, worker]) => keep(slot, worker))
  return {
    close: async () => {
      stopping.abort()
      stopAll()
      const endings = await Promise.all(kept)
      if (endings.some(({ code }) => code !== 0)) throw new Error('a worker did not end well')
    },
  }
}
