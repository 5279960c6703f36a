import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type Authority,
  agentLimitsClaim,
  agentLimitsSchema,
  coversAction,
  isOAuthError,
  type NarrowRequest,
  type NarrowRule,
  narrow,
} from '../src/index.js'
import {
  actions,
  authorities as authority,
  isAtMost,
  isWithin,
  requests as request,
  narrowRules as rule,
} from './arbitraries.js'
import { refusal } from './refusal.js'

/** The outcome, or nothing when it was refused. Anything but a refusal is a bug. */
const narrowed = (...args: Parameters<typeof narrow>): Authority | undefined => {
  try {
    return narrow(...args)
  } catch (error) {
    if (isOAuthError(error)) return undefined
    throw error
  }
}

/** What was granted to what was asked: scope may have been asked in excess. */
const keepsTo = (child: Authority, { overAsk: _, hop: __, ...asked }: NarrowRequest): boolean =>
  isWithin(child, asked)

const full: Authority = {
  scope: ['a', 'b'],
  resources: ['https://r1', 'https://r2'],
  limits: {},
  expiresAt: 1000,
}
const plain: NarrowRequest = { hop: false, overAsk: 'refuse' }

const runs = { numRuns: 2000 }

describe('narrowing, whatever comes in', () => {
  const always = (holds: (child: Authority, ...args: Parameters<typeof narrow>) => boolean) =>
    fc.assert(
      fc.property(authority, request, rule, (parent, asked, policy) => {
        const child = narrowed(parent, asked, policy)
        return child === undefined || holds(child, parent, asked, policy)
      }),
      runs,
    )

  test('gives at most the parent, in every dimension', () => {
    always((child, parent) => isWithin(child, parent))
  })

  test('gives at most what the rule allows, in every dimension', () => {
    always((child, _parent, _asked, policy = {}) => isWithin(child, policy))
  })

  test('gives at most what was asked, in every dimension', () => {
    always((child, _parent, asked) => keepsTo(child, asked))
  })

  test('takes one hop off the depth when the authority passes on', () => {
    always((child, parent, asked) => {
      const left = parent.limits.maxDelegationDepth
      return !asked.hop || left === undefined || isAtMost(child.limits.maxDelegationDepth, left - 1)
    })
  })

  test('leaves some resource, and names nothing twice', () => {
    always(
      (child) =>
        child.resources.length > 0 &&
        [child.scope, child.resources, child.limits.allowedActions ?? []].every(
          (list) => new Set(list).size === list.length,
        ),
    )
  })

  test('leaves its input as it was', () => {
    fc.assert(
      fc.property(authority, request, rule, (parent, asked, policy) => {
        const before = structuredClone([parent, asked, policy])
        narrowed(parent, asked, policy)
        expect([parent, asked, policy]).toEqual(before)
      }),
    )
  })

  test('gives limits that a token can carry', () => {
    always((child) => {
      const wire = JSON.parse(JSON.stringify(agentLimitsClaim(child.limits)))
      return agentLimitsSchema.safeParse(wire).success
    })
  })
})

describe('narrowing twice', () => {
  test('by the same request and rule changes nothing, as long as nothing is passed on', () => {
    fc.assert(
      fc.property(authority, request, rule, (parent, asked, policy) => {
        const stay: NarrowRequest = { ...asked, hop: false, overAsk: 'trim' }
        const once = narrowed(parent, stay, policy)
        if (once) expect(narrow(once, stay, policy)).toEqual(once)
      }),
      runs,
    )
  })

  test('by two rules allows the same as by either one first', () => {
    const stay: NarrowRequest = { hop: false, overAsk: 'trim' }
    fc.assert(
      fc.property(authority, rule, rule, (parent, one, other) => {
        const first = narrowed(parent, stay, one)
        const second = narrowed(parent, stay, other)
        const there = first && narrowed(first, stay, other)
        const back = second && narrowed(second, stay, one)
        expect(there === undefined).toBe(back === undefined)
        if (there && back) expect(isWithin(there, back) && isWithin(back, there)).toBe(true)
      }),
      runs,
    )
  })

  test('down a chain of any length never gives more than the root', () => {
    fc.assert(
      fc.property(authority, fc.array(fc.tuple(request, rule), { maxLength: 8 }), (root, steps) => {
        let current = root
        for (const [asked, policy] of steps) {
          const next = narrowed(current, asked, policy)
          if (!next) break
          current = next
        }
        return isWithin(current, root)
      }),
      runs,
    )
  })
})

describe('actions that two lists of patterns allow', () => {
  test('are those that both allow, no more and no fewer', () => {
    const name = fc.constantFrom('a', 'a.b', 'a.b.c', 'a.b.c.d', 'a.x', 'ab.c', 'd', 'd.e', 'z')
    const allows = (list: readonly string[], action: string) =>
      list.some((pattern) => coversAction(pattern, action))
    fc.assert(
      fc.property(actions, actions, name, (held, allowed, action) => {
        const parent = { ...full, limits: { allowedActions: held } }
        const child = narrow(parent, plain, { limits: { allowedActions: allowed } })
        expect(allows(child.limits.allowedActions ?? ['*'], action)).toBe(
          allows(held, action) && allows(allowed, action),
        )
      }),
      runs,
    )
  })

  test('are refused when one token could not name them', () => {
    const many = (prefix: string) => Array.from({ length: 99 }, (_, index) => `${prefix}.${index}`)
    const parent = { ...full, limits: { allowedActions: ['a.*', ...many('b')] } }
    const policy = { limits: { allowedActions: ['b.*', ...many('a')] } }
    expect(refusal(() => narrow(parent, plain, policy))).toBe('access_denied too_many_actions')
    const few = { ...plain, limits: { allowedActions: ['a.1', 'b.2'] } }
    expect(narrow(parent, few, policy).limits.allowedActions).toEqual(['a.1', 'b.2'])
  })

  test('are refused when more of them are asked for than the parent covers', () => {
    const parent = { ...full, limits: { allowedActions: ['docs.*'] } }
    const ask = (...allowedActions: string[]) =>
      refusal(() => narrow(parent, { ...plain, limits: { allowedActions } }))
    expect(ask('docs.read')).toBe('was accepted')
    expect(ask('docs.read', 'mail.send')).toBe('access_denied action_not_covered')
    expect(ask('*')).toBe('access_denied action_not_covered')
    expect(ask('docs')).toBe('access_denied action_not_covered')
  })
})

describe('scope', () => {
  const ask = (wanted: string[] | undefined, overAsk: 'refuse' | 'trim', policy?: NarrowRule) =>
    narrow(full, { scope: wanted, hop: false, overAsk }, policy).scope

  test('asked in excess is refused', () => {
    expect(refusal(() => ask(['a', 'x'], 'refuse'))).toBe('invalid_scope scope_not_allowed')
  })

  test('asked in excess is cut where that was agreed, in the order asked', () => {
    expect(ask(['x', 'b', 'a'], 'trim')).toEqual(['b', 'a'])
  })

  test('of which nothing would be left is refused either way', () => {
    expect(refusal(() => ask(['x'], 'trim'))).toBe('invalid_scope scope_not_allowed')
    expect(refusal(() => ask(['x'], 'refuse'))).toBe('invalid_scope scope_not_allowed')
  })

  test('of which the rule leaves nothing is refused, even when none was named', () => {
    const nothing = { scope: ['x'] }
    expect(refusal(() => ask(undefined, 'refuse', nothing))).toBe('invalid_scope scope_not_allowed')
    expect(refusal(() => ask(undefined, 'trim', nothing))).toBe('invalid_scope scope_not_allowed')
  })

  test('may be none where there was none, or where none was asked for', () => {
    expect(narrow({ ...full, scope: [] }, plain).scope).toEqual([])
    expect(ask([], 'refuse')).toEqual([])
  })

  test('not asked for is all that both the parent and the rule have', () => {
    expect(ask(undefined, 'refuse', { scope: ['b', 'x'] })).toEqual(['b'])
  })

  test('is cut by the rule before it is compared', () => {
    expect(refusal(() => ask(['a', 'b'], 'refuse', { scope: ['b'] }))).toBe(
      'invalid_scope scope_not_allowed',
    )
  })
})

describe('resources', () => {
  test.each([
    ['one that the parent lacks', ['https://r3'], undefined],
    ['one with a slash more', ['https://r1/'], undefined],
    ['one in another case', ['https://R1'], undefined],
    ['none', [], undefined],
    ['one that the rule lacks', ['https://r1'], { resources: ['https://r2'] }],
    ['none of which the rule has any', undefined, { resources: ['https://r3'] }],
  ])('are refused when the request names %s', (_, wanted, policy) => {
    expect(refusal(() => narrow(full, { ...plain, resources: wanted }, policy))).toBe(
      'invalid_target resource_not_allowed',
    )
  })

  test('are those asked for, each once', () => {
    const wanted = ['https://r2', 'https://r2']
    expect(narrow(full, { ...plain, resources: wanted }).resources).toEqual(['https://r2'])
  })
})

describe('depth', () => {
  const depth = (left: number | undefined, hop: boolean, policy?: number, asked?: number) =>
    narrow(
      { ...full, limits: { maxDelegationDepth: left } },
      { ...plain, hop, limits: { maxDelegationDepth: asked } },
      { limits: { maxDelegationDepth: policy } },
    ).limits.maxDelegationDepth

  test('shrinks by one with each hop, until there is no next one', () => {
    expect(depth(2, true)).toBe(1)
    expect(depth(1, true)).toBe(0)
    expect(refusal(() => depth(0, true))).toBe('access_denied max_depth')
  })

  test('stays where the same actor narrows its own authority', () => {
    expect(depth(0, false)).toBe(0)
    expect(depth(2, false)).toBe(2)
  })

  test('is the least of the parent, the rule and the request', () => {
    expect(depth(5, true, 3, 9)).toBe(3)
    expect(depth(5, true, 9, 1)).toBe(1)
    expect(depth(5, true, 9, 9)).toBe(4)
    expect(depth(undefined, true, 2)).toBe(2)
    expect(depth(undefined, true)).toBeUndefined()
  })
})

describe('amounts and times', () => {
  test('are the least of the parent, the rule and the request', () => {
    const child = narrow(
      { ...full, limits: { requestsPerHour: 10, costBudget: 7n } },
      { ...plain, limits: { requestsPerHour: 20, costBudget: 9n, maxCostPerAction: 1n } },
      { limits: { requestsPerHour: 15, costBudget: 5n }, expiresAt: 500 },
    )
    expect(child.limits).toEqual({ requestsPerHour: 10, costBudget: 5n, maxCostPerAction: 1n })
    expect(child.expiresAt).toBe(500)
  })

  test('of zero stay zero: nothing is not "no limit"', () => {
    const none = { requestsPerHour: 0, costBudget: 0n, maxCostPerAction: 0n, allowedActions: [] }
    expect(narrow({ ...full, limits: none }, plain).limits).toEqual(none)
    expect(narrow(full, plain, { limits: none }).limits).toEqual(none)
  })
})
