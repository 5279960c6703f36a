import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type DelegationMode,
  type DelegationRule,
  type RuleParty,
  type RuleSelector,
  selectRule,
} from '../src/index.js'
import { isAtMost, isWithin, modes, parties, ruleLists } from './arbitraries.js'

const planner: RuleParty = { client_id: 'ann', agent_type: 'planner' }
const writer: RuleParty = { client_id: 'bob', agent_type: 'writer' }
const typeless: RuleParty = { client_id: 'docs-server' }

let made = 0
const rule = (from: RuleSelector, to: RuleSelector, more: Partial<DelegationRule> = {}) => {
  made += 1
  return { id: `rul_${made}`, from, to, mode: 'both' as const, limits: {}, ...more }
}

const decide = (
  rules: DelegationRule[],
  mode: DelegationMode = 'push',
  from = planner,
  to = writer,
) => selectRule(rules, { from, to, mode })

const client = (client_id: string) => ({ client_id })
const type = (agent_type: string) => ({ agent_type })

describe('a rule', () => {
  test.each<[string, RuleSelector, RuleSelector]>([
    ['both clients', client('ann'), client('bob')],
    ['both types', type('planner'), type('writer')],
    ['a client and a type', client('ann'), type('writer')],
    ['a type and any', type('planner'), '*'],
    ['any and a client', '*', client('bob')],
    ['any and any', '*', '*'],
  ])('that names %s fits', (_, from, to) => {
    const one = rule(from, to)
    expect(decide([one])?.ids).toEqual([one.id])
  })

  test.each<[string, RuleSelector, RuleSelector]>([
    ['another giver', client('cem'), client('bob')],
    ['another taker', client('ann'), client('cem')],
    ['the two the other way round', client('bob'), client('ann')],
    ['the type of the other end', type('writer'), type('planner')],
    ['a type by the id of a client', type('ann'), '*'],
    ['a client by its type', client('planner'), '*'],
    ['a client in another case', client('Ann'), '*'],
  ])('that names %s does not fit', (_, from, to) => {
    expect(decide([rule(from, to)])).toBeUndefined()
  })

  test('by type does not fit a client without one', () => {
    const byType = rule('*', type('writer'))
    expect(decide([byType], 'push', planner, typeless)).toBeUndefined()
    expect(decide([rule('*', '*')], 'push', planner, typeless)).toBeDefined()
  })

  test('is for handing on, for taking, or for both', () => {
    const one = (mode: DelegationRule['mode']) => [rule('*', '*', { mode })]
    expect(decide(one('push'), 'push')).toBeDefined()
    expect(decide(one('push'), 'pull')).toBeUndefined()
    expect(decide(one('pull'), 'push')).toBeUndefined()
    expect(decide(one('pull'), 'pull')).toBeDefined()
    expect(decide(one('both'), 'push')).toBeDefined()
    expect(decide(one('both'), 'pull')).toBeDefined()
  })

  test('is needed: without one the answer is no', () => {
    expect(decide([])).toBeUndefined()
  })
})

describe('of several rules', () => {
  test('the one that names both clients beats a type, and a type beats any', () => {
    const ladder = [
      rule('*', '*'),
      rule(type('planner'), '*'),
      rule(type('planner'), type('writer')),
      rule(client('ann'), type('writer')),
      rule(client('ann'), client('bob')),
    ]
    for (const [index, most] of ladder.entries()) {
      expect(decide(ladder.slice(0, index + 1))?.ids).toEqual([most.id])
    }
  })

  test('the most specific decides alone, even where it allows more or less than the others', () => {
    const wide = rule('*', '*', { scope: ['a', 'b'], limits: { costBudget: 100n } })
    const strict = rule(client('ann'), client('bob'), { scope: ['a'], limits: { costBudget: 1n } })
    expect(decide([wide, strict])).toMatchObject({ scope: ['a'], limits: { costBudget: 1n } })
    const open = rule(client('ann'), client('bob'))
    expect(decide([wide, open])).toEqual({ ids: [open.id], limits: {} })
  })

  test('one for the other direction does not count, however specific', () => {
    const pull = rule(client('ann'), client('bob'), { mode: 'pull' })
    const any = rule('*', '*')
    expect(decide([pull, any], 'push')?.ids).toEqual([any.id])
    expect(decide([pull, any], 'pull')?.ids).toEqual([pull.id])
  })

  test('those that weigh the same allow what all of them allow', () => {
    const one = rule(client('ann'), '*', {
      scope: ['a', 'b'],
      resources: ['https://r1', 'https://r2'],
      limits: { costBudget: 5n, allowedActions: ['docs.*'] },
      expiresInSeconds: 60,
    })
    const other = rule(type('planner'), type('writer'), {
      scope: ['b', 'c'],
      limits: { costBudget: 7n, requestsPerHour: 3, allowedActions: ['docs.read', 'mail.*'] },
      expiresInSeconds: 30,
    })
    const third = rule('*', client('bob'), { resources: ['https://r2'] })
    expect(decide([one, other, third])).toEqual({
      ids: [one.id, other.id, third.id].toSorted(),
      scope: ['b'],
      resources: ['https://r2'],
      limits: { costBudget: 5n, requestsPerHour: 3, allowedActions: ['docs.read'] },
      expiresInSeconds: 30,
    })
  })

  test('those that weigh the same and share nothing allow nothing, which is not everything', () => {
    const decision = decide([
      rule(client('ann'), '*', { scope: ['a'], resources: ['https://r1'] }),
      rule('*', client('bob'), { scope: ['b'], resources: ['https://r2'] }),
    ])
    expect(decision).toMatchObject({ scope: [], resources: [] })
  })
})

/** Written anew, and not as the code has it. */
const weight = (selector: RuleSelector, party: RuleParty): number => {
  if (selector === '*') return 0
  const fits =
    'client_id' in selector
      ? selector.client_id === party.client_id && 2
      : selector.agent_type === party.agent_type && 1
  return fits || Number.NaN
}

const weightOf = ({ from, to }: DelegationRule, hop: { from: RuleParty; to: RuleParty }) =>
  weight(from, hop.from) + weight(to, hop.to)

const runs = { numRuns: 5000 }

describe('the decision, whatever the rules', () => {
  const always = (
    holds: (
      decision: ReturnType<typeof selectRule>,
      rules: DelegationRule[],
      hop: { from: RuleParty; to: RuleParty; mode: DelegationMode },
    ) => unknown,
  ) =>
    fc.assert(
      fc.property(ruleLists, parties, parties, modes, (rules, from, to, mode) => {
        const hop = { from, to, mode }
        return holds(selectRule(rules, hop), rules, hop) !== false
      }),
      runs,
    )

  const rulesOf = (ids: readonly string[], rules: DelegationRule[]) =>
    rules.filter(({ id }) => ids.includes(id))

  test('is at most each of the rules that decided, in every dimension', () => {
    always(
      (decision, rules) =>
        decision &&
        rulesOf(decision.ids, rules).every(
          (one) =>
            isWithin(decision, one) && isAtMost(decision.expiresInSeconds, one.expiresInSeconds),
        ),
    )
  })

  test('names exactly the fitting rules of the greatest weight', () => {
    always((decision, rules, hop) => {
      const fitting = rules.filter(
        (one) =>
          (one.mode === 'both' || one.mode === hop.mode) && !Number.isNaN(weightOf(one, hop)),
      )
      const most = Math.max(...fitting.map((one) => weightOf(one, hop)))
      const expected = fitting.filter((one) => weightOf(one, hop) === most)
      expect(decision?.ids ?? []).toEqual(expected.map(({ id }) => id).toSorted())
    })
  })

  test('does not depend on the order of the rules', () => {
    const normal = (decision: ReturnType<typeof selectRule>) =>
      decision && {
        ...decision,
        scope: decision.scope?.toSorted(),
        resources: decision.resources?.toSorted(),
        limits: {
          ...decision.limits,
          allowedActions: decision.limits.allowedActions?.toSorted(),
        },
      }
    const shuffled = ruleLists.chain((rules) =>
      fc.tuple(
        fc.constant(rules),
        fc.shuffledSubarray(rules, { minLength: rules.length, maxLength: rules.length }),
      ),
    )
    fc.assert(
      fc.property(shuffled, parties, parties, modes, ([rules, other], from, to, mode) => {
        const hop = { from, to, mode }
        expect(normal(selectRule(other, hop))).toEqual(normal(selectRule(rules, hop)))
      }),
      runs,
    )
  })

  test('is not changed by rules that weigh less, or do not fit', () => {
    always((decision, rules, hop) => {
      const deciding = rulesOf(decision?.ids ?? [], rules)
      expect(selectRule(deciding, hop)).toEqual(decision)
    })
  })

  test('leaves the rules as they were', () => {
    always((_, rules, hop) => {
      const before = structuredClone(rules)
      selectRule(rules, hop)
      expect(rules).toEqual(before)
    })
  })
})
