import { describe, expect, test, vi } from 'vitest'
import {
  BudgetError,
  isBudgetError,
  isOAuthError,
  isRateLimitError,
  limitErrorFromBody,
  limitErrorOf,
  RateLimitError,
} from '../src/index.js'
import { json } from './stub.js'

const nowMs = Date.parse('2027-01-15T08:00:00Z')
const now = () => nowMs
const jsonType = { 'content-type': 'application/problem+json' }

const exhausted = {
  type: 'https://example.org/docs#budget_exhausted',
  title: 'The budget is spent',
  status: 402,
  error: 'budget_exhausted',
  error_detail: 'budget_exhausted',
  required: '0.04',
  remaining: '0.01',
  limited_by: 'day:2027-01-15:agent:orchestrator',
  renews_at: '2027-01-16T00:00:00.000Z',
}
const limited = {
  error: 'rate_limited',
  error_detail: 'requests_per_hour',
  limited_by: 'tenant:acme',
  limit: 100,
  remaining: '0',
  retry_after: 90,
}

const problem = (body: unknown, status = 402, headers: Record<string, string> = {}) =>
  json(body, status, { ...jsonType, ...headers })

const errorOf = (response: Response) => limitErrorOf(response, { now })

const budgetErrorOf = async (body: unknown, status?: number, headers?: Record<string, string>) => {
  const error = await errorOf(problem(body, status, headers))
  if (isBudgetError(error)) return error
  throw new Error('It is no budget error.')
}

const rateErrorOf = async (body: unknown, headers?: Record<string, string>) => {
  const error = await errorOf(problem(body, 429, headers))
  if (isRateLimitError(error)) return error
  throw new Error('It is no rate limit error.')
}

describe('limitErrorOf for money', () => {
  test('says what is needed, what is left, who limits it and when it starts again', async () => {
    const error = await budgetErrorOf(exhausted)
    expect(error).toBeInstanceOf(BudgetError)
    expect(isOAuthError(error)).toBe(true)
    expect(error).toMatchObject({
      code: 'budget_exhausted',
      reason: 'budget_exhausted',
      status: 402,
      required: '0.04',
      remaining: '0.01',
      limitedBy: 'day:2027-01-15:agent:orchestrator',
      renewsAt: new Date('2027-01-16T00:00:00Z'),
      retryAfterSeconds: undefined,
      retryAt: undefined,
      docs: expect.stringContaining('#budget_exhausted'),
    })
    expect(error.message).toBe(
      'budget_exhausted: This needs 0.04 USD, and 0.01 USD are left. ' +
        'day:2027-01-15:agent:orchestrator limits it.',
    )
    expect(error.hint).toContain('2027-01-16T00:00:00Z')
  })

  test('keeps the wire’s members for a log', async () => {
    const error = await budgetErrorOf(exhausted, 402, { 'retry-after': '5' })
    expect(error.toJSON()).toMatchObject({
      error: 'budget_exhausted',
      required: '0.04',
      remaining: '0.01',
      limited_by: exhausted.limited_by,
      renews_at: exhausted.renews_at,
      retry_after: 5,
    })
    expect((await budgetErrorOf({ error: 'budget_exhausted' })).details).toStrictEqual({})
  })

  test('is one with 429 too, for servers that are set so, and has its Retry-After', async () => {
    const body = { ...exhausted, error: 'insufficient_budget' }
    const error = await budgetErrorOf(body, 429, { 'retry-after': '30' })
    expect(error).toMatchObject({
      code: 'insufficient_budget',
      status: 429,
      retryAfterSeconds: 30,
      retryAt: new Date(nowMs + 30_000),
    })
  })

  test.each([
    [{ error: 'budget_exhausted' }, 'The budget is spent.', 'another token does not help'],
    [{ error: 'insufficient_budget' }, 'The budget does not cover this.', 'costs less'],
  ])('says what it can of %j', async (body, description, hint) => {
    const error = await budgetErrorOf(body)
    expect(error.description).toBe(description)
    expect(error.hint).toContain(hint)
  })

  test.each([
    ['required', 0.04],
    ['required', '-1'],
    ['remaining', '1e3'],
    ['remaining', 'nothing'],
    ['limited_by', 'dlg_1 or so'],
    ['limited_by', `agent:${'x'.repeat(201)}`],
    ['limited_by', 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln'],
    ['limited_by', ['tenant:acme']],
    ['renews_at', 'soon'],
    ['renews_at', '2027-01-16T00:00:00'],
    ['error_detail', 'Bearer eyJhbGciOiJFUzI1NiJ9'],
    ['error_detail', 42],
  ])('leaves out %s where it is %j', async (name, value) => {
    const error = await budgetErrorOf({ ...exhausted, [name]: value })
    const members: Record<string, unknown> = {
      required: error.required,
      remaining: error.remaining,
      limited_by: error.limitedBy,
      renews_at: error.renewsAt,
      error_detail: error.reason,
    }
    expect(members[name]).toBeUndefined()
    expect(Object.values(members).filter(Boolean)).toHaveLength(4)
    expect(JSON.stringify(error)).not.toContain(JSON.stringify(value))
  })

  test.each([
    'dlg_a-B_1',
    'tenant:acme',
    'agent:a/b:c',
    'week:2027-01-11:tenant:acme',
    'month:2027-01-01:agent:x',
    'day:2027-01-15:dlg_1',
    'max_cost_per_action_usd',
  ])('names %s as what limits', async (name) => {
    expect((await budgetErrorOf({ ...exhausted, limited_by: name })).limitedBy).toBe(name)
  })

  test('repeats no free text of the resource', async () => {
    const error = await budgetErrorOf({
      ...exhausted,
      title: 'secret one',
      detail: 'secret two',
      error_description: 'secret three',
      error_hint: 'secret four',
      secret: 'five',
    })
    expect(`${error.stack} ${error.hint} ${JSON.stringify(error)}`).not.toContain('secret')
  })
})

describe('limitErrorOf for requests', () => {
  test('says who limits them, how many there are, and how long to wait', async () => {
    const error = await rateErrorOf(limited)
    expect(error).toBeInstanceOf(RateLimitError)
    expect(isOAuthError(error)).toBe(true)
    expect(error).toMatchObject({
      code: 'rate_limited',
      reason: 'requests_per_hour',
      status: 429,
      limitedBy: 'tenant:acme',
      limit: 100,
      remainingRequests: 0,
      retryAfterSeconds: 90,
      retryAt: new Date(nowMs + 90_000),
      message: 'rate_limited: Too many requests. tenant:acme limits it.',
      hint: 'Wait until 2027-01-15T08:01:30Z, then try again.',
    })
    expect(error.details).toEqual({
      limited_by: 'tenant:acme',
      limit: 100,
      remaining: '0',
      retry_after: 90,
    })
  })

  test('is one with 402 too, for servers that are set so', async () => {
    const error = await errorOf(problem(limited, 402))
    expect(error).toMatchObject({ code: 'rate_limited', status: 402 })
    expect(isRateLimitError(error)).toBe(true)
    expect(isBudgetError(error)).toBe(false)
  })

  test('is one with every 429, whoever sends it', async () => {
    const foreign = new Response('<html>slow down</html>', { status: 429 })
    const error = await errorOf(foreign)
    expect(error).toMatchObject({
      code: 'rate_limited',
      reason: undefined,
      retryAt: undefined,
      hint: 'Wait before trying again, and longer each time.',
    })
  })

  const ratelimit = {
    ratelimit: '"burst";r=0;t=7, "requests_per_hour";r=0;t=60, "day";r=5;t=9000',
    'ratelimit-policy': '"burst";q=10;w=10, "requests_per_hour";q=200;w=3600',
  }

  test('believes the body first, then Retry-After, then RateLimit', async () => {
    const headers = { 'retry-after': '30', ...ratelimit }
    expect((await rateErrorOf(limited, headers)).retryAfterSeconds).toBe(90)
    expect((await rateErrorOf({ ...limited, retry_after: -1 }, headers)).retryAfterSeconds).toBe(30)
    expect((await rateErrorOf({}, headers)).retryAfterSeconds).toBe(30)
    expect((await rateErrorOf({}, ratelimit)).retryAfterSeconds).toBe(60)
  })

  test('takes the count from the body first, then from RateLimit', async () => {
    expect(await rateErrorOf(limited, ratelimit)).toMatchObject({ limit: 100 })
    expect(await rateErrorOf({}, ratelimit)).toMatchObject({ limit: 200, remainingRequests: 0 })
    expect(await rateErrorOf({ ...limited, remaining: '3' }, ratelimit)).toMatchObject({
      remainingRequests: 3,
    })
    expect((await rateErrorOf({})).remainingRequests).toBeUndefined()
  })

  test.each([
    ['Fri, 15 Jan 2027 08:00:20 GMT', 20],
    ['Friday, 15-Jan-27 08:00:20 GMT', 20],
    ['Fri Jan 15 08:00:20 2027', 20],
    ['Fri, 15 Jan 2027 07:00:00 GMT', 0],
    ['0', 0],
    ['120', 120],
    ['-5', undefined],
    ['1.5', undefined],
    ['99999999999', undefined],
    ['soon', undefined],
    ['Fri, 99 Jan 2027 08:00:20 GMT', undefined],
    ['2027-01-15T08:00:20Z', undefined],
    ['', undefined],
  ])('reads Retry-After: %s as %s seconds', async (text, seconds) => {
    const error = await rateErrorOf({}, { 'retry-after': text })
    expect(error.retryAfterSeconds).toBe(seconds)
    expect(error.retryAt).toEqual(
      seconds === undefined ? undefined : new Date(nowMs + seconds * 1000),
    )
  })

  test('takes the date of C for UTC, wherever this machine is', async () => {
    vi.stubEnv('TZ', 'America/New_York')
    try {
      const error = await rateErrorOf({}, { 'retry-after': 'Fri Jan 15 08:00:20 2027' })
      expect(error.retryAfterSeconds).toBe(20)
    } finally {
      vi.unstubAllEnvs()
    }
  })

  test('measures a date from the clock of the server that wrote it', async () => {
    const headers = {
      date: 'Fri, 15 Jan 2027 09:00:00 GMT',
      'retry-after': 'Fri, 15 Jan 2027 09:00:30 GMT',
    }
    const error = await rateErrorOf({}, headers)
    expect(error).toMatchObject({ retryAfterSeconds: 30, retryAt: new Date(nowMs + 30_000) })
  })

  test.each([
    ['"a";r=0;t=5', 5],
    ['a;r=0;t=5;pk=:QUJD:', 5],
    ['"a, \\"b\\"; r=0";r=0; t=5,\t"c";r=1;t=9', 5],
    ['"a";r=1;t=5', undefined],
    ['"a";r=0', undefined],
    ['"a";r=0;t=soon', undefined],
    ['"a";r=0;t=5, "b', undefined],
    ['limit=100, remaining=0, reset=5', undefined],
    [`${'"a";r=0;t=5, '.repeat(800)}"a";r=0;t=5`, undefined],
  ])('reads RateLimit: %s as %s seconds', async (header, seconds) => {
    expect((await rateErrorOf({}, { ratelimit: header })).retryAfterSeconds).toBe(seconds)
  })

  test('takes bytes for no requests', async () => {
    const headers = {
      ratelimit: '"a";r=0;t=5',
      'ratelimit-policy': '"a";q=1000;w=60;qu="content-bytes"',
    }
    expect((await rateErrorOf({}, headers)).limit).toBeUndefined()
  })
})

describe('limitErrorOf', () => {
  test('leaves the body to the caller', async () => {
    const response = problem(exhausted)
    expect(await errorOf(response)).toBeDefined()
    expect(response.bodyUsed).toBe(false)
    expect(await response.json()).toEqual(exhausted)
  })

  test('says nothing of another status, nor of a 402 that is not ours', async () => {
    for (const status of [200, 401, 403, 500, 503]) {
      expect(await errorOf(problem(exhausted, status))).toBeUndefined()
    }
    for (const body of [{}, { error: 'payment_required' }, { error: ['budget_exhausted'] }]) {
      expect(await errorOf(problem(body))).toBeUndefined()
    }
  })

  test.each([
    ['no JSON', '{"error":', 'application/json'],
    ['a list', '[{"error":"budget_exhausted"}]', 'application/json'],
    ['null', 'null', 'application/json'],
    ['a member twice', '{"error":"budget_exhausted","error":"x"}', 'application/json'],
    ['no UTF-8', new Uint8Array([123, 255, 125]), 'application/json'],
    ['nothing', null, 'application/json'],
    ['JSON of an event stream', JSON.stringify(exhausted), 'text/event-stream'],
    [
      'more than 64 KiB',
      JSON.stringify({ ...exhausted, a: 'x'.repeat(65_536) }),
      'application/json',
    ],
  ])('never throws for garbage: %s', async (_, body, type) => {
    const init = { status: 402, headers: { 'content-type': type } }
    expect(await errorOf(new Response(body, init))).toBeUndefined()
  })

  test.each(['application/json', 'application/problem+json; charset=utf-8', 'Application/JSON'])(
    'reads %s',
    async (type) => {
      const init = { status: 402, headers: { 'content-type': type } }
      expect(await errorOf(new Response(JSON.stringify(exhausted), init))).toBeDefined()
    },
  )

  test('has the headers of a response whose body was read already', async () => {
    const response = problem(limited, 429, { 'retry-after': '8' })
    await response.text()
    expect(await errorOf(response)).toMatchObject({ code: 'rate_limited', retryAfterSeconds: 8 })
    const locked = problem(limited, 429, { 'retry-after': '8' })
    locked.body?.getReader()
    expect(await errorOf(locked)).toMatchObject({ retryAfterSeconds: 8 })
  })

  test('does not read on without end, nor wait without end', async () => {
    let pulled = 0
    const endless = new ReadableStream({
      pull: (controller) => {
        pulled += 1
        controller.enqueue(new Uint8Array(16_384))
      },
    })
    const silent = new ReadableStream({})
    const init = { status: 429, headers: { ...jsonType, 'retry-after': '8' } }
    for (const body of [endless, silent]) {
      const error = await limitErrorOf(new Response(body, init), { now, timeoutMs: 20 })
      expect(error).toMatchObject({ retryAfterSeconds: 8 })
    }
    expect(pulled).toBeLessThan(10)
  })

  test('has a clock of its own', async () => {
    vi.useFakeTimers({ now: nowMs, toFake: ['Date'] })
    try {
      const error = await limitErrorOf(problem(limited, 429))
      expect(error?.retryAt).toEqual(new Date(nowMs + 90_000))
      expect(limitErrorFromBody(limited)?.retryAt).toEqual(new Date(nowMs + 90_000))
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('limitErrorFromBody', () => {
  test('reads the same from what is no response', () => {
    const denial = { reason: 'insufficient_authorization', ...exhausted }
    expect(limitErrorFromBody(denial, { now })).toMatchObject({
      code: 'budget_exhausted',
      status: 402,
      remaining: '0.01',
      limitedBy: exhausted.limited_by,
    })
    expect(limitErrorFromBody(limited, { now })).toMatchObject({
      code: 'rate_limited',
      status: 429,
      retryAt: new Date(nowMs + 90_000),
    })
  })

  test.each([undefined, null, 42, 'budget_exhausted', [], [exhausted], {}, { error: 'not_found' }])(
    'finds no limit in %j',
    (body) => expect(limitErrorFromBody(body)).toBeUndefined(),
  )
})
