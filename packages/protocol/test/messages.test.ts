import { describe, expect, test } from 'vitest'
import {
  agentBudgetHeader,
  isRevocationFeed,
  reservationRequestSchema,
  settleRequestSchema,
} from '../src/index.js'

const request = { delegation_id: 'dlg_1', amount_usd: '0.04', action: 'docs.read' }
const isAccepted = (changes: Record<string, unknown>) =>
  reservationRequestSchema.safeParse({ ...request, ...changes }).success

describe('a request to reserve', () => {
  test('charges after a minute unless it says otherwise', () => {
    expect(reservationRequestSchema.parse(request)).toEqual({
      ...request,
      amount_usd: 40_000n,
      ttl_seconds: 60,
      on_expiry: 'charge',
    })
  })

  test.each([
    ['both a token and a delegation', { token: 'a.b.c' }],
    ['neither', { delegation_id: undefined }],
    ['an id of another kind', { delegation_id: 'usr_alice' }],
    ['a number for an amount', { amount_usd: 0.04 }],
    ['nothing', { amount_usd: '0' }],
    ['less than nothing', { amount_usd: '-1' }],
    ['seven decimals', { amount_usd: '0.0000001' }],
    ['an exponent', { amount_usd: '1e3' }],
    ['no action', { action: '' }],
    ['a line break in the action', { action: 'a\nb' }],
    ['no time', { ttl_seconds: 0 }],
    ['more than an hour', { ttl_seconds: 3601 }],
    ['an end that we do not know', { on_expiry: 'keep' }],
    ['a member that we do not know', { amount: '1' }],
  ])('is refused with %s', (_, changes) => {
    expect(isAccepted(changes)).toBe(false)
  })
})

describe('a request to settle', () => {
  test('may be for nothing, and not for less', () => {
    expect(settleRequestSchema.parse({ amount_usd: '0' })).toEqual({ amount_usd: 0n })
    for (const amount_usd of ['-0.01', '', 1, null, '1e2']) {
      expect(settleRequestSchema.safeParse({ amount_usd }).success).toBe(false)
    }
  })
})

describe('the revocation feed', () => {
  test('says for how long it may be believed', () => {
    const feed = { iss: 'https://a', iat: 1, cursor: '1', ttl: 10, revoked: [], full: true }
    expect(isRevocationFeed(feed)).toBe(true)
    for (const ttl of [0, -1, 1.5, Number.POSITIVE_INFINITY, '10', undefined]) {
      expect(isRevocationFeed({ ...feed, ttl })).toBe(false)
    }
  })
})

describe('the Agent-Budget header', () => {
  test('counts whole micro-USD, and is silent about what has no cap', () => {
    expect(agentBudgetHeader(12_700n, 2_337_300n)).toBe(
      'cost=12700; remaining=2337300; unit="USD"; decimals=6',
    )
    expect(agentBudgetHeader(0n, undefined)).toBe('cost=0; unit="USD"; decimals=6')
  })
})
