import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type AgentLimits,
  type Authority,
  agentLimitsClaim,
  isOAuthError,
  type NarrowRequest,
  narrow,
  narrowingReport,
} from '../src/index.js'
import { authorities, requests } from './arbitraries.js'

const authority = (limits: AgentLimits, scope = ['a', 'b']): Authority => ({
  scope,
  resources: ['https://r1'],
  limits,
  expiresAt: 1000,
})

describe('the report', () => {
  test('is absent when nothing was asked for', () => {
    expect(narrowingReport({}, authority({ costBudget: 1n, maxDelegationDepth: 0 }))).toBe(
      undefined,
    )
  })

  test('is absent when all that was asked for was granted', () => {
    const asked = { scope: ['b'], limits: { costBudget: 5n, requestsPerHour: 1 } }
    expect(narrowingReport(asked, authority(asked.limits))).toBe(undefined)
  })

  test('says by its wire name what was asked and what came of it, and only what was cut', () => {
    const asked = {
      scope: ['b', 'c'],
      limits: { costBudget: 9_000_000n, requestsPerHour: 5, maxDelegationDepth: 9 },
    }
    const granted = authority({
      costBudget: 80_000n,
      requestsPerHour: 5,
      maxDelegationDepth: 0,
      maxCostPerAction: 1n,
    })
    expect(narrowingReport(asked, granted)).toEqual({
      scope: { asked: 'b c', granted: 'a b' },
      cost_budget_usd: { asked: 9, granted: 0.08 },
      max_delegation_depth: { asked: 9, granted: 0 },
    })
  })

  test('says nothing of actions: those that are not covered are refused, not cut', () => {
    const asked = { limits: { allowedActions: ['docs.read'] } }
    expect(narrowingReport(asked, authority({ allowedActions: ['docs.*'] }))).toBe(undefined)
  })

  test('does not mind another order or a word twice', () => {
    expect(narrowingReport({ scope: ['b', 'a', 'b'] }, authority({}))).toBe(undefined)
  })
})

const granted = (parent: Authority, request: NarrowRequest): Authority | undefined => {
  try {
    return narrow(parent, request)
  } catch (error) {
    if (isOAuthError(error)) return undefined
    throw error
  }
}

describe('whatever is asked', () => {
  const always = (holds: (request: NarrowRequest, child: Authority) => void) =>
    fc.assert(
      fc.property(authorities, requests, (parent, request) => {
        const child = granted(parent, request)
        if (child) holds(request, child)
      }),
      { numRuns: 3000 },
    )

  test('each line shows a difference, with what the token will say', () => {
    always((request, child) => {
      const claim: Record<string, unknown> = { ...agentLimitsClaim(child.limits) }
      for (const [name, line] of Object.entries(narrowingReport(request, child) ?? {})) {
        expect(line.asked).not.toEqual(line.granted)
        if (name !== 'scope') expect(line.granted).toEqual(claim[name])
      }
    })
  })

  test('without a report, whoever asked has all of it', () => {
    always((request, child) => {
      if (narrowingReport(request, child)) return
      const { allowedActions: _, ...asked } = request.limits ?? {}
      expect(child.scope).toEqual(expect.arrayContaining([...(request.scope ?? [])]))
      expect(agentLimitsClaim(child.limits)).toMatchObject(agentLimitsClaim(asked))
    })
  })
})
