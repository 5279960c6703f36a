/** What strangers do to the doors that people come in by: floods, bodies without end, odd bytes. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { authorizeQuery, createPKCE, peopleConfig } from './browser.js'
import { createBrowser, hiddenFields, issuer, openTestServer, type TestServer } from './harness.js'

const alice = { email: 'alice@acme.test', password: 'some long password', tenant_id: 'acme' }

const proxy = 'x-caller'

const config = {
  ...peopleConfig,
  users: [alice],
  registration: {
    dynamic: { mode: 'open', registrations_per_minute: 3 },
  },
  people: {
    address_header: proxy,
    social: { google: { client_id: 'us', client_secret: 'a-secret-of-the-site' } },
  },
}

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({ config })
})
afterAll(() => server.close())

const from = (address: string) => ({ [proxy]: address })

const statusesOf = async (count: number, send: (n: number) => Promise<Response>) => {
  const statuses: number[] = []
  for (let n = 0; n < count; n += 1) statuses.push((await send(n)).status)
  return statuses
}

const passkeyOptions = '/auth/passkey/generate-authenticate-options'

describe('what one address does too often', () => {
  const doors: [name: string, path: string, good: number, most: number][] = [
    ['sign-in elsewhere', '/sign-in/with/google', 303, 100],
    ['sign-in with a passkey', passkeyOptions, 200, 100],
    ['authorization', `/authorize?${authorizeQuery(createPKCE())}`, 303, 300],
  ]
  test.each(doors)('is refused to it, and to nobody else: %s', async (_, path, good, most) => {
    server.clock.advance(3600)
    const ask = (address: string) => server.request(path, { headers: from(address) })
    const everybody = await statusesOf(120, (n) => ask(`192.0.2.${n}`))
    expect(new Set(everybody)).toEqual(new Set([good]))
    // Who has one address of IPv6 has all of its network.
    const one = await statusesOf(most + 1, (n) => ask(`2001:db8:${path.length}::${n.toString(16)}`))
    expect(new Set(one.slice(0, most))).toEqual(new Set([good]))
    expect([429, 503]).toContain(one.at(-1))
    expect((await ask('198.51.100.7')).status).toBe(good)
  })

  test('makes no more rows with ever new names', async () => {
    server.clock.advance(3600)
    const browser = createBrowser(server)
    const rows = async () => (await server.database.read('select * from attempts', [])).length
    const tryAs = (n: number) =>
      browser.post('/reset-password', { ...fields, email: `n${n}@acme.test` }, from('192.0.2.77'))
    const fields = hiddenFields(await (await browser.get('/reset-password')).text())
    await statusesOf(30, tryAs)
    const before = await rows()
    expect(await statusesOf(5, (n) => tryAs(100 + n))).toEqual([429, 429, 429, 429, 429])
    expect(await rows()).toBe(before)
  })

  test('is refused to it, and to nobody else: registration', async () => {
    const register = (address: string) =>
      server.request('/register', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...from(address) },
        body: JSON.stringify({ redirect_uris: ['https://app.example.test/cb'] }),
      })
    // As many refusals as all addresses together may have registrations.
    const one = await statusesOf(40, (n) => register(`2001:db8::${n.toString(16)}`))
    expect(one.filter((status) => status === 201)).toHaveLength(3)
    expect((await register('198.51.100.7')).status).toBe(201)
  })
})

describe('what is posted to the routes of passkeys', () => {
  const post = async (body: string, type = 'application/json') => {
    const browser = createBrowser(server)
    await browser.get(passkeyOptions, from('198.51.100.20'))
    return server.request('/auth/passkey/verify-authentication', {
      method: 'POST',
      headers: {
        'Content-Type': type,
        Origin: issuer,
        Cookie: browser.cookie(),
        ...from('198.51.100.21'),
      },
      body,
    })
  }
  const assertion = (id: string) =>
    JSON.stringify({ response: { id, rawId: id, type: 'public-key', response: {} } })

  test('is read to 64 KiB and no further', async () => {
    expect((await post(assertion('x'.repeat(70_000)))).status).toBe(413)
    expect((await post(assertion('x'.repeat(1000)))).status).toBe(401)
  })

  test.each([
    ['a NUL', assertion('a\u0000b'), 400],
    ['half a character', assertion('\ud800'), 401],
    ['nothing', '', 400],
    ['no object', '[]', 400],
    ['null', 'null', 400],
    ['no JSON', '{', 400],
    ['no response', '{"response":null}', 400],
    ['an unknown key', assertion('x'), 401],
  ])('with %s is a bad request, never a failure', async (_, body, status) => {
    expect((await post(body)).status).toBe(status)
  })

  test('as a form is not read', async () => {
    expect((await post('a=%00', 'application/x-www-form-urlencoded')).status).toBe(400)
  })
})
