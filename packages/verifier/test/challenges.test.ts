import { OAuthError } from '@behalf/protocol'
import { beforeAll, describe, expect, it } from 'vitest'
import { challenge, toResponse, type Verifier } from '../src/index.js'
import { audience, createIssuer, type Issuer, refusal, verifierFor } from './issuer.js'

const resourceMetadataUrl = 'https://mcp.example/.well-known/oauth-protected-resource/mcp'
let issuer: Issuer
let verifier: Verifier

beforeAll(async () => {
  issuer = await createIssuer()
  verifier = verifierFor(issuer, { revocation: 'off', resourceMetadataUrl })
})

const answerTo = async (headers: HeadersInit, requireScope?: string, url = audience) => {
  try {
    await verifier.verify(new Request(url, { headers }), { requireScope })
  } catch (error) {
    return verifier.toResponse(error)
  }
  throw new Error('It was let in.')
}
const challengeOf = (response: Response) => response.headers.get('www-authenticate')
const metadata = `resource_metadata="${resourceMetadataUrl}"`

describe('a request without a token', () => {
  it('gets a bare challenge', async () => {
    const response = await answerTo({})
    expect(response.status).toBe(401)
    expect(challengeOf(response)).toBe(`Bearer ${metadata}`)
    expect(await response.text()).toBe('')
    expect(challenge(new OAuthError('invalid_token', { reason: 'missing_token' }))).toBe('Bearer')
  })

  it('is told the scope to come back with', async () => {
    expect(challengeOf(await answerTo({}, 'docs:read docs:write'))).toBe(
      `Bearer scope="docs:read docs:write", ${metadata}`,
    )
  })

  it.each(['Basic x', 'DPoP x', 'Bearerx y', ''])('is one with %j', async (Authorization) => {
    expect(challengeOf(await answerTo({ Authorization }))).toBe(`Bearer ${metadata}`)
  })

  it('is one with a token in the query, which is never read', async () => {
    const url = `${audience}?access_token=${await issuer.token()}`
    expect(challengeOf(await answerTo({}, undefined, url))).toBe(`Bearer ${metadata}`)
  })

  it.each([undefined, null, '', {}, 7])('is one as %j too', async (input) => {
    expect(await refusal(verifier.verify(input as unknown as string))).toMatchObject({
      status: 401,
      reason: 'missing_token',
    })
  })
})

describe('a malformed Authorization header', () => {
  it.each([
    'Bearer',
    'Bearer  a b',
    'bearer,',
    'Bearer \u00e9',
    'Bearer ...',
    'Bearer a, Bearer b',
    'Bearer a,b',
    'Bearer\ta',
    'Bearer "a"',
    'Bearer a=b',
  ])('is a 401 and nothing worse: %j', async (Authorization) => {
    const response = await answerTo({ Authorization })
    expect(response.status).toBe(401)
    expect(challengeOf(response)).toContain('error="invalid_token"')
  })

  it('is one that comes twice, though each would be good', async () => {
    const headers = new Headers()
    const token = await issuer.token()
    headers.append('Authorization', `Bearer ${token}`)
    headers.append('Authorization', `Bearer ${token}`)
    expect((await answerTo(headers)).status).toBe(401)
  })

  it('is not one in another case of the scheme', async () => {
    const Authorization = `bEARER ${await issuer.token()}`
    const request = new Request(audience, { headers: { Authorization } })
    await expect(verifier.verify(request)).resolves.toBeTruthy()
  })
})

describe('a refused token', () => {
  it('is a 401 with the error and no word of the token', async () => {
    const token = await issuer.token({ aud: 'https://other.example' })
    const response = await answerTo({ Authorization: `Bearer ${token}` }, 'docs:read')
    const text = await response.text()
    expect(challengeOf(response)).toBe(
      'Bearer error="invalid_token", error_description="The token is meant for another resource.", ' +
        `scope="docs:read", ${metadata}`,
    )
    expect(JSON.parse(text)).toMatchObject({
      error: 'invalid_token',
      error_detail: 'wrong_audience',
    })
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(text).not.toContain(token)
  })

  it('is a 403 that names all scopes when it has too few', async () => {
    const Authorization = `Bearer ${await issuer.token()}`
    const response = await answerTo({ Authorization }, 'docs:read docs:admin')
    expect(response.status).toBe(403)
    expect(challengeOf(response)).toContain('error="insufficient_scope"')
    expect(challengeOf(response)).toContain('scope="docs:read docs:admin"')
    expect(challengeOf(response)).toContain(metadata)
  })
})

describe('a limit', () => {
  it.each(['budget_exhausted', 'insufficient_budget'] as const)('over money: %s', async (code) => {
    const renews_at = '2027-02-01T00:00:00.000Z'
    const money = { required: '0.04', remaining: '0.01', limited_by: 'dlg_1', renews_at }
    const details = { ...money, secret: 'x' }
    const response = toResponse(new OAuthError(code, { description: 'Spent.', details }))
    expect(response.status).toBe(402)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(challengeOf(response)).toBeNull()
    expect(await response.json()).toEqual({
      type: `https://github.com/behalf-dev/behalf/blob/main/docs/errors.md#${code}`,
      title: expect.any(String),
      status: 402,
      detail: 'Spent.',
      error: code,
      required: '0.04',
      remaining: '0.01',
      limited_by: 'dlg_1',
      renews_at,
    })
  })

  it('over requests keeps its headers', () => {
    const headers = { 'Retry-After': '60', RateLimit: '"requests_per_hour";r=0;t=60' }
    const response = toResponse(new OAuthError('rate_limited', { headers }))
    expect(response.status).toBe(429)
    expect(response.headers.get('retry-after')).toBe('60')
    expect(response.headers.get('ratelimit')).toBe('"requests_per_hour";r=0;t=60')
  })

  it.each(['action_not_allowed', 'access_denied'] as const)(
    'over %s is a problem without a challenge, since no other token would help',
    async (code) => {
      const response = verifier.toResponse(new OAuthError(code))
      expect(response.status).toBe(403)
      expect(challengeOf(response)).toBeNull()
      expect(await response.json()).toMatchObject({ status: 403, error: code })
    },
  )
})

describe('anything else', () => {
  it.each([
    new Error('a secret'),
    'a secret',
    undefined,
    null,
    new OAuthError('invalid_client', { description: 'a secret' }),
    new OAuthError('invalid_grant', { description: 'a secret' }),
    Object.assign(new Error('a secret'), { status: 200, code: 'x' }),
  ])('is a 500 that says nothing: %s', async (error) => {
    const response = verifier.toResponse(error)
    expect(response.status).toBe(500)
    expect(challengeOf(response)).toBeNull()
    const text = await response.text()
    expect(text).not.toContain('secret')
    expect(JSON.parse(text)).toMatchObject({ error: 'server_error', status: 500 })
  })

  it('is told to the log, unless it is a refusal', async () => {
    const logged: unknown[][] = []
    const logger = { ...console, error: (...said: unknown[]) => logged.push(said) }
    const { toResponse: answer } = verifierFor(issuer, { revocation: 'off', logger })
    answer(new OAuthError('insufficient_scope'))
    expect(logged).toEqual([])
    answer(new TypeError('docs is undefined'))
    const [[message, details] = []] = logged
    expect(message).toBe('A request has failed.')
    expect(details).toMatchObject({
      message: 'docs is undefined',
      stack: expect.stringContaining('challenges.test'),
    })
  })

  it('keeps causes, hints and details of a failure to itself', async () => {
    const error = new OAuthError('temporarily_unavailable', {
      description: 'Try again.',
      headers: { 'Retry-After': '1' },
      hint: 'a secret',
      cause: new Error('a secret'),
      details: { scope: 'a secret' },
    })
    const response = verifier.toResponse(error)
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('1')
    expect(await response.text()).not.toContain('secret')
  })

  it('cannot break out of its quotes', () => {
    const description = 'a", error="x\\\r\nSet-Cookie: a=b\u00e9'
    const value = challenge(new OAuthError('invalid_token', { description }))
    expect(value).toBe(
      'Bearer error="invalid_token", error_description="a, error=xSet-Cookie: a=b"',
    )
  })
})
