/** What a server does on its own: end what is overdue, forget what is old, keep the keys fresh. */
import { expireReservation } from './budgets/end-reservation.js'
import { closeEscrowWork } from './budgets/escrow.js'
import { expireLeaseWork } from './budgets/lease.js'
import type { Deps } from './deps.js'
import { reapClients } from './registration/reap-clients.js'
import { createForgetting } from './retention.js'

const everySecond = 1000
const everyMinute = 60_000
const everyHour = 3_600_000

const page = 100

/** Ends what is overdue, a page of each kind at a time. The time decides, this only comes round. */
export const expireHolds = async ({ store, now }: Deps): Promise<void> => {
  for (;;) {
    const { reservations, leases, escrows } = await store.budgets.overdue(now(), page)
    const works = [
      ...reservations.map(expireReservation),
      ...leases.map(expireLeaseWork),
      ...escrows.map(closeEscrowWork),
    ]
    const ended = await Promise.allSettled(works.map((work) => store.ledger.run(work)))
    // What cannot be ended must not keep the others from it.
    const failed = ended.find(({ status }) => status === 'rejected')
    if (failed?.status === 'rejected') throw failed.reason
    if (Math.max(reservations.length, leases.length, escrows.length) < page) return
  }
}

/** Whoever looks for what is gone finds in the log when it went. */
const logGone = (gone: ReadonlyMap<string, number>, { log }: Deps): void => {
  const rows = Object.fromEntries([...gone].filter(([, count]) => count > 0))
  if (Object.keys(rows).length > 0) log.info({ task: 'forget history', rows }, 'forgotten')
}

/** Starts the timers. A failure is logged and tried again at the next turn. @returns stops them */
export const startMaintenance = (deps: Deps): (() => void) => {
  const { store, keys, now, log } = deps
  const forgetHistory = createForgetting(deps)
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
    every(everySecond, 'expire holds', () => expireHolds(deps)),
    every(everyMinute, 'refresh keys', () => keys.refresh()),
    every(everyMinute, 'forget authorization requests', () =>
      store.authorizationRequests.forget(now()),
    ),
    every(everyHour, 'forget authorization codes', () => store.authorizationCodes.forget(now())),
    every(everyMinute, 'forget history', async () => logGone(await forgetHistory(), deps)),
    every(everyHour, 'forget sessions', () => store.people.forget(now())),
    every(everyHour, 'forget invitations', () => store.invitations.forget(now())),
    every(everyHour, 'forget attempts', () => store.attempts.forget(now())),
    every(everyHour, 'reap clients', () => reapClients(deps)),
    every(everyHour, 'forget request counts', () => store.budgets.forgetMinutes(now())),
    every(everyHour, 'forget device codes', () => store.deviceCodes.forget(now())),
  ]
  return () => timers.forEach(clearInterval)
}
