/** Pushed authorization requests. RFC 9126. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  appUri,
  authorizeQuery,
  type Browser,
  createPKCE,
  openBrowser,
  openPeopleServer,
  type PeopleServer,
  tokenAs,
} from './browser.js'
import { type Answer, basic, decode, type FormFields, secretOf } from './harness.js'

let server: PeopleServer
let browser: Browser
beforeAll(async () => {
  server = await openPeopleServer()
  browser = openBrowser(server, 'usr_alice')
})
afterAll(() => server.close())

interface Pushed {
  request_uri?: string
  expires_in?: number
  error?: string
  error_detail?: string
}

const push = (
  clientId: string,
  more: Record<string, string | undefined> = {},
  headers: Record<string, string> = { Authorization: basic(clientId) },
  pkce = createPKCE(),
): Promise<Answer<Pushed>> => {
  const fields = Object.fromEntries(authorizeQuery(pkce, { client_id: clientId, ...more }))
  return server.post<Pushed>('/par', fields as FormFields, headers)
}

const go = (client_id: string, request_uri = '', more: Record<string, string> = {}) =>
  browser.get(`/authorize?${new URLSearchParams({ client_id, request_uri, ...more })}`)

test('a client pushes its request, and a browser brings no more than its name', async () => {
  const pkce = createPKCE()
  const { status, body, headers } = await push('conf', {}, { Authorization: basic('conf') }, pkce)
  expect([status, headers.get('cache-control')]).toEqual([201, 'no-store'])
  expect(body.request_uri).toMatch(/^urn:ietf:params:oauth:request_uri:ar_[A-Za-z0-9_-]{43}$/)
  expect(body.expires_in).toBe(90)
  const answer = await browser.answer(await go('conf', body.request_uri))
  const token = await tokenAs(server, 'conf', {
    grant_type: 'authorization_code',
    code: answer.query.get('code') ?? '',
    redirect_uri: appUri,
    code_verifier: pkce.verifier,
  })
  expect(decode(token.body.access_token)).toMatchObject({ sub: 'usr_alice', client_id: 'conf' })
})

test('what stands beside it is passed over', async () => {
  const { body } = await push('conf', { prompt: 'consent' })
  const page = await go('conf', body.request_uri, {
    redirect_uri: 'https://evil.example/cb',
    scope: 'docs:write',
    state: 'another',
    prompt: 'none',
  })
  expect(page.status).toBe(200)
  expect(page.text).not.toContain('docs:write')
  const answer = await browser.answer(page)
  expect(answer.location?.startsWith(`${appUri}?`)).toBe(true)
  expect(answer.query.get('state')).toBe('a state')
})

test.each([
  ['by another client', 'conf2', 0],
  ['too late', 'conf', 90],
])('is refused on a page when it is brought %s', async (_, clientId, seconds) => {
  const { body } = await push('conf')
  server.clock.advance(seconds)
  const answer = await go(clientId, body.request_uri)
  expect([answer.status, answer.location]).toEqual([400, undefined])
})

test('is used once, and not by the attempt of another client', async () => {
  const { body } = await push('conf', { prompt: 'consent' })
  expect((await go('conf2', body.request_uri)).status).toBe(400)
  const all = await Promise.all(Array.from({ length: 8 }, () => go('conf', body.request_uri)))
  expect(all.map(({ status }) => status).sort()).toEqual([200, ...Array(7).fill(400)])
  expect((await go('conf', body.request_uri)).status).toBe(400)
})

test.each([
  'https://evil.example/request.jwt',
  'http://127.0.0.1:1/request',
  'urn:ietf:params:oauth:request_uri:',
  'urn:ietf:params:oauth:request_uri:ar_unknown',
  'urn:example:other',
])('nothing is fetched for the request_uri %s', async (uri) => {
  const answer = await go('conf', uri)
  expect([answer.status, answer.location]).toEqual([400, undefined])
})

test('while a person signs in, it is remembered', async () => {
  const { body } = await push('conf', { prompt: 'consent' })
  const nobody = openBrowser(server)
  const query = new URLSearchParams({ client_id: 'conf', request_uri: body.request_uri ?? '' })
  const asked = await nobody.authorize(query)
  expect(asked.location?.startsWith('/sign-in?')).toBe(true)
  nobody.signInAs('usr_alice')
  const answer = await nobody.answer(await nobody.get(asked.query.get('return_to') ?? ''))
  expect(answer.query.get('state')).toBe('a state')
})

test('a public client pushes by its name, and another without its secret cannot', async () => {
  const own = await push('pub', {}, {})
  expect(own.status).toBe(201)
  for (const headers of [{}, { Authorization: basic('conf', 'wrong') }, { Authorization: 'x' }]) {
    const { status, body } = await push('conf', {}, headers as Record<string, string>)
    expect([status, body.error]).toEqual([401, 'invalid_client'])
  }
  const posted = await push('conf', { client_secret: secretOf('conf') }, {})
  expect(posted.status).toBe(401)
})

test.each([
  ['another redirect URI', { redirect_uri: 'https://evil.example/cb' }, 'invalid_request'],
  ['no challenge', { code_challenge: undefined }, 'invalid_request'],
  ['another type', { response_type: 'token' }, 'unsupported_response_type'],
  ['nothing that is allowed', { scope: 'admin' }, 'invalid_scope'],
  ['for nowhere', { resource: 'https://nowhere.example' }, 'invalid_target'],
  ['a request_uri in it', { request_uri: 'urn:x' }, 'invalid_request'],
  ['an empty request_uri in it', { request_uri: '' }, 'invalid_request'],
  ['more than an address can carry', { login_hint: 'x'.repeat(20_000) }, 'invalid_request'],
  ['a request object', { request: 'e30.e30.' }, 'request_not_supported'],
  ['the name of another client', { client_id: 'conf2' }, 'invalid_client'],
])('the client is told at once of %s', async (_, more, error) => {
  const { status, body } = await push('conf', more)
  expect([status, body.error]).toEqual([error === 'invalid_client' ? 401 : 400, error])
  expect(body.request_uri).toBeUndefined()
})

test('a client that was switched off meanwhile gets nothing for it', async () => {
  const { body } = await push('conf2')
  await server.database.write(`update clients set disabled = true where client_id = 'conf2'`, [])
  expect((await go('conf2', body.request_uri)).status).toBe(400)
})

test('nothing that was pushed is readable in the database', async () => {
  const { body } = await push('conf')
  const rows = await server.database.read('select * from authorization_requests', [])
  const secret = body.request_uri?.split(':').at(-1) ?? ''
  expect(secret.startsWith('ar_')).toBe(true)
  expect(JSON.stringify(rows)).not.toContain(secret)
})
