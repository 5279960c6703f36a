/** OpenID discovery says what RFC 8414's document says, and more, at every address that clients try. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createApp } from '../src/app.js'
import { issuer, openTestServer, type TestServer } from './harness.js'

const openid = '/.well-known/openid-configuration'
const oauth = '/.well-known/oauth-authorization-server'

let server: TestServer
beforeAll(async () => {
  server = await openTestServer()
})
afterAll(() => server.close())

const documentOf = async (path: string) => (await server.request(path)).json()

describe('the OpenID document', () => {
  test('names what OpenID adds', async () => {
    expect(await documentOf(openid)).toMatchObject({
      issuer,
      userinfo_endpoint: `${issuer}/userinfo`,
      end_session_endpoint: `${issuer}/logout`,
      device_authorization_endpoint: `${issuer}/device_authorization`,
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256'],
      scopes_supported: expect.arrayContaining(['openid', 'profile', 'email']),
      claims_supported: expect.arrayContaining(['sub', 'email', 'role', 'tenant_id']),
      request_uri_parameter_supported: false,
      response_types_supported: ['code'],
    })
  })

  test('agrees to the byte with the other document on all that both have', async () => {
    const [one, other] = [await documentOf(openid), await documentOf(oauth)]
    expect(Object.keys(other).length).toBeGreaterThan(10)
    for (const [name, value] of Object.entries(other)) {
      expect(JSON.stringify(one[name]), name).toBe(JSON.stringify(value))
    }
  })

  test('advertises no unsigned and no symmetric algorithm', async () => {
    for (const [name, values] of Object.entries(await documentOf(openid))) {
      if (!name.includes('alg_values')) continue
      for (const alg of values as string[]) expect(alg).not.toMatch(/^(none|HS)/i)
    }
  })

  test('names only endpoints that are there', async () => {
    for (const [name, url] of Object.entries<string>(await documentOf(openid))) {
      if (!name.endsWith('_endpoint')) continue
      const statuses = await Promise.all(
        ['GET', 'POST'].map(async (method) => (await server.fetch(url, { method })).status),
      )
      // The ledger and the list of delegations are the bases of paths below.
      if (name !== 'agent_budget_endpoint') expect(statuses, name).not.toEqual([404, 404])
    }
  })

  test('may be cached, but not for long, by any page and without a cookie', async () => {
    const { headers } = await server.request(openid)
    expect(headers.get('cache-control')).toBe('public, max-age=300')
    expect(headers.get('set-cookie')).toBeNull()
    expect(headers.get('access-control-allow-origin')).toBe('*')
  })

  test('does not follow what a request says of its host', async () => {
    const asked = [
      await server.app.request(`https://evil.example${openid}`),
      await server.request(openid, {
        headers: { Host: 'evil.example', 'X-Forwarded-Host': 'evil.example' },
      }),
    ]
    for (const response of asked) {
      const text = await response.text()
      expect(text).not.toContain('evil')
      expect(JSON.parse(text).issuer).toBe(issuer)
    }
  })

  test('takes no other method, and knows no tenant below it', async () => {
    const posted = await server.request(openid, { method: 'POST' })
    expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET'])
    const below = await server.request(`${openid}/no-such-tenant`)
    expect(below.status).toBe(404)
    expect(await below.json()).not.toHaveProperty('issuer')
  })
})

describe('an issuer with a path', () => {
  const tenant = 'https://auth.example/acme'

  test('answers the same where OpenID appends and where RFC 8414 would insert', async () => {
    const app = createApp({ ...server.deps, issuer: tenant })
    const appended = await app.request(`${tenant}${openid}`)
    const inserted = await app.request(`https://auth.example${openid}/acme`)
    expect([appended.status, inserted.status]).toEqual([200, 200])
    const text = await appended.text()
    expect(text).toBe(await inserted.text())
    expect(JSON.parse(text)).toMatchObject({
      issuer: tenant,
      userinfo_endpoint: `${tenant}/userinfo`,
    })
    expect((await app.request(`https://auth.example${openid}`)).status).toBe(404)
    expect((await app.request(`https://auth.example${openid}/globex`)).status).toBe(404)
  })
})

describe('the algorithms of ID tokens', () => {
  test('are those in use: while one gives way to another, both', async () => {
    const eddsa = { ...server.deps.keys.jwks().keys[0], alg: 'EdDSA' }
    const keys = {
      ...server.deps.keys,
      jwks: () => ({ keys: [...server.deps.keys.jwks().keys, eddsa] }),
    }
    const response = await createApp({ ...server.deps, keys }).request(`${issuer}${openid}`)
    expect(await response.json()).toMatchObject({
      id_token_signing_alg_values_supported: ['ES256', 'EdDSA'],
    })
  })
})
