/** What a program and a model are told of a refusal. */
import { OAuthError } from '@behalf/protocol'
import { expect, test } from 'vitest'
import { denialKey, toDenial } from '../src/denial.js'

const refuse = (...[code, options]: ConstructorParameters<typeof OAuthError>) => {
  const { content, _meta } = toDenial(new OAuthError(code, options))
  return { text: content[0]?.text, denial: _meta?.[denialKey] }
}

test('a budget of a period says when it starts again', () => {
  const { text, denial } = refuse('budget_exhausted', {
    description: 'The budget is spent.',
    details: {
      required: '0.04',
      remaining: '0',
      limited_by: 'tenant:acme/day',
      renews_at: '2027-01-16T00:00:00.000Z',
    },
  })
  expect(denial).toMatchObject({ remaining: '0', renews_at: '2027-01-16T00:00:00.000Z' })
  expect(text).toContain('It starts again at 2027-01-16T00:00:00.000Z.')
})

test('an hour that is used up says which limit it was, and when to come back', () => {
  const { text, denial } = refuse('rate_limited', {
    description: 'The requests of this hour are used up.',
    reason: 'requests_per_hour',
    headers: { 'Retry-After': '600' },
    details: { limited_by: 'dlg_1', limit: 200, remaining: '0', retry_after: 600 },
  })
  expect(denial).toEqual({
    reason: 'insufficient_authorization',
    remediation: 'unavailable',
    error: 'rate_limited',
    error_detail: 'requests_per_hour',
    limited_by: 'dlg_1',
    limit: 200,
    remaining: '0',
    retry_after: 600,
  })
  expect(text).toContain('Limited by dlg_1. Try again in 600 s.')
})

test('what is not of the expected kind is not shown', () => {
  const details = { limited_by: 7, retry_after: '600', limit: null, secret: 'x' }
  const { denial } = refuse('rate_limited', { details })
  expect(Object.keys(denial ?? {})).toEqual(['reason', 'remediation', 'error', 'error_detail'])
})
