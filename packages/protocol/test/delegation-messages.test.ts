import { describe, expect, test } from 'vitest'
import { delegationCheckSchema, delegationPageSchema, tokenResponseSchema } from '../src/index.js'

const allowed = {
  allowed: true,
  shape: 'narrow',
  scope: '',
  resources: [],
  agent_limits: {},
  expires_in: 1,
}

describe('the answer of a check', () => {
  test('is a yes with all that would be granted, or a no with its code', () => {
    expect(delegationCheckSchema.parse(allowed)).toEqual(allowed)
    const no = { allowed: false, error: 'access_denied', rule_ids: ['rul_1'], error_hint: 'Ask.' }
    expect(delegationCheckSchema.parse(no)).toEqual(no)
  })

  test.each([
    ['neither', {}],
    ['a yes without limits', { ...allowed, agent_limits: undefined }],
    ['a yes in another type', { ...allowed, allowed: 'true' }],
    ['a no without a code', { allowed: false }],
  ])('is not %s', (_, body) => {
    expect(delegationCheckSchema.safeParse(body).success).toBe(false)
  })
})

test('a listing keeps members that we do not know', () => {
  const one = {
    delegation_id: 'dlg_1',
    lineage: ['dlg_1'],
    subject: 'a',
    actor: 'a',
    scope: '',
    resources: [],
    agent_limits: { limit_of_tomorrow: 1 },
    created_at: '2027-01-15T08:00:00.000Z',
    color: 'red',
  }
  expect(delegationPageSchema.parse({ delegations: [one] })).toEqual({ delegations: [one] })
})

describe('a token response', () => {
  const response = { access_token: 'x', token_type: 'Bearer' }

  test('says limits as they are, and is refused when they are none', () => {
    const agent_limits = { cost_budget_usd: '0.08', limit_of_tomorrow: 1 }
    expect(tokenResponseSchema.parse({ ...response, agent_limits })).toMatchObject({ agent_limits })
    for (const wrong of ['', [1], { cost_budget_usd: {} }, { allowed_actions: 'docs.*' }]) {
      const body = { ...response, agent_limits: wrong }
      expect(tokenResponseSchema.safeParse(body).success).toBe(false)
    }
  })

  test('says what was cut, also where nothing was granted instead, and is good without it', () => {
    const narrowed = { max_delegation_depth: { asked: 3 } }
    expect(tokenResponseSchema.parse({ ...response, narrowed })).toMatchObject({ narrowed })
    for (const wrong of ['much', { scope: 'x' }, { scope: [] }]) {
      const { narrowed: read } = tokenResponseSchema.parse({ ...response, narrowed: wrong })
      expect(read).toBeUndefined()
    }
  })
})
