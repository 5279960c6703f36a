/** Whose pages may call the endpoints for clients, where the operator has said so. Fetch §3.2. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseConfig } from '../src/config.js'
import { baseConfig, basic, openTestServer, type TestServer } from './harness.js'

const app = 'https://app.example'
const inspector = 'http://127.0.0.1:6274'
const cors = { allowed_origins: [app, inspector] }

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({
    config: { ...baseConfig, cors, registration: { dynamic: { mode: 'open' } } },
  })
})
afterAll(() => server.close())

const corsOf = ({ headers }: Response) =>
  Object.fromEntries([...headers].filter(([name]) => name.startsWith('access-control-')))

const varies = ({ headers }: Response): boolean =>
  (headers.get('vary') ?? '').toLowerCase().split(/, */).includes('origin')

const get = (path: string, origin?: string) =>
  server.request(path, { headers: origin === undefined ? {} : { Origin: origin } })

const preflight = (path: string, origin: string) =>
  server.request(path, {
    method: 'OPTIONS',
    headers: { Origin: origin, 'Access-Control-Request-Method': 'POST' },
  })

const readable = [
  '/.well-known/oauth-authorization-server',
  '/.well-known/openid-configuration',
  '/jwks',
  '/revocations',
  '/userinfo',
]
const posted = ['/token', '/revoke', '/par', '/device_authorization', '/register']

/** All of them differ from one that is on the list by something that a careless comparison forgives. */
const strangers = [
  'https://evil.example',
  'http://app.example',
  'https://app.example:8443',
  'https://app.example.evil.example',
  'https://evilapp.example',
  'https://APP.example',
  'https://app.example/',
  'https://app.example, https://evil.example',
  'null',
  '*',
]

describe('a page of an origin on the list', () => {
  test.each(readable)('may read %s, and a cache keeps its answer apart', async (path) => {
    for (const origin of [app, inspector]) {
      const response = await get(path, origin)
      expect(corsOf(response)).toEqual({
        'access-control-allow-origin': origin,
        'access-control-expose-headers': 'WWW-Authenticate, Retry-After',
      })
      expect(varies(response)).toBe(true)
    }
  })

  test.each(posted)('may send to %s, and never its credentials', async (path) => {
    const response = await preflight(path, app)
    expect(response.status).toBe(204)
    expect(corsOf(response)).toMatchObject({
      'access-control-allow-origin': app,
      'access-control-allow-methods': 'GET, POST',
    })
    expect(corsOf(response)).not.toHaveProperty('access-control-allow-credentials')
    expect(varies(response)).toBe(true)
  })

  test('can read a refusal too', async () => {
    const response = await server.request('/token', { method: 'POST', headers: { Origin: app } })
    expect(response.status).toBe(400)
    expect(response.headers.get('access-control-allow-origin')).toBe(app)
    expect(varies(response)).toBe(true)
  })
})

describe('a page of any other origin', () => {
  test.each(strangers)('%s is allowed nothing', async (origin) => {
    for (const path of readable) {
      const response = await get(path, origin)
      expect(corsOf(response)).toEqual({})
      expect(varies(response)).toBe(true)
    }
    for (const path of posted) {
      const response = await preflight(path, origin)
      expect([response.status, corsOf(response)]).toEqual([204, {}])
      expect(varies(response)).toBe(true)
    }
  })
})

test('who is no page is served as before, and a cache learns that pages differ', async () => {
  const response = await get('/jwks')
  expect([response.status, corsOf(response), varies(response)]).toEqual([200, {}, true])
  const token = await server.clientCredentials('loner')
  expect(token.status).toBe(200)
})

test('an origin on the list opens nothing that is closed to pages', async () => {
  for (const path of ['/introspect', '/ledger/reservations', '/consent', '/sign-in']) {
    expect(corsOf(await preflight(path, app))).toEqual({})
  }
  const response = await server.request('/introspect', {
    method: 'POST',
    headers: { Origin: app, Authorization: basic('docs-server') },
    body: new URLSearchParams({ token: 'x' }),
  })
  expect([response.status, corsOf(response)]).toEqual([200, {}])
})

test('an empty list allows no page', async () => {
  const config = { ...baseConfig, cors: { allowed_origins: [] } }
  const closed = await openTestServer({ config, database: server.database, clock: server.clock })
  const response = await closed.request('/jwks', { headers: { Origin: app } })
  expect([corsOf(response), varies(response)]).toEqual([{}, true])
})

describe('the file', () => {
  const parse = (origin: unknown) =>
    parseConfig(JSON.stringify({ cors: { allowed_origins: [origin] } }), {})

  test.each([app, inspector, 'https://app.example:8443', 'http://localhost:3000'])(
    'takes %s',
    (origin) => expect(parse(origin).cors?.allowed_origins).toEqual([origin]),
  )

  test.each([
    ...['*', 'null', '', 'app.example', 'http://app.example', 'https://app.example/'],
    ...['https://app.example/page', 'https://App.example', 'https://app.example:443'],
    ...['https://*.app.example', 'https://me@app.example', 'javascript:alert(1)'],
  ])('refuses %j, which no browser sends or nobody should trust', (origin) => {
    expect(() => parse(origin)).toThrow('cors.allowed_origins[0]: must be an origin such as')
  })
})
