/** What resource servers do all day: reserve, lease, settle, report; and try again. */
import { type Load, runAll, tryOnce, untilAnswered } from './attempts.js'
import { closeLeases, holdLease } from './lease-load.js'
import { endReservations, reserveAndEnd } from './reservation-load.js'
import { type Random, sleep } from './seeded.js'

const work = async (
  load: Load,
  random: Random,
  name: string,
  isOver: () => boolean,
): Promise<void> => {
  while (!isOver()) {
    if (load.address(random) === undefined) await sleep(5)
    else if (random.chance(0.25)) await holdLease(load, random, name)
    else await reserveAndEnd(load, random)
  }
}

/** So many workers at once. @returns stops them, and waits until they have */
export const startWork = (load: Load, workers: number): (() => Promise<void>) => {
  let over = false
  const all = Promise.all(
    Array.from({ length: workers }, (_, index) =>
      work(load, load.random.fork(), `worker-${index}`, () => over),
    ),
  )
  // Whatever goes wrong is told to the one who stops them.
  all.catch(() => {})
  return async () => {
    over = true
    await all
  }
}

/** Sends everything that is in doubt again, with the same key, until it is answered; then clears up. */
export const resolveDoubts = async (load: Load): Promise<void> => {
  const random = load.random.fork()
  const inDoubt = random.shuffle(load.log.inDoubt())
  await runAll(inDoubt, (operation) => untilAnswered(load, operation, random))
  await endReservations(load, random)
  await closeLeases(load, random)
}

/** Repeats some of what was acknowledged: the log notes it when an answer has changed. */
export const repeatSome = async (load: Load, count: number): Promise<void> => {
  const random = load.random.fork()
  const known = load.log.of(load.targets.map(({ delegationId }) => delegationId))
  const some = random.shuffle(known.filter(({ answer }) => answer)).slice(0, count)
  await runAll(some, async (operation) => {
    await tryOnce(load, operation, random)
  })
}
