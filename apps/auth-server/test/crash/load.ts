/** What resource servers do all day: reserve, then settle, release or forget; and try again. */
import { formatUsd } from '@behalf/protocol'
import type { Acknowledgements, Kind, Operation, Outcome } from './acknowledgements.js'
import { attempt, patience } from './ledger-client.js'
import type { Random } from './seeded.js'
import { sleep } from './seeded.js'

/** What may be charged in a round. */
export interface Target {
  delegationId: string
  token: string
}

export interface Load {
  random: Random
  log: Acknowledgements
  targets: readonly Target[]
  /** Where to send the next request; `undefined` when there is nobody to send it to. */
  address: (random: Random) => string | undefined
  /** Another way to make an attempt, such as through a proxy. */
  send?: (url: string, operation: Operation, random: Random) => Promise<Outcome>
}

const micros = (random: Random, most: number): string =>
  formatUsd(BigInt(1000 + random.below(most - 1000)))

let serial = 0
const newKey = (kind: Kind): string => {
  serial += 1
  return `${kind}-${serial}-${crypto.randomUUID()}`
}

/** One attempt, written down. @returns false when it is still in doubt */
const tryOnce = async (load: Load, operation: Operation, random: Random): Promise<boolean> => {
  const url = load.address(random)
  if (url === undefined) {
    await sleep(5)
    return false
  }
  const { send = (url, operation) => attempt(url, operation) } = load
  load.log.note(operation, await send(url, operation, random))
  return operation.answer !== undefined
}

const beginReserve = ({ log, targets }: Load, random: Random): Operation => {
  const { delegationId, token } = random.pick(targets)
  // Some are forgotten, and expire while the round is still running or soon after.
  const isForgotten = random.chance(0.08)
  return log.begin({
    kind: 'reserve',
    key: newKey('reserve'),
    path: '/reservations',
    delegationId,
    body: {
      ...(random.chance(0.5) ? { token } : { delegation_id: delegationId }),
      amount_usd: micros(random, 30_000),
      action: 'docs.read',
      ttl_seconds: isForgotten ? 1 : 600,
      on_expiry: random.chance(0.5) ? 'charge' : 'release',
    },
  })
}

const beginEnd = ({ log }: Load, reserved: Operation, random: Random, kind: Kind): Operation => {
  const reservationId = String(reserved.answer?.body.id)
  return log.begin({
    kind,
    key: newKey(kind),
    path: `/reservations/${reservationId}/${kind}`,
    delegationId: reserved.delegationId,
    reservationId,
    // Sometimes more than was reserved.
    body: kind === 'settle' ? { amount_usd: micros(random, 33_000) } : {},
  })
}

/** How a reservation that was acknowledged goes on: mostly one end, at times two that race. */
const endsOf = (load: Load, reserved: Operation, random: Random): Operation[] => {
  if (reserved.body.ttl_seconds === 1 && random.chance(0.7)) return []
  const kinds: readonly Kind[] = random.chance(0.1)
    ? ['settle', 'release']
    : [random.chance(0.25) ? 'release' : 'settle']
  return kinds.map((kind) => beginEnd(load, reserved, random, kind))
}

/** Reserves and ends until told to stop, and leaves in doubt what was not answered. */
const work = async (load: Load, random: Random, isOver: () => boolean): Promise<void> => {
  while (!isOver()) {
    if (load.address(random) === undefined) {
      await sleep(5)
      continue
    }
    const reserved = beginReserve(load, random)
    if (!(await tryOnce(load, reserved, random)) || reserved.answer?.status !== 201) continue
    await Promise.all(endsOf(load, reserved, random).map((ending) => tryOnce(load, ending, random)))
  }
}

/** So many workers at once. @returns stops them, and waits until they have */
export const startWork = (load: Load, workers: number): (() => Promise<void>) => {
  let over = false
  const all = Promise.all(
    Array.from({ length: workers }, () => work(load, load.random.fork(), () => over)),
  )
  // Whatever goes wrong is told to the one who stops them.
  all.catch(() => {})
  return async () => {
    over = true
    await all
  }
}

const untilAnswered = async (load: Load, operation: Operation, random: Random): Promise<void> => {
  const begun = performance.now()
  while (!(await tryOnce(load, operation, random))) {
    if (performance.now() - begun > patience) {
      throw new Error(`${operation.kind} ${operation.key} is in doubt for too long`)
    }
    await sleep(20)
  }
}

/** Runs a few at a time. */
export const runAll = async <T>(
  things: readonly T[],
  run: (thing: T) => Promise<void>,
): Promise<void> => {
  const waiting = [...things]
  const worker = async (): Promise<void> => {
    for (let thing = waiting.shift(); thing !== undefined; thing = waiting.shift()) await run(thing)
  }
  await Promise.all(Array.from({ length: 16 }, worker))
}

/** Sends everything that is in doubt again, with the same key, until it is answered. */
export const resolveDoubts = async (load: Load): Promise<number> => {
  const inDoubt = load.random.shuffle(load.log.inDoubt())
  const random = load.random.fork()
  await runAll(inDoubt, (operation) => untilAnswered(load, operation, random))
  // What was reserved in doubt is ended now, or money would stay held for ten minutes.
  const ended = new Set(load.log.of().map(({ reservationId }) => reservationId))
  const open = load.log
    .of(load.targets.map(({ delegationId }) => delegationId))
    .filter(({ answer, body }) => answer?.status === 201 && body.ttl_seconds !== 1)
    .filter(({ answer }) => !ended.has(String(answer?.body.id)))
  await runAll(open, async (reserved) => {
    const ending = beginEnd(load, reserved, random, random.pick(['settle', 'release']))
    await untilAnswered(load, ending, random)
  })
  return inDoubt.length
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
