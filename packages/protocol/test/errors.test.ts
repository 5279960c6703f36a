import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  errorDocs,
  isOAuthError,
  isOAuthErrorCode,
  OAuthError,
  oauthErrorFromBody,
} from '../src/index.js'

const full = new OAuthError('insufficient_budget', {
  description: 'The budget does not cover this.',
  reason: 'budget_too_small',
  hint: 'Ask for more.',
  headers: { 'retry-after': '5' },
  details: { required: '0.5', remaining: '0.1' },
  cause: new Error('select secret from clients'),
})

describe('an OAuthError', () => {
  test('carries the status of its code, unless told otherwise', () => {
    expect(new OAuthError('invalid_request').status).toBe(400)
    expect(new OAuthError('invalid_client').status).toBe(401)
    expect(new OAuthError('budget_exhausted').status).toBe(402)
    expect(new OAuthError('access_denied').status).toBe(403)
    expect(new OAuthError('rate_limited').status).toBe(429)
    expect(new OAuthError('server_error').status).toBe(500)
    expect(new OAuthError('budget_exhausted', { status: 429 }).status).toBe(429)
  })

  test('is written for the wire as its code and what helps the caller', () => {
    expect(JSON.parse(JSON.stringify(full))).toEqual({
      error: 'insufficient_budget',
      error_description: 'The budget does not cover this.',
      error_detail: 'budget_too_small',
      error_hint: 'Ask for more.',
      required: '0.5',
      remaining: '0.1',
      error_uri: `${errorDocs}#insufficient_budget`,
    })
  })

  test('keeps its cause, its headers and its stack to itself', () => {
    expect(full.cause).toBeInstanceOf(Error)
    const wire = JSON.stringify(full)
    for (const secret of ['secret', 'cause', 'stack', 'retry-after', 'headers']) {
      expect(wire).not.toContain(secret)
    }
    expect(full.message).not.toContain('secret')
  })

  test('leaves out what it was not told', () => {
    expect(Object.keys(new OAuthError('access_denied').toJSON())).toEqual(['error', 'error_uri'])
    expect('cause' in new OAuthError('access_denied')).toBe(false)
  })

  test('is known by its name and code, not by its class', () => {
    const copy = Object.assign(new Error('from another copy'), {
      name: 'OAuthError',
      code: 'access_denied',
    })
    expect(isOAuthError(full)).toBe(true)
    expect(isOAuthError(copy)).toBe(true)
    for (const other of [new Error('x'), { ...copy }, 'access_denied', null, undefined]) {
      expect(isOAuthError(other)).toBe(false)
    }
    expect(isOAuthError(Object.assign(new Error(), { name: 'OAuthError', code: 'x' }))).toBe(false)
  })

  test.each([
    '',
    'toString',
    '__proto__',
    'constructor',
    'Invalid_Request',
    1,
    null,
    ['access_denied'],
  ])('has no code %j', (code) => {
    expect(isOAuthErrorCode(code)).toBe(false)
  })
})

describe('a refusal that is read from a body', () => {
  test('is the one that was written', () => {
    const wire = JSON.parse(JSON.stringify(full))
    const error = oauthErrorFromBody(full.status, wire)
    expect(error.toJSON()).toEqual(wire)
    expect(error).toMatchObject({ code: full.code, status: full.status, details: full.details })
  })

  test('of a code that we do not know is a server_error that keeps the status', () => {
    const body = { error: 'teapot', error_description: 'Short and stout.' }
    const error = oauthErrorFromBody(418, body)
    expect(error).toMatchObject({
      code: 'server_error',
      status: 418,
      description: 'Short and stout.',
      reason: 'unexpected_response',
    })
  })

  test.each([undefined, null, '<html>', 7, [], ['access_denied'], {}, { error: null }])(
    'is a server_error when the body is %j',
    (body) => {
      expect(oauthErrorFromBody(502, body)).toMatchObject({ code: 'server_error', status: 502 })
    },
  )

  test('takes text from the body and nothing else', () => {
    const body = { error: 'access_denied', error_description: { toString: 1 }, error_hint: [] }
    const error = oauthErrorFromBody(403, body)
    expect(error).toMatchObject({ description: 'The server answered 403.', hint: undefined })
  })

  test('does not let a body reach a prototype', () => {
    const body = JSON.parse('{"error":"access_denied","__proto__":{"polluted":true}}')
    expect(oauthErrorFromBody(403, body).details).toEqual({})
    expect(Object.hasOwn(oauthErrorFromBody(403, body).toJSON(), '__proto__')).toBe(false)
  })

  test('never throws, whatever the body', () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 599 }), fc.anything(), (status, body) => {
        return isOAuthError(oauthErrorFromBody(status, body))
      }),
    )
  })
})
