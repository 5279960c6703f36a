/** Takes one step: at the server, in the model, and in the processes that hold leases. */
import { expect } from 'vitest'
import { ask, nodeAt, pick } from './ask.js'
import { atOnce } from './at-once.js'
import { sweep } from './oracle.js'
import { setAside, setAsideRefusal } from './oracle-caps.js'
import { renewsAt, shown, usd } from './requests.js'
import { check, create, deliver, listen, newName, type Run, type Sent, send } from './run.js'
import type { AskStep, Step } from './steps.js'
import { charger, lendFrom, ownToken, prolong } from './tree.js'
import { spend } from './verifiers.js'
import {
  balances,
  drawing,
  fewest,
  isAlive,
  known,
  nextMidnight,
  reach,
  tightest,
} from './world.js'

type StepOf<Do extends Step['do']> = Extract<Step, { do: Do }>

const asking = async (run: Run, step: AskStep): Promise<boolean> => {
  const sent = ask(run, step)
  if (!sent) return false
  if (step.fate === 'late') return true
  const answer = await deliver(run, sent)
  if (step.fate === 'heard') listen(run, sent, answer)
  return true
}

/** A retry, or the first arrival of a request that was long on its way. */
const again = async (run: Run, { which }: StepOf<'again'>): Promise<boolean> => {
  const sent = pick(run.sent, which)
  if (!sent) return false
  listen(run, sent, await deliver(run, sent))
  return true
}

/** A key says one thing: with another body it is a mistake, and nothing happens. */
const sameKey = async (run: Run, { which }: StepOf<'same key'>): Promise<boolean> => {
  const answered = run.sent.filter(({ answer, request }) => answer && request.kind === 'reserve')
  const earlier = pick(answered, which)
  if (earlier?.request.kind !== 'reserve') return false
  const other: Sent = {
    ...earlier,
    request: { ...earlier.request, amount: earlier.request.amount + 1 },
  }
  const { status, body } = await send(run, other)
  expect([status, body.error]).toEqual([409, 'idempotency_conflict'])
  return true
}

const twice = async (run: Run, { ask: step, copies }: StepOf<'twice'>): Promise<boolean> => {
  const sent = ask(run, step)
  if (!sent) return false
  listen(run, sent, await deliver(run, sent, copies))
  return true
}

const manyAtOnce = async (run: Run, { asks }: StepOf<'at once'>): Promise<boolean> => {
  const all = asks.flatMap((one) => ask(run, one) ?? [])
  if (all.length === 0) return false
  await atOnce(run, all)
  return true
}

/** More of the same at once than fit: as many are let in as fit, and no more. */
const burst = async (run: Run, { at, amount }: StepOf<'burst'>): Promise<boolean> => {
  const same = { kind: 'reserve', amount, ttl: 20, onExpiry: 'release' } as const
  const all = Array.from({ length: 8 }, () =>
    create(run, { ...same, as: newName(run), node: nodeAt(run, at) }),
  )
  await atOnce(run, all)
  return true
}

const hasToken = ({ tree, world }: Run, id: string): boolean =>
  (tree.tokens.get(id)?.until ?? 0) > world.now && isAlive(world, known(world.nodes, id))

/** Who lends: the one that was picked while it can, or else the agent itself. */
const lender = async (run: Run, at: number): Promise<string> => {
  const { server, tree, world } = run
  const picked = nodeAt(run, at)
  const isDeep = known(world.nodes, picked).lineage.length > 4
  return !isDeep && hasToken(run, picked) ? picked : ownToken(server, tree)
}

const limits = (cap: number): string => JSON.stringify({ cost_budget_usd: usd(cap) })

/** A child with money of its own, and one that shares it; both may live for longer than tokens do. */
const settingAside = async (run: Run, step: StepOf<'set aside'>): Promise<boolean> => {
  const { server, tree, world } = run
  const parent = await lender(run, step.at)
  const amount = Math.min(step.amount, tree.lent.get(parent) ?? 0)
  const no = setAsideRefusal(world, parent, amount)
  const fields = { budget_mode: 'escrow', agent_limits: limits(amount) }
  const { answer, id } = await lendFrom(server, tree, parent, fields)
  run.count(`set aside ${answer.status}`)
  if (no) expect(answer).toMatchObject({ status: no.status, body: defined(no.body) })
  else expect(answer.status).toBe(200)
  if (id === undefined) return true
  setAside(world, parent, id, amount)
  const below = step.share > 0 ? [await share(run, id, step.share)] : []
  if (step.lasts) for (const one of [id, ...below]) await prolong(server, world, one)
  return true
}

const defined = (body: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined))

const share = async ({ server, tree }: Run, parent: string, cap: number): Promise<string> => {
  const { id } = await lendFrom(server, tree, parent, { agent_limits: limits(cap) })
  if (!id) throw new Error('nothing was lent')
  return id
}

/** `GET /budgets/{id}`: what anybody reads is what the model has summed up. */
const look = async (run: Run, { at }: StepOf<'look'>): Promise<boolean> => {
  const { server, world } = run
  const id = nodeAt(run, at)
  const path = drawing(world, known(world.nodes, id))
  const money = reach(world, path)
  const least = tightest(world, path)
  const requests = fewest(world, path)
  const own = money.findLast((one) => !one.startsWith('day:')) ?? ''
  const { cap } = known(world.budgets, own)
  const { spent, held } = balances(world).get(own) ?? { spent: 0, held: 0 }
  const answer = await server.ledger(charger, `/budgets/${id}`)
  const body = {
    ...{ cap_usd: cap === undefined ? undefined : usd(cap) },
    ...{ spent_usd: usd(spent), held_usd: usd(held) },
    ...{ remaining_usd: least && shown(least.left), limited_by: least?.id },
    renews_at: least && renewsAt(least.id),
    ...{ remaining_requests: requests?.left, requests_limited_by: requests?.id },
  }
  check(answer, { status: 200, body, kept: false }, `look at ${id}`)
  return true
}

const crash = (run: Run, { which }: StepOf<'crash'>): boolean => {
  const verifier = pick(
    run.verifiers.filter(({ state }) => state === 'running' || state === 'asking'),
    which,
  )
  if (verifier) verifier.state = 'crashed'
  return verifier !== undefined
}

const spending = (run: Run, { which, money, requests }: StepOf<'spend'>): boolean => {
  const verifier = pick(
    run.verifiers.filter(({ state }) => state === 'running'),
    which,
  )
  if (verifier) spend(verifier, money, requests, run.world.now)
  return verifier !== undefined
}

export const wait = (run: Run, seconds: number): boolean => {
  run.server.clock.advance(seconds)
  run.world.now = run.server.clock.seconds()
  return true
}

export const sweeping = async (run: Run): Promise<boolean> => {
  await run.server.expireHolds()
  sweep(run.world)
  return true
}

/** @returns whether there was anything to do it to */
export const perform = async (run: Run, step: Step): Promise<boolean> => {
  switch (step.do) {
    case 'spend':
      return spending(run, step)
    case 'crash':
      return crash(run, step)
    case 'again':
      return again(run, step)
    case 'same key':
      return sameKey(run, step)
    case 'twice':
      return twice(run, step)
    case 'at once':
      return manyAtOnce(run, step)
    case 'burst':
      return burst(run, step)
    case 'set aside':
      return settingAside(run, step)
    case 'wait':
      return wait(run, step.seconds)
    case 'midnight':
      return wait(run, Math.max(1, nextMidnight(run.world.now) - run.world.now + step.beyond))
    case 'sweep':
      return sweeping(run)
    case 'look':
      return look(run, step)
    default:
      return asking(run, step)
  }
}
