/** What must come of a lease. */
import {
  accepted,
  type Expected,
  iso,
  type Report,
  type RequestOf,
  refused,
  remaining,
  starving,
  usd,
  type Wants,
} from './requests.js'
import {
  balances,
  daySeconds,
  drawing,
  fewest,
  graceSeconds,
  isAlive,
  known,
  type LeaseFact,
  minuteOf,
  openLeasesOn,
  reach,
  roomOf,
  tightest,
  type World,
} from './world.js'

/** Money may grow by half of a fair share of what each budget leaves. */
const growthOf = (world: World, { path }: LeaseFact, wanted: number): number => {
  const all = balances(world)
  const shares = reach(world, path).map((id) => {
    const room = roomOf(world, all, id)
    return Math.max(0, Math.floor(room / (2 * openLeasesOn(world, id).length)))
  })
  return Math.min(wanted, ...shares)
}

/** Requests likewise, but the last one may be had by somebody. */
const requestGrowthOf = (world: World, { path }: LeaseFact, wanted: number): number => {
  const least = fewest(world, path)
  if (!least) return wanted
  const { id, left } = least
  const share = Math.floor(left / (2 * openLeasesOn(world, id).length))
  return Math.min(wanted, left, Math.max(1, share))
}

/** What is wanted less comes back at once; more only as far as there is. */
const adjust = (world: World, lease: LeaseFact, wants: Wants, mayGrow: boolean): void => {
  const { want = lease.held, need = 1, wantRequests = lease.requestsHeld } = wants
  const more = want - lease.held
  const moreRequests = wantRequests - lease.requestsHeld
  const most = more > 0 && mayGrow ? growthOf(world, lease, more) : Math.min(more, 0)
  const growth = most > 0 && lease.held + most < need ? 0 : most
  const requestGrowth =
    moreRequests > 0 && mayGrow
      ? requestGrowthOf(world, lease, moreRequests)
      : Math.min(moreRequests, 0)
  lease.held += growth
  lease.requestsHeld += requestGrowth
}

const refusal = (
  world: World,
  path: readonly string[],
  { want, need, wantRequests = 0 }: Wants,
  has: Pick<LeaseFact, 'held' | 'requestsHeld'>,
): Expected | undefined => {
  const least = fewest(world, path)
  if (wantRequests > 0 && least?.left === 0 && has.requestsHeld === 0) {
    return accepted(429, { error: 'rate_limited', limited_by: least.id, remaining: '0' })
  }
  if (want === undefined || has.held > 0) return undefined
  // Whoever wants requests as well is not refused for money that nothing needs yet.
  const required = need ?? (wantRequests > 0 ? 0 : 1)
  const left = tightest(world, path)?.left ?? Number.POSITIVE_INFINITY
  return required > 0 && left < required ? starving(world, path, required) : undefined
}

const answer = (
  world: World,
  lease: LeaseFact,
  { status, ttl, tail }: { status: number; ttl: number; tail: boolean },
): Expected =>
  accepted(status, {
    delegation_id: lease.node,
    state: lease.state,
    epoch: lease.epoch,
    seq: lease.seq,
    amount_usd: usd(lease.held),
    requests: lease.requestsHeld,
    ttl_seconds: ttl,
    expires_at: iso(lease.expiresAt),
    tail,
    recalled: lease.recalled,
    overrun_usd: lease.overrun > 0 ? usd(lease.overrun) : undefined,
    ...remaining(world, lease.path),
    remaining_requests: fewest(world, lease.path)?.left,
  })

const isTail = ({ held }: LeaseFact, { want, need = 1 }: Wants): boolean =>
  want !== undefined && held < need

/** All that nobody told of counts as used, and requests as late as they may have been made. */
const charge = (world: World, lease: LeaseFact): void => {
  lease.state = 'expired'
  lease.expired = lease.held
  lease.held = 0
  lease.requestsExpired = lease.requestsHeld
  lease.requestsHeld = 0
  const minute = minuteOf(Math.max(world.now, lease.expiresAt))
  lease.counted.push({ minute, count: lease.requestsExpired })
}

export const expireLease = (world: World, lease: LeaseFact): void => {
  if (lease.state === 'open' && world.now > lease.expiresAt) charge(world, lease)
}

const mostLeases = 32

export const open = (world: World, request: RequestOf<'open'>): Expected => {
  const { as, holder = as } = request
  const node = known(world.nodes, request.node)
  const path = drawing(world, node)
  if (!isAlive(world, node)) return refused(403, 'access_denied', 'delegation_revoked')
  const mine = Object.values(world.leases).filter(
    (one) => one.state === 'open' && one.node === request.node,
  )
  const older = mine.find((one) => one.holder === holder)
  if (!older && mine.length >= mostLeases) {
    return { ...refused(429, 'rate_limited', 'too_many_open_holds'), kept: false }
  }
  const no = refusal(world, path, request, { held: 0, requestsHeld: 0 })
  if (no) return no
  if (older) charge(world, older)
  const nothing = { held: 0, spent: 0, overrun: 0, expired: 0 }
  const noRequests = { requestsHeld: 0, requestsUsed: 0, requestsExpired: 0, counted: [] }
  const lease: LeaseFact = {
    ...{ node: request.node, path, holder, epoch: (older?.epoch ?? 0) + 1, seq: 0 },
    ...{ state: 'open', recalled: false, expiresAt: world.now + request.ttl + graceSeconds },
    ...nothing,
    ...noRequests,
  }
  world.leases[as] = lease
  adjust(world, lease, request, true)
  return answer(world, lease, { status: 201, ttl: request.ttl, tail: isTail(lease, request) })
}

/** What a report tells beyond those before it. */
const news = (lease: LeaseFact, { spent = 0, requests = 0 }: Report) => ({
  money: Math.max(0, spent - lease.spent - lease.overrun),
  requests: Math.max(0, requests - lease.requestsUsed),
})

const apply = (world: World, lease: LeaseFact, report: Report): void => {
  const { money, requests } = news(lease, report)
  const spent = Math.min(money, lease.held)
  lease.held -= spent
  lease.spent += spent
  lease.overrun += money - spent
  const used = Math.min(requests, lease.requestsHeld)
  lease.requestsHeld -= used
  lease.requestsUsed += requests
  lease.counted.push({ minute: minuteOf(world.now), count: used })
  lease.seq = report.seq
}

/** Not prolonged: it ends when it would have ended, and its holder is told how long that is. */
const untilEnd = (world: World, { expiresAt }: LeaseFact): number =>
  Math.max(0, expiresAt - graceSeconds - world.now)

const sameDay = (one: readonly string[], other: readonly string[]): boolean =>
  one.join() === other.join()

export const renew = (world: World, request: RequestOf<'renew'>): Expected => {
  const lease = known(world.leases, request.lease)
  expireLease(world, lease)
  if (lease.state === 'closed') return refused(409, 'lease_ended', 'lease_ended')
  if (request.seq <= lease.seq) return refused(409, 'stale_report', 'stale_report')
  if (lease.state === 'expired') {
    return answer(world, lease, { status: 200, ttl: 0, tail: isTail(lease, request) })
  }
  const node = known(world.nodes, lease.node)
  lease.recalled ||= !isAlive(world, node) || !sameDay(drawing(world, node), lease.path)
  apply(world, lease, request)
  const prolonged = Math.max(lease.expiresAt, world.now + request.ttl + graceSeconds)
  if (!lease.recalled) lease.expiresAt = prolonged
  adjust(world, lease, request, !lease.recalled)
  const no = lease.recalled ? undefined : refusal(world, lease.path, request, lease)
  const ttl = lease.recalled ? untilEnd(world, lease) : request.ttl
  return no ?? answer(world, lease, { status: 200, ttl, tail: isTail(lease, request) })
}

/** The rest of what was charged comes back. */
const reconcile = (lease: LeaseFact, report: Report): void => {
  const { money, requests } = news(lease, report)
  const spent = Math.min(money, lease.expired)
  lease.spent += spent
  lease.overrun += money - spent
  lease.expired = 0
  const last = lease.counted.at(-1)
  if (last) last.count = Math.min(requests, lease.requestsExpired)
  lease.requestsUsed += requests
  lease.requestsExpired = 0
  lease.seq = report.seq
}

export const close = (world: World, request: RequestOf<'close'>): Expected => {
  const lease = known(world.leases, request.lease)
  expireLease(world, lease)
  const isLate = lease.state === 'expired' && world.now <= lease.expiresAt + daySeconds
  if (lease.state !== 'open' && !isLate) return refused(409, 'lease_ended', 'lease_ended')
  if (request.seq <= lease.seq) return refused(409, 'stale_report', 'stale_report')
  if (isLate) reconcile(lease, request)
  else apply(world, lease, request)
  lease.held = 0
  lease.requestsHeld = 0
  lease.state = 'closed'
  const ended = answer(world, lease, { status: 200, ttl: 0, tail: false })
  return isLate ? { ...ended, note: 'late' } : ended
}
