/** What a server does on its own: end what is overdue, forget what is old, keep the keys fresh. */
import type { Deps } from './deps.js'

const everySecond = 1000
const everyMinute = 60_000
const everyHour = 3_600_000

/** Ends all overdue reservations, a page at a time. */
export const expireReservations = async ({ store, now }: Deps): Promise<void> => {
  const page = 100
  while ((await store.reservations.expire(now(), page)) === page);
}

/** Starts the timers. A failure is logged and tried again at the next turn. @returns stops them */
export const startMaintenance = (deps: Deps): (() => void) => {
  const { store, keys, now, log } = deps
  const every = (milliseconds: number, name: string, run: () => Promise<void>) => {
    let running = false
    const timer = setInterval(async () => {
      if (running) return
      running = true
      await run().catch((error: Error) => log.warn({ task: name, error: error.name }, 'will retry'))
      running = false
    }, milliseconds)
    timer.unref()
    return timer
  }
  const timers = [
    every(everySecond, 'expire reservations', () => expireReservations(deps)),
    every(everyMinute, 'refresh keys', () => keys.refresh()),
    every(everyHour, 'forget idempotency keys', () => store.idempotencyKeys.forget(now())),
  ]
  return () => timers.forEach(clearInterval)
}
