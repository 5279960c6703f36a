/** What must come of a cap that is moved, and of money that is set aside. */
import { accepted, type Expected, refused, shown, tooLittle, usd } from './requests.js'
import { balances, drawing, known, roomOf, tightest, type World } from './world.js'

/** A budget by itself. */
const described = (world: World, id: string): Record<string, unknown> => {
  const all = balances(world)
  const { cap } = known(world.budgets, id)
  const { spent, held } = all.get(id) ?? { spent: 0, held: 0 }
  return {
    cap_usd: cap === undefined ? undefined : usd(cap),
    spent_usd: usd(spent),
    held_usd: usd(held),
    remaining_usd: cap === undefined ? undefined : shown(roomOf(world, all, id)),
  }
}

const isCut = (before: number | undefined, after: number | undefined): boolean =>
  after !== undefined && (before === undefined || after < before)

/** More is set aside above, or what is not used is given back there. */
const escrowCapped = (world: World, id: string, target: number): Expected | undefined => {
  const budget = known(world.budgets, id)
  // Brings down what was set aside and is not used any more.
  balances(world)
  const before = budget.carved ?? 0
  const more = target - before
  const above = budget.drawnFrom ?? []
  const left = tightest(world, above)?.left ?? Number.POSITIVE_INFINITY
  if (more > 0 && left < more) return tooLittle(world, above, more)
  if (more > 0) budget.carved = target
  budget.cap = target
  return undefined
}

export const capped = (world: World, id: string, target: number | undefined): Expected => {
  const budget = known(world.budgets, id)
  const before = budget.cap
  if (budget.carved === undefined) budget.cap = target
  else if (target === undefined) return refused(400, 'invalid_request', 'escrow_needs_cap')
  else {
    const no = escrowCapped(world, id, target)
    if (no) return no
  }
  const recall = isCut(before, budget.cap) ? { budget: id } : undefined
  return { ...accepted(200, { budget_id: id, ...described(world, id) }), recall }
}

export const toppedUp = (world: World, id: string, by: number): Expected => {
  const { cap } = known(world.budgets, id)
  return cap === undefined ? refused(400, 'invalid_request', 'no_cap') : capped(world, id, cap + by)
}

/** Given back: what was used is used above as well, and no more money is to be had from it. */
export const closed = (world: World, id: string): Expected => {
  const budget = known(world.budgets, id)
  if (!budget.drawnFrom) return refused(400, 'invalid_request', 'not_an_escrow')
  if (budget.carved !== undefined) budget.cap = 0
  budget.carved = undefined
  return {
    ...accepted(200, { delegation_id: id, ...described(world, id) }),
    recall: { budget: id },
  }
}

/** May so much be set aside for a child of this node? */
export const setAsideRefusal = (
  world: World,
  parent: string,
  amount: number,
): Expected | undefined => {
  const above = drawing(world, known(world.nodes, parent))
  const left = tightest(world, above)?.left ?? Number.POSITIVE_INFINITY
  if (left >= amount) return undefined
  const { required, remaining, limited_by } = tooLittle(world, above, amount).body
  const body = { error: 'access_denied', required, remaining, limited_by }
  return { ...accepted(403, body), kept: false }
}

/** Sets it aside, for a node that was just made. */
export const setAside = (world: World, parent: string, id: string, amount: number): void => {
  const drawnFrom = drawing(world, known(world.nodes, parent))
  Object.assign(known(world.budgets, id), { drawnFrom, carved: amount, cap: amount })
}
