/** How often one client and one address may ask, and what is said to them then. */
import { OAuthError } from '@behalf/protocol'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { BoundedMemory, counterOf, memoryCounters, policyOf } from '../src/rate-limits/counters.js'
import { createFailedAuthentications } from '../src/rate-limits/failed-authentications.js'
import { deviceConfig, deviceGrant } from './device-fixtures.js'
import { baseConfig, basic, docs, openTestServer, secretOf, type TestServer } from './harness.js'

const limits = {
  client_requests_per_minute: {
    token: 5,
    introspect: 4,
    revoke: 3,
    par: 2,
    device_authorization: 2,
  },
  address_requests_per_minute: { authorize: 3, par: 3, without_address: 6 },
  failed_authentications_per_minute: { client_and_address: 3, address: 8 },
}
const clients = [...baseConfig.clients, ...deviceConfig.clients].filter(
  ({ client_id }, index, all) => all.findIndex((one) => one.client_id === client_id) === index,
)
const config = { ...deviceConfig, ...baseConfig, clients, rate_limits: limits }

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({ config })
})
afterAll(() => server.close())
afterEach(() => {
  vi.useRealTimers()
})

type Body = Record<string, string>

const tokenFields = { grant_type: 'client_credentials', resource: docs }
const tryToken = (clientId: string, secret: string, address?: string) =>
  server.post<Body>('/token', tokenFields, { Authorization: basic(clientId, secret) }, address)
const wrong = 'a wrong secret of more than 32 characters'

const statusesOf = (answers: { status: number }[]): number[] => answers.map(({ status }) => status)
const count = (answers: { status: number }[], status: number): number =>
  statusesOf(answers).filter((one) => one === status).length

const times = <T>(n: number, run: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: n }, (_, index) => run(index)))

describe('a client that has authenticated', () => {
  test('of many tokens at once gets as many as it may, and is told the rest', async () => {
    const answers = await times(20, () => server.clientCredentials('orchestrator'))
    expect([count(answers, 200), count(answers, 429)]).toEqual([5, 15])
    const { headers, body } = answers.find(({ status }) => status === 429) ?? { body: {} }
    const wait = headers?.get('retry-after')
    expect(Number(wait)).toBeGreaterThan(0)
    expect(Number(wait)).toBeLessThanOrEqual(60)
    expect(headers?.get('ratelimit-policy')).toBe('"token-per-client";q=5;w=60')
    expect(headers?.get('ratelimit')).toBe(`"token-per-client";r=0;t=${wait}`)
    expect(headers?.get('cache-control')).toBe('no-store')
    // A code of RFC 6749, at which stock clients keep what they have.
    expect(body).toMatchObject({
      error: 'temporarily_unavailable',
      error_detail: 'too_many_requests_of_client',
    })
    expect((await server.clientCredentials('researcher')).status).toBe(200)
  })

  test('counts from one endpoint to the next anew', async () => {
    const { body } = await server.clientCredentials('scraper')
    const asked = await times(6, () => server.introspect('docs-server', body.access_token))
    expect([count(asked, 200), count(asked, 429)]).toEqual([4, 2])
    const revoked = await times(5, () => server.revoke('loner', 'at_nothing'))
    expect([count(revoked, 200), count(revoked, 429)]).toEqual([3, 2])
    expect(revoked.at(-1)?.body.error_detail).toBe('too_many_revocations')
    const started = await times(4, () =>
      server.post('/device_authorization', { client_id: 'cli' }, {}),
    )
    expect(count(started, 429)).toBe(2)
    const as = { Authorization: basic('orchestrator') }
    const push = (n: number) => server.post('/par', {}, as, `203.0.113.${100 + n}`)
    expect(count(await times(4, push), 429)).toBe(2)
    expect((await server.clientCredentials('loner')).status).toBe(200)
  })

  test('counts for each address by itself where it is public, since anybody can say its name', async () => {
    const ask = (address: string) =>
      server.post('/revoke', { client_id: 'cli', token: 'x' }, {}, address)
    const stranger = await times(5, () => ask('203.0.113.201'))
    expect([count(stranger, 200), count(stranger, 429)]).toEqual([3, 2])
    expect((await ask('203.0.113.202')).status).toBe(200)
  })

  test('is told to go on polling more slowly where it is a device', async () => {
    const poll = () =>
      server.post<Body>(
        '/token',
        { grant_type: deviceGrant, device_code: 'dc_unknown', client_id: 'cli' },
        {},
      )
    const answers = await times(6, poll)
    const last = answers.at(-1)
    expect([last?.status, last?.body.error]).toEqual([429, 'slow_down'])
  })
})

describe('wrong secrets', () => {
  test('from one address are sent away before they are looked at, and a right one too', async () => {
    const answers = []
    for (let n = 0; n < 5; n += 1) answers.push(await tryToken('cc-only', wrong, '203.0.113.1'))
    expect(statusesOf(answers)).toEqual([401, 401, 401, 429, 429])
    const { headers, body } = answers[4] ?? { body: {} }
    expect(body).toMatchObject({
      error: 'temporarily_unavailable',
      error_detail: 'too_many_failed_authentications',
    })
    expect(headers?.get('ratelimit-policy')).toBe('"failed-authentications";q=3;w=60')
    expect(Number(headers?.get('retry-after'))).toBeGreaterThan(0)
    expect((await tryToken('cc-only', secretOf('cc-only'), '203.0.113.1')).status).toBe(429)
    const elsewhere = await tryToken('cc-only', secretOf('cc-only'), '203.0.113.2')
    expect(elsewhere.status).toBe(200)
    expect((await tryToken('researcher', secretOf('researcher'), '203.0.113.1')).status).toBe(200)
  })

  test('that come at once are told apart to the last one', async () => {
    const answers = await times(20, () => tryToken('loner', wrong, '203.0.113.3'))
    expect([count(answers, 401), count(answers, 429)]).toEqual([3, 17])
  })

  test('for ever new clients count for the address', async () => {
    const answers = []
    for (let n = 0; n < 10; n += 1) answers.push(await tryToken(`guess-${n}`, wrong, '203.0.113.4'))
    expect([count(answers, 401), count(answers, 429)]).toEqual([8, 2])
    expect(answers.at(-1)?.headers.get('ratelimit-policy')).toContain('per-address')
    expect((await tryToken('scraper', secretOf('scraper'), '203.0.113.4')).status).toBe(429)
  })

  test('count at every other endpoint too', async () => {
    const paths = ['/introspect', '/revoke', '/par', '/delegations/check', '/ledger/leases']
    const answers = []
    for (const path of paths) {
      const headers = { Authorization: basic('mail-server', wrong) }
      answers.push(await server.post(path, { token: 'x' }, headers, '203.0.113.5'))
    }
    expect(statusesOf(answers)).toEqual([401, 401, 401, 429, 429])
  })

  test('lock nobody out where addresses are not known', async () => {
    const answers = []
    for (let n = 0; n < 5; n += 1) answers.push(await tryToken('posting-2', wrong))
    expect(statusesOf(answers)).toEqual([401, 401, 401, 429, 429])
    const flood = await times(20, () => tryToken('globex-agent', wrong, '127.0.0.1'))
    expect(count(flood, 429)).toBeGreaterThan(15)
    const fields = { grant_type: 'client_credentials' }
    const right = await server.post('/token', fields, { Authorization: basic('globex-agent') })
    expect(right.status).toBe(200)
  })

  test('are forgotten when their minute is over', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] })
    const failed = createFailedAuthentications(memoryCounters.under('https://as.example'), {
      client_and_address: 1,
      address: 100,
    })
    const attempt = { clientId: 'a', addressOf: () => '203.0.113.9' }
    expect(await failed.count(attempt)).toBeUndefined()
    expect(await failed.count(attempt)).toBeInstanceOf(OAuthError)
    expect(() => failed.check(attempt)).toThrow(OAuthError)
    expect(() => failed.check({ ...attempt, clientId: 'b' })).not.toThrow()
    vi.advanceTimersByTime(60_001)
    expect(() => failed.check(attempt)).not.toThrow()
    expect(await failed.count(attempt)).toBeUndefined()
  })
})

describe('one address', () => {
  const authorize = (address?: string) =>
    server.request('/authorize?client_id=nobody', { method: 'GET' }, address)

  test('may send so many to /authorize, and sees a page when it is too much', async () => {
    const answers = await times(5, () => authorize('203.0.113.7'))
    expect(statusesOf(answers)).toEqual([400, 400, 400, 429, 429])
    const last = answers.at(-1)
    expect(last?.headers.get('content-type')).toContain('text/html')
    expect(Number(last?.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(last?.headers.get('ratelimit-policy')).toBe('"authorize-per-address";q=3;w=60')
    expect((await authorize('203.0.113.8')).status).toBe(400)
  })

  test('is all of those whose address is not known, with room for many', async () => {
    const answers = await times(8, () => authorize())
    expect([count(answers, 400), count(answers, 429)]).toEqual([6, 2])
    const push = (address?: string) => server.post('/par', { client_id: 'nobody' }, {}, address)
    expect(count(await times(8, () => push()), 429)).toBeGreaterThanOrEqual(2)
    const pushed = await times(5, () => push('2001:db8::7'))
    expect(statusesOf(pushed).slice(3)).toEqual([429, 429])
  })
})

test('names without end share one count when there are too many', async () => {
  const memory = new BoundedMemory(2, 3)
  const { count: add } = counterOf(memory, policyOf('any', 2))
  for (const name of ['a', 'b', 'c']) expect(await add(name)).toBeUndefined()
  // All who come from here on are one.
  expect([await add('d'), await add('e')]).toEqual([undefined, undefined])
  expect(await add('f')).toBeGreaterThan(0)
  expect(await add('a')).toBeUndefined()
  expect(await add('a')).toBeGreaterThan(0)
})

test('nobody meets a limit that the file says nothing about', async () => {
  const generous = await openTestServer({ database: server.database, clock: server.clock })
  const answers = await times(200, () => generous.clientCredentials('cc-only'))
  expect(count(answers, 200)).toBe(200)
})
