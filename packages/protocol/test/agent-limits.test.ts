import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  agentLimitsClaim,
  agentLimitsSchema,
  allowsAction,
  coversAction,
  isAction,
  maxMicroUsd,
} from '../src/index.js'

const segment = fc.constantFrom('a', 'b', 'ab', 'a-b', 'a_b', 'A')
const action = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('.'))
const pattern = fc.oneof(
  action,
  action.map((prefix) => `${prefix}.*`),
  fc.constant('*'),
)

describe('an action', () => {
  test.each(['docs', 'docs.read', 'a.b.c', 'A-1_b', '__proto__', 'a'.repeat(128)])(
    'may be called %s',
    (name) => {
      expect(isAction(name)).toBe(true)
    },
  )

  test.each([
    ...['', '.', 'a.', '.a', 'a..b', '*', 'docs.*', 'a b', 'a/b', 'é', 'a\n', '\na', 'a\u0000'],
    'a'.repeat(129),
  ])('may not be called %j', (name) => {
    expect(isAction(name)).toBe(false)
  })
})

describe('a pattern', () => {
  test.each([
    ['docs.read', 'docs.read', true],
    ['docs.*', 'docs.read', true],
    ['docs.*', 'docs.read.all', true],
    ['docs.*', 'docs.read.*', true],
    ['docs.*', 'docs.*', true],
    ['*', 'docs', true],
    ['*', '*', true],
    ['docs.*', 'docs', false],
    ['docs.*', 'docs.', false],
    ['docs.*', 'docsread', false],
    ['docs.*', 'docs-internal.read', false],
    ['docs.*', 'Docs.read', false],
    ['docs.*', '*', false],
    ['docs.read', 'docs.read.all', false],
    ['docs.read', 'docs.*', false],
    ['docs.read.*', 'docs.*', false],
    ['docs', 'docs.read', false],
  ])('%s over %s: %s', (wide, narrow, covers) => {
    expect(coversAction(wide, narrow)).toBe(covers)
  })

  test('covers itself', () => {
    fc.assert(fc.property(pattern, (one) => coversAction(one, one)))
  })

  test('covers what is covered by what it covers', () => {
    fc.assert(
      fc.property(pattern, pattern, pattern, (a, b, c) => {
        return !(coversAction(a, b) && coversAction(b, c)) || coversAction(a, c)
      }),
    )
  })

  test('covers a name only by whole segments', () => {
    fc.assert(
      fc.property(action, action, (prefix, name) => {
        const segments = prefix.split('.')
        const isBelow =
          name.split('.').length > segments.length &&
          segments.every((one, index) => name.split('.')[index] === one)
        return coversAction(`${prefix}.*`, name) === isBelow
      }),
    )
  })

  test('never covers more than the pattern that covers it', () => {
    fc.assert(
      fc.property(pattern, pattern, action, (wide, narrow, name) => {
        if (!coversAction(wide, narrow) || !coversAction(narrow, name)) return true
        return coversAction(wide, name)
      }),
    )
  })
})

describe('allowed actions', () => {
  test('absent allow everything, and empty allow nothing', () => {
    expect(allowsAction({}, 'docs.read')).toBe(true)
    expect(allowsAction({ allowedActions: [] }, 'docs.read')).toBe(false)
  })

  test('allow what one of them covers', () => {
    const limits = { allowedActions: ['mail.send', 'docs.*'] }
    expect(allowsAction(limits, 'docs.read')).toBe(true)
    expect(allowsAction(limits, 'mail.send')).toBe(true)
    expect(allowsAction(limits, 'mail.read')).toBe(false)
  })
})

describe('agent_limits', () => {
  const limits = fc.record(
    {
      requestsPerHour: fc.integer({ min: 0, max: 1_000_000_000 }),
      costBudget: fc.bigInt({ min: 0n, max: maxMicroUsd }),
      maxCostPerAction: fc.bigInt({ min: 0n, max: maxMicroUsd }),
      allowedActions: fc.uniqueArray(pattern, { maxLength: 10 }),
      maxDelegationDepth: fc.integer({ min: 0, max: 10 }),
    },
    { requiredKeys: [] },
  )

  test('survive the wire', () => {
    fc.assert(
      fc.property(limits, (before) => {
        const wire = JSON.parse(JSON.stringify(agentLimitsClaim(before)))
        expect(agentLimitsSchema.parse(wire)).toEqual(before)
      }),
    )
  })

  test.each([
    ['a member that we do not know', '{"max_tokens":5}'],
    ['a member in our own spelling', '{"costBudget":5}'],
    ['__proto__', '{"__proto__":{"allowed_actions":["*"]}}'],
    ['null', 'null'],
    ['a list', '[]'],
    ['text', '"none"'],
    ['null for a member', '{"cost_budget_usd":null}'],
    ['negative money', '{"cost_budget_usd":-1}'],
    ['endless money', '{"cost_budget_usd":1e400}'],
    ['seven decimals', '{"cost_budget_usd":"0.0000001"}'],
    ['money with an exponent', '{"max_cost_per_action_usd":"1e3"}'],
    ['half a request', '{"requests_per_hour":0.5}'],
    ['fewer than no requests', '{"requests_per_hour":-1}'],
    ['requests as text', '{"requests_per_hour":"100"}'],
    ['a depth below nothing', '{"max_delegation_depth":-1}'],
    ['a depth above the hard one', '{"max_delegation_depth":11}'],
    ['one action as text', '{"allowed_actions":"docs.*"}'],
    ['a star within an action', '{"allowed_actions":["docs.*.read"]}'],
    ['a star in a segment', '{"allowed_actions":["doc*"]}'],
    ['an empty action', '{"allowed_actions":[""]}'],
    ['an action with an end of line', '{"allowed_actions":["docs.read\\n"]}'],
  ])('are refused with %s', (_, json) => {
    expect(agentLimitsSchema.safeParse(JSON.parse(json)).success).toBe(false)
  })

  test('name 100 actions at most, each once', () => {
    const names = (count: number) => Array.from({ length: count }, (_, index) => `a${index}`)
    const parse = (allowed_actions: string[]) => agentLimitsSchema.safeParse({ allowed_actions })
    expect(parse(names(100)).success).toBe(true)
    expect(parse(names(101)).success).toBe(false)
    expect(parse(['a', 'a']).data).toEqual({ allowedActions: ['a'] })
  })

  test('that are empty limit nothing', () => {
    expect(agentLimitsSchema.parse({})).toEqual({})
  })
})
