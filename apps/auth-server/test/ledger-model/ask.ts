/** From a step to a request: picks what it is about, and lets the holder of a lease prepare. */
import type { Request, RequestOf } from './requests.js'
import { create, newName, type Run, type Sent } from './run.js'
import type { AskStep, CapTo, Using } from './steps.js'
import { createVerifier, lower, overspend, report, spend, type Verifier } from './verifiers.js'
import { balances, known, usedOf } from './world.js'

/** The newest is 0. */
export const pick = <T>(list: readonly T[], which: number): T | undefined =>
  list[list.length - 1 - (which % list.length)]

/** Up to 5 from the oldest on, then from the newest on. */
const someOf = <T>(list: readonly T[], at: number): T | undefined =>
  at < 6 ? list[at % list.length] : pick(list, at - 6)

export const nodeAt = ({ tree }: Run, at: number): string => someOf(tree.nodes, at) ?? ''

type StepOf<Do extends AskStep['do']> = Extract<AskStep, { do: Do }>

const reserve = (run: Run, step: StepOf<'reserve'>): Sent => {
  const { at, amount, ttl, onExpiry } = step
  const node = nodeAt(run, at)
  return create(run, { kind: 'reserve', as: newName(run), node, amount, ttl, onExpiry })
}

/** Mostly one that has not ended for good. */
const end = (run: Run, { which, actual }: StepOf<'end'>): Sent | undefined => {
  const { holds } = run.world
  const names = Object.keys(holds).filter((name) => run.heard.has(name))
  const ends = names.filter((name) => /reserved|charged/.test(known(holds, name).state))
  const hold = pick(which < 8 && ends.length > 0 ? ends : names, which)
  return hold === undefined ? undefined : create(run, { kind: 'end', hold, actual })
}

const open = (run: Run, step: StepOf<'open'>): Sent => {
  const { at, want, need, wantRequests, ttl } = step
  const as = newName(run)
  const holder = step.holder === undefined ? undefined : `process-${step.holder}`
  const verifier = createVerifier(as, holder)
  run.verifiers.push(verifier)
  // One of the two must be asked for.
  const wants = { want: want ?? (wantRequests === undefined ? 10 : undefined), need, wantRequests }
  const request: Request = { kind: 'open', as, node: nodeAt(run, at), holder, ...wants, ttl }
  const about = { seq: 0, money: 0, requests: 0, sentAt: run.world.now }
  return create(run, request, verifier, about)
}

const holders = (run: Run, states: readonly Verifier['state'][]): Verifier[] =>
  run.verifiers.filter(({ state, lease }) => states.includes(state) && run.heard.has(lease))

const use = (run: Run, verifier: Verifier, { money, requests }: Using, over: number): void => {
  spend(verifier, money, requests, run.world.now)
  if (over > 0) overspend(verifier, over, over)
}

/** What it wants to hold beyond what it reports: what it has not reported yet must stay covered. */
const renew = (run: Run, step: StepOf<'renew'>): Sent | undefined => {
  const verifier = pick(holders(run, ['running']), step.which)
  if (!verifier) return undefined
  use(run, verifier, step, step.over)
  const { now } = run.world
  const { body, about } = report(verifier, step.tell, now)
  const { reached, lease } = verifier
  const total = step.want === undefined ? undefined : reached.money + step.want
  const requests =
    step.wantRequests === undefined ? undefined : reached.requests + step.wantRequests
  lower(verifier, total, requests, now + step.ttl)
  const request: RequestOf<'renew'> = {
    kind: 'renew',
    lease,
    ...body,
    want: total === undefined ? undefined : total - about.money,
    need: step.need,
    wantRequests: requests === undefined ? undefined : requests - about.requests,
    ttl: step.ttl,
  }
  return create(run, request, verifier, about)
}

/** Its last word, also of a lease that has long expired: after that it lets nothing through. */
const close = (run: Run, step: StepOf<'close'>): Sent | undefined => {
  const running = holders(run, ['running'])
  const all = holders(run, ['running', 'over'])
  const verifier = pick(step.which < 5 && running.length > 0 ? running : all, step.which)
  if (!verifier) return undefined
  use(run, verifier, step, step.over)
  verifier.state = 'over'
  const { body, about } = report(verifier, 'all', run.world.now)
  return create(run, { kind: 'close', lease: verifier.lease, ...body }, verifier, about)
}

/** A report that comes after a later one, under a key of its own. */
const stale = (run: Run, step: StepOf<'stale'>): Sent | undefined => {
  const leases = Object.entries(run.world.leases).filter(([, { seq }]) => seq > 0)
  const [lease, fact] = pick(leases, step.which) ?? []
  if (lease === undefined || !fact) return undefined
  const seq = 1 + (step.seq % fact.seq)
  const said = { lease, seq, spent: step.money, requests: step.money }
  if (step.close) return create(run, { kind: 'close', ...said })
  const wants = { want: step.money, need: undefined, wantRequests: step.money, ttl: 300 }
  return create(run, { kind: 'renew', ...said, ...wants })
}

/** The tenant's, the agent's, and those of delegations. */
const budgetAt = ({ world }: Run, which: number): string => {
  const ids = Object.keys(world.budgets).filter((id) => !id.startsWith('day:'))
  return someOf(ids, which) ?? ''
}

const target = ({ world }: Run, id: string, to: CapTo): number | undefined => {
  if (to === 'none') return undefined
  if ('percentOfUsed' in to) {
    return Math.floor((usedOf(balances(world), id) * to.percentOfUsed) / 100)
  }
  return Math.floor(((known(world.budgets, id).cap ?? 100) * to.percentOfCap) / 100)
}

const cap = (run: Run, { which, to }: StepOf<'cap'>): Sent => {
  const budget = budgetAt(run, which)
  return create(run, { kind: 'cap', budget, cap: target(run, budget, to) })
}

const giveBack = (run: Run, { which }: StepOf<'give back'>): Sent => {
  const { tree, world } = run
  // Now and then one that has nothing set aside.
  const escrows = tree.nodes.filter((id) => world.budgets[id]?.drawnFrom)
  const node = pick([...tree.nodes.slice(1, 2), ...escrows], which) ?? ''
  return create(run, { kind: 'giveBack', node })
}

const revoke = (run: Run, { at }: StepOf<'revoke'>): Sent => {
  // Not the root: nothing would be left of the run.
  const [, ...nodes] = run.tree.nodes
  return create(run, { kind: 'revoke', node: nodes[at % nodes.length] ?? '' })
}

/** @returns `undefined` when there is nothing yet that it could be about */
export const ask = (run: Run, step: AskStep): Sent | undefined => {
  switch (step.do) {
    case 'reserve':
      return reserve(run, step)
    case 'end':
      return end(run, step)
    case 'open':
      return open(run, step)
    case 'renew':
      return renew(run, step)
    case 'close':
      return close(run, step)
    case 'stale':
      return stale(run, step)
    case 'cap':
      return cap(run, step)
    case 'top up':
      return create(run, { kind: 'topUp', budget: budgetAt(run, step.which), by: step.by })
    case 'give back':
      return giveBack(run, step)
    case 'revoke':
      return revoke(run, step)
  }
}
