/** Sign-in, the session, and the way out. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type Browser,
  baseConfig,
  createBrowser,
  hiddenFields,
  openTestServer,
  signIn,
  type TestServer,
} from './harness.js'

const alice = { email: 'alice@acme.test', password: 'correct horse battery' }

const config = {
  ...baseConfig,
  users: [
    { ...alice, name: 'Alice', tenant_id: 'acme', org_role: 'owner', claims: { plan: 'gold' } },
    { email: 'off@acme.test', password: 'a long enough one', tenant_id: 'acme', disabled: true },
    { email: 'bare@acme.test', tenant_id: 'acme' },
  ],
}

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({ config })
})
afterAll(() => server.close())

const sessionOf = (cookie: string) =>
  server.deps.people.sessionOf(new Request('http://127.0.0.1:4000/', { headers: { cookie } }))

const enter = (browser: Browser, fields: Record<string, string>, page = '/sign-in') =>
  browser.fill(page, fields, '/sign-in')

test('signs a person in, knows them, and signs them out', async () => {
  const browser = createBrowser(server)
  const answer = await enter(browser, alice, '/sign-in?return_to=/authorize?client_id=desktop')
  expect(answer.status).toBe(303)
  expect(answer.headers.get('location')).toBe('/authorize?client_id=desktop')
  const session = await sessionOf(browser.cookie())
  expect(session).toMatchObject({
    person: {
      sub: expect.stringMatching(/^usr_[\w-]{22}$/),
      email: alice.email,
      emailVerified: true,
      name: 'Alice',
      role: 'user',
      claims: { plan: 'gold' },
      disabled: false,
    },
    authenticatedAt: server.clock.now(),
    memberships: [{ tenant_id: 'acme', orgRole: 'owner', disabled: false, claims: {} }],
    activeTenantId: undefined,
  })
  const kept = browser.cookie()
  const security = await (await browser.get('/account/organization')).text()
  const left = await browser.post('/sign-out', hiddenFields(security))
  expect(left.status).toBe(303)
  expect(await sessionOf(kept)).toBeUndefined()
})

test('the address is the same in capitals', async () => {
  const cookie = await signIn(server, { ...alice, email: ' Alice@ACME.test ' })
  expect((await sessionOf(cookie))?.person.email).toBe(alice.email)
})

test('the cookie is for this host, unreadable by scripts, and not sent along from other sites', async () => {
  const browser = createBrowser(server)
  const lines = (await enter(browser, alice)).headers.getSetCookie()
  const line = lines.find((one) => /^behalf\.session_token=[^;]/.test(one))
  expect(line).toMatch(/; Path=\/(;|$)/)
  expect(line).toMatch(/; HttpOnly(;|$)/)
  expect(line).toMatch(/; SameSite=Lax(;|$)/)
  expect(line).not.toMatch(/Domain=/i)
})

test.each([
  ['a wrong password', { ...alice, password: 'wrong password here' }],
  ['an address that nobody has', { ...alice, email: 'nobody@acme.test' }],
  ['an account without a password', { ...alice, email: 'bare@acme.test' }],
  ['no password', { email: alice.email, password: '' }],
  ['something endless', { ...alice, password: 'x'.repeat(5000) }],
])('says the same to %s', async (_, fields) => {
  const answer = await enter(createBrowser(server), fields)
  const html = await answer.text()
  expect(answer.status).toBe(401)
  expect(html).toContain('The e-mail address or the password is wrong.')
  expect(answer.headers.getSetCookie().join()).not.toContain('session_token')
})

test('a person who is switched off gets no session, and has none any more', async () => {
  const answer = await enter(createBrowser(server), {
    email: 'off@acme.test',
    password: 'a long enough one',
  })
  expect(answer.status).toBe(403)
  expect(answer.headers.getSetCookie().join()).not.toContain('session_token')

  const cookie = await signIn(server, alice)
  const { person } = (await sessionOf(cookie)) ?? {}
  const users = [{ ...alice, disabled: true }, ...config.users.slice(1)]
  await server.applyConfig({ ...config, users })
  expect(await sessionOf(cookie)).toBeUndefined()
  expect((await server.deps.people.find(person?.sub ?? ''))?.person.disabled).toBe(true)
  await server.applyConfig({ ...config, users: [{ ...alice, disabled: false }] })
  expect(await sessionOf(cookie)).toBeDefined()
})

test('a session ends at its time, and a cookie that somebody changed is none', async () => {
  const cookie = await signIn(server, alice)
  expect(await sessionOf(cookie.replace(/session_token=./, 'session_token=!'))).toBeUndefined()
  expect(await sessionOf(cookie.replace(/%3D/, ''))).toBeDefined()
  expect(await sessionOf(cookie.replace(/\.[^.;]*$/, '.AAAA'))).toBeUndefined()
  expect(await sessionOf('behalf.session_token=%')).toBeUndefined()
  server.clock.advance(168 * 3600 - 1)
  expect(await sessionOf(cookie)).toBeDefined()
  server.clock.advance(1)
  expect(await sessionOf(cookie)).toBeUndefined()
})

test('signing in again ends the session that this browser had', async () => {
  const browser = createBrowser(server)
  await enter(browser, alice)
  const first = browser.cookie()
  await enter(browser, alice)
  expect(browser.cookie()).not.toBe(first)
  expect(await sessionOf(first)).toBeUndefined()
  expect(await sessionOf(browser.cookie())).toBeDefined()
})

test.each([
  '//evil.example/',
  'https:%5C%5Cevil.example',
  'https://evil.example',
  'javascript:alert(1)',
  '/authorize/..//evil.example',
])('after sign-in nobody is sent away, whatever return_to says: %s', async (target) => {
  const browser = createBrowser(server)
  const page = `/sign-in?return_to=${target}&redirect=${target}`
  const answer = await enter(browser, alice, page)
  expect(answer.headers.get('location')).toBe('/account')
  const direct = await browser.fill('/sign-in', { ...alice, return_to: decodeURIComponent(target) })
  expect(direct.headers.get('location')).toBe('/account')
})

test.each(['/sign-in', '/sign-up', '/reset-password', '/verify-email?token=a', '/two-factor'])(
  '%s cannot be framed, is not kept, and is not found by search engines',
  async (path) => {
    const { headers } = await server.request(path)
    expect(headers.get('content-security-policy')).toMatch(
      /default-src 'none'.*frame-ancestors 'none'/,
    )
    expect(headers.get('x-frame-options')).toBe('DENY')
    expect(headers.get('cache-control')).toBe('no-store')
  },
)

test('a form counts only from its own page, in its own browser', async () => {
  const browser = createBrowser(server)
  const html = await (await browser.get('/sign-in')).text()
  const fields = { ...hiddenFields(html), ...alice }
  const other = createBrowser(server)
  const foreign = hiddenFields(await (await other.get('/sign-in')).text())
  const reasons = await Promise.all(
    [
      browser.post('/sign-in', alice),
      browser.post('/sign-in', { ...fields, csrf: foreign.csrf ?? '' }),
      browser.post('/sign-in', fields, { Origin: 'https://evil.example' }),
      browser.post('/sign-in', fields, { 'Sec-Fetch-Site': 'cross-site' }),
      browser.post('/sign-in', fields, { Origin: 'null' }),
      server.request('/sign-in', {
        method: 'POST',
        body: new URLSearchParams(fields),
        headers: { Cookie: browser.cookie() },
      }),
      createBrowser(server).post('/sign-in', fields),
    ].map(async (answer) => {
      const { status, headers } = await answer
      expect(status).toBe(403)
      expect(headers.get('content-type')).toMatch(/^text\/html/)
      expect(headers.getSetCookie().join()).not.toContain('session_token')
    }),
  )
  expect(reasons).toHaveLength(7)
  expect((await browser.post('/sign-in', fields)).status).toBe(303)
})

test('a form of one session does not count in another', async () => {
  const browser = createBrowser(server)
  await enter(browser, alice)
  const before = hiddenFields(await (await browser.get('/account/organization')).text())
  await enter(browser, alice)
  const answer = await browser.post('/account/organization', { ...before, tenant_id: 'acme' })
  expect(answer.status).toBe(403)
})

test('what better-auth could do besides is not there', async () => {
  const cookie = await signIn(server, alice)
  for (const path of [
    ...['sign-in/email', 'sign-up/email', 'update-user', 'change-password', 'change-email'],
    ...['organization/create', 'organization/update', 'sso/register', 'get-session', 'ok'],
    ...['sign-in/social', 'callback/google', 'list-sessions', 'delete-user', 'error'],
  ]) {
    for (const method of ['GET', 'POST']) {
      const { status } = await server.request(`/auth/${path}`, {
        method,
        headers: {
          Cookie: cookie,
          Origin: 'http://127.0.0.1:4000',
          'Content-Type': 'application/json',
        },
        ...(method === 'POST' && { body: '{"role":"admin","disabled":false}' }),
      })
      expect([path, method, status]).toEqual([path, method, 404])
    }
  }
})

test('no password and no session stands in the log', () => {
  expect(server.log.join('\n')).not.toMatch(/correct horse|session_token|behalf\.form/)
})
