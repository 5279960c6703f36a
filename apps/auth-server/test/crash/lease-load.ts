/** Leases: opened, renewed a few times with what was used, and closed. */
import { formatUsd } from '@behalf/protocol'
import type { Operation } from './acknowledgements.js'
import { type Load, newKey, runAll, tryOnce, untilAnswered } from './attempts.js'
import { microsOf, someMicros, someUsd } from './money.js'
import type { Random } from './seeded.js'

const beginLease = ({ log, targets }: Load, random: Random, holder: string): Operation => {
  const { delegationId } = random.pick(targets)
  return log.begin({
    kind: 'lease',
    key: newKey('lease'),
    path: '/leases',
    delegationId,
    // Opening again ends what this holder had before, so that doubts cannot pile up.
    body: { delegation_id: delegationId, want_usd: someUsd(random, 60_000), holder },
  })
}

const beginReport = (
  { log }: Load,
  { delegationId, answer }: Operation,
  kind: 'renew' | 'close',
  body: Record<string, unknown>,
): Operation => {
  const leaseId = String(answer?.body.id)
  const path = `/leases/${leaseId}/${kind}`
  return log.begin({ kind, key: newKey(kind), path, delegationId, leaseId, body })
}

const smaller = (one: bigint, other: bigint): bigint => (one < other ? one : other)

/** What is not answered stays in doubt, and its lease is left to whoever clears up. */
export const holdLease = async (load: Load, random: Random, holder: string): Promise<void> => {
  const opened = beginLease(load, random, holder)
  if (!(await tryOnce(load, opened, random)) || opened.answer?.status !== 201) return
  let told = opened.answer
  let spent = 0n
  const renewals = random.below(5)
  for (let seq = 1; seq <= renewals; seq += 1) {
    const held = told.status === 402 ? 0n : microsOf(told.body.amount_usd)
    spent += smaller(someMicros(random, 40_000), held)
    const body = { seq, spent_usd: formatUsd(spent), want_usd: someUsd(random, 60_000) }
    const renewed = beginReport(load, opened, 'renew', body)
    if (!(await tryOnce(load, renewed, random)) || !renewed.answer) return
    told = renewed.answer
    if (told.body.state === 'expired') return
  }
  if (random.chance(0.5)) return
  const body = { seq: renewals + 1, spent_usd: formatUsd(spent) }
  await tryOnce(load, beginReport(load, opened, 'close', body), random)
}

/** Closes what is open, with the newest that was reported. */
export const closeLeases = async (load: Load, random: Random): Promise<void> => {
  const operations = load.log.of(load.targets.map(({ delegationId }) => delegationId))
  const closed = new Set(
    operations.filter(({ kind }) => kind === 'close').map(({ leaseId }) => leaseId),
  )
  const open = operations
    .filter(({ kind, answer }) => kind === 'lease' && answer?.status === 201)
    .filter(({ answer }) => !closed.has(String(answer?.body.id)))
  await runAll(open, async (opened) => {
    const reports = operations.filter(({ leaseId }) => leaseId === opened.answer?.body.id)
    const newest = reports.at(-1)?.body ?? { seq: 0, spent_usd: '0' }
    const body = { seq: Number(newest.seq) + 1, spent_usd: newest.spent_usd }
    await untilAnswered(load, beginReport(load, opened, 'close', body), random)
  })
}
