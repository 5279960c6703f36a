/** What the ledger must answer, and what has happened then. Nothing here comes from the server. */
import { capped, closed, toppedUp } from './oracle-caps.js'
import { close, expireLease, open, renew } from './oracle-leases.js'
import {
  accepted,
  type Expected,
  iso,
  type Recall,
  type Request,
  type RequestOf,
  refused,
  remaining,
  starving,
  usd,
} from './requests.js'
import {
  daySeconds,
  drawing,
  type HoldFact,
  isAlive,
  known,
  type LeaseFact,
  openLeasesOn,
  tightest,
  type World,
} from './world.js'

const reserve = (world: World, request: RequestOf<'reserve'>): Expected => {
  const { as, amount, ttl, onExpiry } = request
  const node = known(world.nodes, request.node)
  const path = drawing(world, node)
  if (!isAlive(world, node)) return refused(403, 'access_denied', 'delegation_revoked')
  const least = tightest(world, path)
  if (least && least.left < amount) return starving(world, path, amount)
  const expiresAt = world.now + ttl
  const made = { path, amount, onExpiry, expiresAt, node: request.node }
  world.holds[as] = { ...made, held: amount, spent: 0, overrun: 0, state: 'reserved' }
  return accepted(201, {
    state: 'reserved',
    delegation_id: request.node,
    amount_usd: usd(amount),
    expires_at: iso(expiresAt),
    ...remaining(world, path),
  })
}

const expireHold = (world: World, hold: HoldFact): void => {
  if (hold.state !== 'reserved' || world.now <= hold.expiresAt) return
  const isCharged = hold.onExpiry === 'charge'
  hold.state = isCharged ? 'expired_charged' : 'expired_released'
  hold.spent = isCharged ? hold.amount : 0
  hold.held = 0
}

/** Money that was charged because nobody told can be told for a day. */
const mayEnd = (world: World, { state, expiresAt }: HoldFact): boolean =>
  state === 'reserved' || (state === 'expired_charged' && world.now <= expiresAt + daySeconds)

const end = (world: World, { hold: name, actual }: RequestOf<'end'>): Expected => {
  const hold = known(world.holds, name)
  expireHold(world, hold)
  if (!mayEnd(world, hold)) return refused(409, 'reservation_ended', 'reservation_ended')
  const used = actual ?? 0
  hold.state = actual === undefined ? 'released' : 'settled'
  hold.held = 0
  hold.spent = Math.min(used, hold.amount)
  hold.overrun = used - hold.spent
  return accepted(200, {
    state: hold.state,
    delegation_id: hold.node,
    amount_usd: usd(hold.amount),
    charged_usd: usd(hold.spent),
    overrun_usd: hold.overrun > 0 ? usd(hold.overrun) : undefined,
    expires_at: iso(hold.expiresAt),
    ...remaining(world, hold.path),
  })
}

export const revoke = (world: World, id: string): Expected => {
  known(world.nodes, id).revoked = true
  return { ...accepted(200, { revoked: true }), kept: false }
}

/** What one request comes to. Changes the world. */
export const decide = (world: World, request: Request): Expected => {
  switch (request.kind) {
    case 'reserve':
      return reserve(world, request)
    case 'end':
      return end(world, request)
    case 'open':
      return open(world, request)
    case 'renew':
      return renew(world, request)
    case 'close':
      return close(world, request)
    case 'cap':
      return capped(world, request.budget, request.cap)
    case 'topUp':
      return toppedUp(world, request.budget, request.by)
    case 'giveBack':
      return closed(world, request.node)
    case 'revoke':
      return revoke(world, request.node)
  }
}

/** Leases on a budget are asked back: whoever renews one is told. */
export const recall = (world: World, { budget, missing }: Recall): void => {
  const isAsked = ({ recalled, held }: LeaseFact) =>
    !recalled && (missing === undefined || held > 0)
  const asked = openLeasesOn(world, budget).filter(isAsked)
  const held = asked.reduce((sum, lease) => sum + lease.held, 0)
  if (missing !== undefined && held < missing) return
  for (const lease of asked) lease.recalled = true
}

/** What the server does on its own when it comes round. */
export const sweep = (world: World): void => {
  for (const hold of Object.values(world.holds)) expireHold(world, hold)
  for (const lease of Object.values(world.leases)) expireLease(world, lease)
  for (const [id, node] of Object.entries(world.nodes)) {
    const budget = world.budgets[id]
    if (budget?.carved !== undefined && !isAlive(world, node)) closed(world, id)
  }
}
