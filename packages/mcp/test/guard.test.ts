/** What the guard answers over HTTP to all that should not get in. */
import { createVerifier } from '@behalf/verifier'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { protectMcp } from '../src/server.js'
import { createWorld, generations, optionsFor, type World } from './world.js'

let world: World
beforeAll(async () => {
  world = await createWorld()
}, 30_000)
afterAll(() => world.stop())

const ping = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' })

const send = (url: string, headers: Record<string, string> = {}, method = 'POST') =>
  fetch(url, {
    method,
    headers: {
      Accept: 'application/json, text/event-stream',
      'Content-Type': 'application/json',
      ...headers,
    },
    ...(method === 'POST' && { body: ping }),
  })

const bearer = (token: string) => ({ Authorization: `Bearer ${token}` })

const metadataUrl = (url: string): string =>
  url.replace('/mcp', '/.well-known/oauth-protected-resource/mcp')

const challengeFor = (url: string): string =>
  `scope="docs:read docs:write", resource_metadata="${metadataUrl(url)}"`

const tampered = (token: string): string => {
  const [header, payload, signature] = token.split('.') as [string, string, string]
  const claims = JSON.parse(atob(payload.replace(/-/g, '+').replace(/_/g, '/')))
  const forged = btoa(JSON.stringify({ ...claims, sub: 'admin' }))
  return [header, forged.replace(/=+$/, ''), signature].join('.')
}

const unsigned = (): string => {
  const part = (value: object) => btoa(JSON.stringify(value)).replace(/=+$/, '')
  return `${part({ alg: 'none', typ: 'at+jwt' })}.${part({ sub: 'admin' })}.`
}

describe.each(generations)('a %s server', (generation) => {
  test.each(['GET', 'POST', 'DELETE', 'PUT', 'OPTIONS'])(
    'asks a %s for a token',
    async (method) => {
      const url = world.url(generation)
      const response = await send(url, {}, method)
      expect(response.status).toBe(401)
      // RFC 6750 §3.1: no error code for a request without credentials.
      expect(response.headers.get('www-authenticate')).toBe(`Bearer ${challengeFor(url)}`)
      expect(response.headers.get('cache-control')).toBe('no-store')
      expect(await response.text()).toBe('')
    },
  )

  test('lets a good token in', async () => {
    const url = world.url(generation)
    const response = await send(url, bearer(await world.auth.token('reader', url)))
    expect(response.status).toBe(200)
  })

  test('answers 401 and never 500 to a bad token', async () => {
    const url = world.url(generation)
    const good = await world.auth.token('reader', url)
    const elsewhere = generations.find((one) => one !== generation) ?? 'v1'
    const bad = [
      'x',
      'a.b.c',
      '..',
      'A'.repeat(8000),
      unsigned(),
      tampered(good),
      `${good}=`,
      good.slice(0, -4),
      await world.auth.token('reader', world.url(elsewhere)),
      await world.auth.token('reader', world.auth.issuer),
    ]
    for (const token of bad) {
      const response = await send(url, bearer(token))
      expect(response.status).toBe(401)
      const challenge = response.headers.get('www-authenticate') ?? ''
      expect(challenge).toContain('error="invalid_token"')
      expect(challenge).toContain(challengeFor(url))
      if (token.length > 20) expect(await response.text()).not.toContain(token)
    }
  })

  test('reads no token from anywhere but the header', async () => {
    const url = world.url(generation)
    const token = await world.auth.token('reader', url)
    const statuses = [
      await send(`${url}?access_token=${token}`),
      await send(url, { Cookie: `access_token=${token}` }),
      await send(url, { Authorization: `Basic ${btoa(`x:${token}`)}` }),
      await send(url, { Authorization: `Bearer ${token}, Bearer ${token}` }),
    ].map(({ status }) => status)
    expect(statuses).toEqual([401, 401, 401, 401])
  })

  test('keeps a revoked token out', async () => {
    const url = world.url(generation)
    const token = await world.auth.token('fired', url)
    expect((await send(url, bearer(token))).status).toBe(200)
    await world.auth.revoke('fired', token)
    await expect
      .poll(async () => (await send(url, bearer(token))).status, { timeout: 5000 })
      .toBe(401)
  })

  test('says when to come back to who asks too often', async () => {
    const url = world.url(generation)
    const token = await world.auth.token(`hasty-${generation}`, url)
    const answers = []
    for (let count = 0; count < 3; count += 1) answers.push(await send(url, bearer(token)))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429])
    expect(Number(answers[2]?.headers.get('retry-after'))).toBeGreaterThan(0)
  })

  test('refuses the pages of other sites, token or not', async () => {
    const url = world.url(generation)
    const headers = bearer(await world.auth.token('reader', url))
    const from = async (Origin: string) => (await send(url, { ...headers, Origin })).status
    expect(await from('https://evil.example')).toBe(403)
    expect(await from('null')).toBe(403)
    expect(await from('http://localhost:6274')).toBe(200)
  })

  test('serves its metadata whatever the Host says', async () => {
    const url = world.url(generation)
    for (const location of [
      metadataUrl(url),
      new URL('/.well-known/oauth-protected-resource', url),
    ]) {
      const response = await fetch(location, {
        headers: { 'X-Forwarded-Host': 'evil.example', Origin: 'https://app.example' },
      })
      expect(response.headers.get('access-control-allow-origin')).toBe('*')
      expect(await response.json()).toMatchObject({
        resource: url,
        authorization_servers: [world.auth.issuer],
      })
    }
  })
})

test('an issuer that cannot be reached is a 503 with a time to come back', async () => {
  const resource = world.url('v1')
  const token = await world.auth.token('reader', resource)
  const logger = { warn: () => {}, error: () => {} }
  const answers: ((() => Response) | (() => never))[] = [
    () => {
      throw new TypeError('no route')
    },
    () => new Response('<html>', { status: 200 }),
    () => new Response('{}', { status: 200 }),
    () => new Response('', { status: 500 }),
    () => Response.json({ issuer: 'https://other.example', token_endpoint: 'https://o.example/t' }),
  ]
  for (const answer of answers) {
    const options = { ...optionsFor(world.auth.issuer, resource), logger }
    const guard = protectMcp({ ...options, fetch: async () => answer() })
    const request = new Request(resource, { headers: bearer(token) })
    const response = await guard.authenticate(request)
    guard.close()
    if (!(response instanceof Response)) throw new Error('let in')
    expect(response.status).toBe(503)
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(response.headers.get('www-authenticate')).toBeNull()
  }
})

test('gives the plain object that both generations take', async () => {
  const resource = world.url('v2')
  const token = await world.auth.token('reader', resource)
  const request = new Request(resource, { headers: bearer(token) })
  const authInfo = await world.guard('v2').authenticate(request)
  expect(authInfo).toMatchObject({
    clientId: 'reader',
    scopes: ['docs:read'],
    resource: new URL(resource),
    resourceMetadataUrl: metadataUrl(resource),
    extra: { subject: 'reader', actor: 'reader', chain: [], tenantId: 'acme', limits: {} },
  })
  if (authInfo instanceof Response) throw new Error('kept out')
  expect(authInfo.expiresAt).toBeGreaterThan(Date.now() / 1000)
  expect(authInfo.extra.lineage).toEqual([expect.stringMatching(/^dlg_/)])
})

test('a verifier that serves other resources too lets nobody of theirs in here', async () => {
  const [here, there] = [world.url('v1'), world.url('v2')]
  const verifier = createVerifier({ issuer: world.auth.issuer, audience: [here, there] })
  const guard = protectMcp({ ...optionsFor(world.auth.issuer, here), verifier })
  const statusWith = async (resource: string) => {
    const headers = bearer(await world.auth.token('reader', resource))
    const answer = await guard.authenticate(new Request(here, { headers }))
    return answer instanceof Response ? answer.status : 200
  }
  expect(await statusWith(here)).toBe(200)
  expect(await statusWith(there)).toBe(401)
  guard.close()
})

test('an answer that cannot be copied goes through as it is, with a page that calls and without', async () => {
  const { origin, href } = new URL(world.url('v2'))
  const guard = protectMcp(optionsFor(world.auth.issuer, href))
  const headers = { ...bearer(await world.auth.token('reader', href)), origin }
  const failing = guard.fetch(() => Response.error())
  const answer = await failing(new Request(href, { headers }))
  expect(answer.type).toBe('error')
  await guard.close()
})
