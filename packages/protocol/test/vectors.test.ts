import { describe, expect, test } from 'vitest'
import {
  type Actor,
  type AgentLimitsClaim,
  type Authority,
  agentLimitsClaim,
  agentLimitsSchema,
  checkNextActor,
  extendActor,
  isOAuthError,
  narrow,
} from '../src/index.js'
import file from '../vectors/narrowing.json' with { type: 'json' }

/** The file is for any language: this test reads it as a stranger would. */
interface WireAuthority {
  scope?: string
  resources?: string[]
  limits?: AgentLimitsClaim
  expires_at?: number
}

interface Outcome<Result> {
  name: string
  result?: Result
  error?: { code: string; reason: string }
}

interface NarrowCase extends Outcome<WireAuthority> {
  parent: Required<WireAuthority>
  request: WireAuthority & { hop: boolean; over_ask: 'refuse' | 'trim' }
  rule?: WireAuthority
}

interface ChainCase extends Outcome<Actor> {
  subject: string
  act?: Actor
  next: string
  max_depth: number
}

const vectors = file as unknown as { narrow: NarrowCase[]; chain: ChainCase[] }

const words = (scope: string): string[] => (scope === '' ? [] : scope.split(' '))

const parse = ({ scope, resources, limits, expires_at }: WireAuthority): Partial<Authority> => ({
  ...(scope !== undefined && { scope: words(scope) }),
  ...(resources && { resources }),
  ...(limits && { limits: agentLimitsSchema.parse(limits) }),
  ...(expires_at !== undefined && { expiresAt: expires_at }),
})

const amounts = ['cost_budget_usd', 'max_cost_per_action_usd']

/** Amounts as text: the file writes them so, a claim writes a number where a double will do. */
const toWire = (authority: Authority): WireAuthority => ({
  scope: authority.scope.join(' '),
  resources: [...authority.resources],
  limits: Object.fromEntries(
    Object.entries(agentLimitsClaim(authority.limits)).map(([name, value]) => [
      name,
      amounts.includes(name) ? String(value) : value,
    ]),
  ),
  expires_at: authority.expiresAt,
})

const outcomeOf = <Result>(run: () => Result): Omit<Outcome<Result>, 'name'> => {
  try {
    return { result: run() }
  } catch (error) {
    if (!isOAuthError(error)) throw error
    return { error: { code: error.code, reason: error.reason ?? '' } }
  }
}

const expected = <Result>({ result, error }: Outcome<Result>) => (error ? { error } : { result })

describe('narrowing vectors', () => {
  test.each(vectors.narrow)('$name', (one) => {
    const { hop, over_ask: overAsk } = one.request
    const parent = parse(one.parent) as Authority
    const request = { ...parse(one.request), hop, overAsk }
    const narrowed = () => toWire(narrow(parent, request, one.rule && parse(one.rule)))
    expect(outcomeOf(narrowed)).toEqual(expected(one))
  })
})

describe('chain vectors', () => {
  test.each(vectors.chain)('$name', (one) => {
    const join = () => {
      checkNextActor({ subject: one.subject, act: one.act }, one.next, one.max_depth)
      return extendActor({ sub: one.next }, one.act)
    }
    expect(outcomeOf(join)).toEqual(expected(one))
  })
})

test('there are enough of them, and no two have the same name', () => {
  const names = [...vectors.narrow, ...vectors.chain].map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
  expect(names.length).toBeGreaterThanOrEqual(60)
})
