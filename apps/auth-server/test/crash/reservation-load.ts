/** Reservations: mostly settled or released, sometimes both at once, sometimes forgotten. */
import type { Kind, Operation } from './acknowledgements.js'
import { type Load, newKey, runAll, tryOnce, untilAnswered } from './attempts.js'
import { someUsd } from './money.js'
import type { Random } from './seeded.js'

const forgottenSeconds = 1

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
      amount_usd: someUsd(random, 30_000),
      action: 'docs.read',
      ttl_seconds: isForgotten ? forgottenSeconds : 600,
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
    body: kind === 'settle' ? { amount_usd: someUsd(random, 33_000) } : {},
  })
}

const isForgotten = ({ body }: Operation): boolean => body.ttl_seconds === forgottenSeconds

/** How a reservation that was acknowledged goes on: mostly one end, at times two that race. */
const endsOf = (load: Load, reserved: Operation, random: Random): Operation[] => {
  if (isForgotten(reserved) && random.chance(0.7)) return []
  const kinds: readonly Kind[] = random.chance(0.1)
    ? ['settle', 'release']
    : [random.chance(0.25) ? 'release' : 'settle']
  return kinds.map((kind) => beginEnd(load, reserved, random, kind))
}

/** What is not answered stays in doubt. */
export const reserveAndEnd = async (load: Load, random: Random): Promise<void> => {
  const reserved = beginReserve(load, random)
  if (!(await tryOnce(load, reserved, random)) || reserved.answer?.status !== 201) return
  await Promise.all(endsOf(load, reserved, random).map((ending) => tryOnce(load, ending, random)))
}

/** Ends what is open and not forgotten on purpose, or money would stay held for ten minutes. */
export const endReservations = async (load: Load, random: Random): Promise<void> => {
  const operations = load.log.of(load.targets.map(({ delegationId }) => delegationId))
  const ended = new Set(operations.map(({ reservationId }) => reservationId))
  const open = operations
    .filter((one) => one.kind === 'reserve' && one.answer?.status === 201 && !isForgotten(one))
    .filter(({ answer }) => !ended.has(String(answer?.body.id)))
  await runAll(open, async (reserved) => {
    const ending = beginEnd(load, reserved, random, random.pick(['settle', 'release']))
    await untilAnswered(load, ending, random)
  })
}
