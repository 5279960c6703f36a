/** Trees of delegations as they grow in a tenant: whatever happens in them, authority only shrinks. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type Actor,
  type AgentLimits,
  type Authority,
  actorChain,
  agentLimitsClaim,
  agentLimitsSchema,
  chainParties,
  checkNextActor,
  type DelegationRule,
  defaultDelegationDepth,
  extendActor,
  hardDelegationDepth,
  isActor,
  isOAuthError,
  maxLineage,
  type NarrowRequest,
  narrow,
  type RuleParty,
  selectRule,
} from '../src/index.js'
import { isAtMost, isWithin } from './arbitraries.js'

/** One edge, and what hangs from it. */
interface Node {
  holder: RuleParty
  subject: string
  act: Actor | undefined
  authority: Authority
  lineage: string[]
  hops: number
}

const stepsPerTree = 500
const trees = 200

const types = ['planner', 'writer', undefined]
const agents: RuleParty[] = Array.from({ length: 14 }, (_, index) => ({
  client_id: `agent-${index}`,
  agent_type: types[index % types.length],
}))

/** Numbers that come out the same for the same seed; one for a tree is enough, so this stays cheap. */
const createDice = (seed: number) => {
  let state = seed | 0
  const below = (bound: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    return (state >>> 8) % bound
  }
  const one = <T>(from: readonly T[]): T => from[below(from.length)] as T
  const maybe = <T>(chance: number, make: () => T): T | undefined =>
    below(chance) === 0 ? make() : undefined
  const some = <T>(from: readonly T[]): T[] => from.filter(() => below(3) > 0)
  return { below, one, maybe, some }
}
type Dice = ReturnType<typeof createDice>

const words = ['a', 'b', 'c', 'd']
const uris = ['https://r1', 'https://r2', 'https://r3']
const patterns = ['*', 'a.*', 'a.b', 'a.b.*', 'a.b.c', 'ab.c', 'd', 'd.*']

const randomLimits = ({ below, maybe, some }: Dice): AgentLimits => ({
  requestsPerHour: maybe(3, () => below(1000)),
  costBudget: maybe(3, () => BigInt(below(1_000_000))),
  maxCostPerAction: maybe(3, () => BigInt(below(1000))),
  allowedActions: maybe(4, () => ['a.b.c', ...some(patterns)]),
  maxDelegationDepth: maybe(8, () => 3 + below(8)),
})

const randomRules = (dice: Dice): DelegationRule[] => {
  const { below, one, maybe, some } = dice
  const selector = () => {
    const { client_id, agent_type = 'planner' } = one(agents)
    return one(['*' as const, '*' as const, { client_id }, { agent_type }])
  }
  return Array.from({ length: 6 }, (_, index) => ({
    id: `rul_${index}`,
    from: selector(),
    to: selector(),
    mode: one(['push', 'pull', 'both', 'both'] as const),
    scope: maybe(3, () => ['a', 'b', ...some(words)]),
    resources: maybe(4, () => ['https://r1', ...some(uris)]),
    limits: randomLimits(dice),
    expiresInSeconds: maybe(3, () => 1 + below(900)),
  }))
}

const randomRoot = (dice: Dice): Node => {
  const holder = dice.one(agents)
  return {
    holder,
    subject: dice.one([holder.client_id, 'usr_alice']),
    act: undefined,
    authority: { scope: words, resources: uris, limits: randomLimits(dice), expiresAt: 900 },
    lineage: ['dlg_0'],
    hops: 0,
  }
}

const randomRequest = (dice: Dice, hop: boolean): NarrowRequest => ({
  scope: dice.maybe(4, () => dice.some(words)),
  resources: dice.maybe(4, () => [dice.one(uris)]),
  limits: dice.maybe(3, () => randomLimits(dice)),
  hop,
  overAsk: dice.one(['refuse', 'trim', 'trim']),
})

/** What an exchange does, without a database: who may, who acts, how much. */
const extend = (parent: Node, to: RuleParty | undefined, rules: DelegationRule[], dice: Dice) => {
  const now = dice.below(900)
  if (parent.lineage.length >= maxLineage) return undefined
  const next = { lineage: [...parent.lineage, `dlg_${dice.below(1e9)}`], subject: parent.subject }
  if (!to) {
    const authority = narrow(parent.authority, randomRequest(dice, false))
    return { ...parent, ...next, authority }
  }
  checkNextActor(parent, to.client_id, hardDelegationDepth)
  const mode = dice.one(['push', 'pull'] as const)
  const rule = selectRule(rules, { from: parent.holder, to, mode })
  if (!rule) return undefined
  const { limits } = parent.authority
  const left = Math.max(0, defaultDelegationDepth - parent.hops)
  const maxDelegationDepth = limits.maxDelegationDepth ?? left
  const authority = narrow(
    { ...parent.authority, limits: { ...limits, maxDelegationDepth } },
    randomRequest(dice, true),
    { ...rule, expiresAt: rule.expiresInSeconds && now + rule.expiresInSeconds },
  )
  expect(isWithin(authority, rule)).toBe(true)
  const act = extendActor({ sub: to.client_id }, parent.act)
  return { ...next, authority, act, holder: to, hops: parent.hops + 1 }
}

const grow = (...step: Parameters<typeof extend>): Node | undefined => {
  try {
    return extend(...step)
  } catch (error) {
    if (isOAuthError(error)) return undefined
    throw error
  }
}

const canBeCarried = (limits: AgentLimits): boolean =>
  agentLimitsSchema.safeParse(JSON.parse(JSON.stringify(agentLimitsClaim(limits)))).success

const checkStep = (parent: Node, child: Node, hop: boolean): void => {
  const grew = hop ? 1 : 0
  const left = child.authority.limits.maxDelegationDepth
  const parties = chainParties(child.subject, child.act)
  const problems = [
    !isWithin(child.authority, parent.authority) && 'more than its parent',
    child.authority.resources.length === 0 && 'no resource',
    child.subject !== parent.subject && 'another subject',
    child.lineage.slice(0, -1).join() !== parent.lineage.join() && 'not below its parent',
    new Set(child.lineage).size !== child.lineage.length && 'a delegation twice',
    child.lineage.length > maxLineage && 'a lineage too long',
    (hop ? child.act?.act : child.act) !== parent.act && 'another chain than its parent',
    actorChain(child.act).length !== parent.hops + grew && 'not one actor for each hop',
    new Set(parties).size !== parties.length && 'an actor twice',
    child.act && child.act.sub !== child.holder.client_id && 'held by another than the actor',
    child.act && !isActor(child.act) && 'an act that nobody reads',
    child.hops > hardDelegationDepth && 'more hops than there may be',
    hop && !isAtMost(left, (parent.authority.limits.maxDelegationDepth ?? 5) - 1) && 'no hop taken',
    !canBeCarried(child.authority.limits) && 'limits that no token can carry',
  ]
  const found = problems.filter((problem) => problem)
  if (found.length > 0) expect({ parent, child, found }).toEqual({ parent, child, found: [] })
}

test('a hundred thousand random steps never give more than there was, nor a chain that is not one', () => {
  const totals = { steps: 0, children: 0, hops: 0, deepest: 0 }
  const tree = (seed: number): void => {
    const dice = createDice(seed)
    const rules = randomRules(dice)
    const nodes = [randomRoot(dice)]
    for (let step = 0; step < stepsPerTree; step += 1) {
      totals.steps += 1
      // Half of the steps go on from a recent one, so that chains become long.
      const recent = nodes.slice(-4)
      const parent = dice.one(dice.below(2) === 0 ? recent : nodes)
      const to = dice.below(3) > 0 ? dice.one(agents) : undefined
      const child = grow(parent, to, rules, dice)
      if (!child) continue
      checkStep(parent, child, to !== undefined)
      totals.children += 1
      if (to) totals.hops += 1
      totals.deepest = Math.max(totals.deepest, child.hops)
      nodes.push(child)
    }
  }
  fc.assert(fc.property(fc.integer(), tree), { numRuns: trees })
  expect(totals.steps).toBeGreaterThanOrEqual(stepsPerTree * trees)
  // They must not all have been refused.
  expect(totals.children).toBeGreaterThan(10_000)
  expect(totals.hops).toBeGreaterThan(3_000)
  expect(totals.deepest).toBeGreaterThanOrEqual(5)
}, 60_000)
