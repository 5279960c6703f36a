/** What the server says about itself, and to whom. RFC 8414, RFC 7517, CORS. */
import { metadataUrl, parseMetadata } from '@behalf/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createApp } from '../src/app.js'
import { issuer, openTestServer, type TestServer } from './harness.js'

const wellKnown = '/.well-known/oauth-authorization-server'
const evil = 'https://evil.example'

let server: TestServer
beforeAll(async () => {
  server = await openTestServer()
})
afterAll(() => server.close())

/** The same server under another issuer. */
const under = (other: string) => createApp({ ...server.deps, issuer: other })

const preflight = (path: string, method: string, origin = evil): Promise<Response> =>
  server.request(path, {
    method: 'OPTIONS',
    headers: {
      Origin: origin,
      'Access-Control-Request-Method': method,
      'Access-Control-Request-Headers': 'authorization,content-type',
    },
  })

describe('the metadata document', () => {
  test('names the issuer to the byte and every endpoint below it', async () => {
    const response = await server.request(wellKnown)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toContain('application/json')
    expect(await response.json()).toEqual({
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      device_authorization_endpoint: `${issuer}/device_authorization`,
      jwks_uri: `${issuer}/jwks`,
      introspection_endpoint: `${issuer}/introspect`,
      revocation_endpoint: `${issuer}/revoke`,
      pushed_authorization_request_endpoint: `${issuer}/par`,
      response_types_supported: ['code'],
      response_modes_supported: ['query'],
      authorization_response_iss_parameter_supported: true,
      grant_types_supported: [
        'client_credentials',
        'authorization_code',
        'refresh_token',
        'urn:ietf:params:oauth:grant-type:token-exchange',
        'urn:ietf:params:oauth:grant-type:device_code',
      ],
      code_challenge_methods_supported: ['S256'],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'none'],
      introspection_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
      revocation_endpoint_auth_methods_supported: [
        'client_secret_basic',
        'client_secret_post',
        'none',
      ],
      access_token_signing_alg_values_supported: expect.arrayContaining(['ES256']),
      agent_budget_endpoint: `${issuer}/ledger`,
      agent_revocation_feed_endpoint: `${issuer}/revocations`,
      delegation_check_endpoint: `${issuer}/delegations/check`,
      delegations_endpoint: `${issuer}/delegations`,
    })
  })

  test('advertises no unsigned and no symmetric algorithm, no implicit and no password grant', async () => {
    const document = await (await server.request(wellKnown)).json()
    for (const [name, values] of Object.entries(document)) {
      if (!name.includes('alg_values')) continue
      for (const alg of values as string[]) expect(alg).not.toMatch(/^(none|HS)/i)
    }
    expect(document.grant_types_supported).not.toContain('implicit')
    expect(document.grant_types_supported).not.toContain('password')
  })

  test('is accepted by the parser that our own clients use', async () => {
    const document = await (await server.request(wellKnown)).json()
    expect(parseMetadata(issuer, document).issuer).toBe(issuer)
  })

  test('names only endpoints that are there', async () => {
    const document = await (await server.request(wellKnown)).json()
    const urls = ['authorization_endpoint', 'jwks_uri', 'agent_revocation_feed_endpoint']
    const posts = [
      'token_endpoint',
      'pushed_authorization_request_endpoint',
      'introspection_endpoint',
      'revocation_endpoint',
    ]
    for (const name of urls) {
      expect((await server.fetch(document[name])).status, name).not.toBe(404)
    }
    for (const name of posts) {
      expect((await server.fetch(document[name], { method: 'POST' })).status, name).not.toBe(404)
    }
  })

  test.each([wellKnown, '/jwks'])(
    '%s may be cached, but not for long, and sets no cookie',
    async (path) => {
      const { headers } = await server.request(path)
      const maxAge = /max-age=(\d+)/.exec(headers.get('cache-control') ?? '')?.[1]
      expect(Number(maxAge)).toBeGreaterThan(0)
      expect(Number(maxAge)).toBeLessThanOrEqual(3600)
      expect(headers.get('set-cookie')).toBeNull()
    },
  )

  test('the key set is served as application/jwk-set+json', async () => {
    const response = await server.request('/jwks')
    expect(response.headers.get('content-type')).toContain('application/jwk-set+json')
    const { keys } = (await response.json()) as { keys: object[] }
    expect(keys).toHaveLength(1)
    expect(keys[0]).not.toHaveProperty('d')
  })
})

describe('an address that lies', () => {
  test.each([
    ['Host', 'evil.example'],
    ['X-Forwarded-Host', 'evil.example'],
    ['X-Forwarded-Proto', 'evil.example'],
    ['X-Forwarded-Prefix', '/evil.example'],
    ['Forwarded', 'host=evil.example;proto=https'],
    ['X-Original-URL', '/evil.example'],
  ])('%s does not reach any answer', async (name, value) => {
    for (const path of [wellKnown, '/jwks', '/authorize', '/nowhere']) {
      const response = await server.request(path, { headers: { [name]: value } })
      const text = JSON.stringify([...response.headers]) + (await response.text())
      expect(text).not.toContain('evil.example')
    }
  })

  test('a request for another host gets the one issuer', async () => {
    const response = await server.app.request(`https://evil.example${wellKnown}`)
    expect(await response.json()).toMatchObject({ issuer, token_endpoint: `${issuer}/token` })
  })
})

describe('an issuer with a path', () => {
  const tenant = 'https://auth.example/acme'

  test('answers the same at the inserted and at the appended address', async () => {
    const app = under(tenant)
    const inserted = await app.request(metadataUrl(tenant))
    const appended = await app.request(`${tenant}${wellKnown}`)
    expect([inserted.status, appended.status]).toEqual([200, 200])
    const document = await inserted.json()
    expect(document).toEqual(await appended.json())
    expect(document).toMatchObject({ issuer: tenant, token_endpoint: `${tenant}/token` })
  })

  test.each([
    `https://auth.example${wellKnown}`,
    `https://auth.example${wellKnown}/globex`,
    `https://auth.example${wellKnown}/acme/`,
    `https://auth.example${wellKnown}/acme/x`,
    `https://auth.example/globex${wellKnown}`,
    'https://auth.example/token',
    'https://auth.example/jwks',
  ])('%s is not found and names no issuer', async (url) => {
    const response = await under(tenant).request(url)
    expect(response.status).toBe(404)
    expect(await response.json()).not.toHaveProperty('issuer')
  })

  test('serves every endpoint below its path', async () => {
    const app = under(tenant)
    expect((await app.request(`${tenant}/jwks`)).status).toBe(200)
    expect((await app.request(`${tenant}/token`, { method: 'POST' })).status).toBe(400)
    expect((await app.request(`${tenant}/authorize`)).status).toBe(400)
    expect((await app.request(`${tenant}/account`)).headers.get('location')).toBe(
      '/acme/sign-in?return_to=%2Facme%2Faccount',
    )
  })

  test('an issuer without a path knows no tenant below it', async () => {
    const response = await server.request(`${wellKnown}/no-such-tenant`)
    expect(response.status).toBe(404)
    expect(await response.json()).not.toHaveProperty('issuer')
  })
})

describe('methods', () => {
  test.each([
    ['POST', wellKnown, 'GET'],
    ['PUT', wellKnown, 'GET'],
    ['DELETE', '/jwks', 'GET'],
    ['PUT', '/revocations', 'GET, POST'],
    ['POST', '/delegations', 'GET'],
    ['GET', '/delegations/check', 'POST'],
    ['GET', '/delegations/dlg_1/revoke', 'POST'],
    ['GET', '/token', 'POST'],
    ['PUT', '/token', 'POST'],
    ['GET', '/introspect', 'POST'],
    ['DELETE', '/revoke', 'POST'],
    ['PUT', '/authorize', 'GET, POST'],
    ['DELETE', '/authorize', 'GET, POST'],
    ['GET', '/par', 'POST'],
    ['GET', '/consent', 'POST'],
    ['PUT', '/account', 'GET'],
    ['GET', '/account/revoke', 'POST'],
    ['DELETE', '/livez', 'GET'],
    ['POST', '/readyz', 'GET'],
  ])('%s %s is refused with the methods that are allowed', async (method, path, allowed) => {
    const response = await server.request(path, { method })
    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toBe(allowed)
    expect(await response.json()).toMatchObject({ error: 'invalid_request' })
  })

  test('an unknown address is a 404 in JSON', async () => {
    for (const method of ['GET', 'POST', 'DELETE', 'PROPFIND']) {
      const response = await server.request('/', { method })
      expect(response.status).toBe(404)
      expect(await response.json()).toMatchObject({ error: 'not_found' })
    }
  })

  test.each([wellKnown, '/jwks', '/livez'])('HEAD %s is GET without its body', async (path) => {
    const response = await server.request(path, { method: 'HEAD' })
    expect(response.status).toBe(200)
    expect(await response.text()).toBe('')
    expect(response.headers.get('content-type')).toContain('json')
  })
})

describe('other origins', () => {
  test.each([
    [wellKnown, 'GET'],
    ['/jwks', 'GET'],
    ['/revocations', 'GET'],
    ['/token', 'POST'],
    ['/revoke', 'POST'],
  ])('a preflight for %s allows any origin and never its credentials', async (path, method) => {
    for (const origin of [evil, 'null']) {
      const response = await preflight(path, method, origin)
      expect(response.status).toBe(204)
      expect(response.headers.get('access-control-allow-origin')).toBe('*')
      expect(response.headers.get('access-control-allow-credentials')).toBeNull()
      expect(response.headers.get('access-control-allow-methods')).toContain(method)
      expect(response.headers.get('access-control-allow-headers')?.toLowerCase()).toContain(
        'authorization',
      )
    }
  })

  test.each([
    '/introspect',
    '/ledger/reservations',
    '/ledger/budgets/dlg_x',
    '/authorize',
    '/consent',
  ])('a preflight for %s, which no page has business with, allows no origin', async (path) => {
    const response = await preflight(path, 'POST')
    expect(response.headers.get('access-control-allow-origin')).toBeNull()
    expect(response.headers.get('access-control-allow-credentials')).toBeNull()
  })

  test('a page can read the refusals of the token endpoint', async () => {
    const response = await server.request('/token', { method: 'POST', headers: { Origin: evil } })
    expect(response.status).toBe(400)
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
    expect(response.headers.get('access-control-expose-headers')).toContain('WWW-Authenticate')
  })
})

describe('the authorization endpoint', () => {
  test('says on a page what is wrong while nothing is proven, and redirects nobody', async () => {
    const query = new URLSearchParams({
      response_type: 'code',
      client_id: 'desktop',
      redirect_uri: evil,
      state: '<script>alert(1)</script>',
    })
    const response = await server.request(`/authorize?${query}`, { redirect: 'manual' })
    expect(response.status).toBe(400)
    expect(response.headers.get('location')).toBeNull()
    expect(response.headers.get('content-type')).toContain('text/html')
    const page = await response.text()
    expect(page).toContain('<!doctype html>')
    expect(page).not.toMatch(/<script|evil|desktop/)
  })

  test('cannot be framed, scripted, sniffed, kept or posted from elsewhere', async () => {
    const { headers } = await server.request('/authorize', { method: 'POST' })
    const policy = headers.get('content-security-policy')
    for (const rule of [
      "default-src 'none'",
      "frame-ancestors 'none'",
      "form-action 'self'",
      "base-uri 'none'",
    ]) {
      expect(policy).toContain(rule)
    }
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('referrer-policy')).toBe('same-origin')
  })
})

describe('health', () => {
  test('the process is alive and can serve', async () => {
    for (const path of ['/livez', '/readyz']) {
      const response = await server.request(path)
      expect([response.status, await response.json()]).toEqual([200, { status: 'ok' }])
    }
  })

  test('a server whose database does not answer is alive but not ready', async () => {
    const ping = () => Promise.reject(new Error('no route to 10.0.0.1'))
    const app = createApp({ ...server.deps, store: { ...server.deps.store, ping } })
    expect((await app.request(`${issuer}/livez`)).status).toBe(200)
    const response = await app.request(`${issuer}/readyz`)
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('2')
    expect(await response.text()).not.toContain('10.0.0.1')
  })
})
