/**
 * Browsers hold `form-action` against every redirect that follows a form. Where sign-in leads back to a
 * request that waits, it may end at the client.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { authorizeQuery, createPKCE, peopleConfig } from './browser.js'
import { createBrowser, openTestServer, type TestServer } from './harness.js'

const alice = { email: 'alice@acme.test', password: 'correct horse battery' }

let server: TestServer
/** The path that an authorization waits at. */
let returnTo: string
beforeAll(async () => {
  const users = [{ ...alice, tenant_id: 'acme' }]
  server = await openTestServer({
    config: { ...peopleConfig, users, people: { sign_up: 'open' } },
  })
  const asked = await server.request(`/authorize?${authorizeQuery(createPKCE())}`)
  const signIn = new URL(asked.headers.get('location') ?? '', 'http://127.0.0.1:4000')
  returnTo = signIn.searchParams.get('return_to') ?? ''
})
afterAll(() => server.close())

const formAction = ({ headers }: Response): string | undefined =>
  /form-action ([^;]*)/.exec(headers.get('content-security-policy') ?? '')?.[1]

const pages = ['/sign-in', '/sign-up', '/verify-email', '/two-factor']

test.each(pages)('%s lets its form end at the client that waits', async (path) => {
  const query = new URLSearchParams({ return_to: returnTo })
  const page = await server.request(`${path}?${query}`)
  expect(page.status).toBe(200)
  expect(formAction(page)).toBe("'self' https://app.example.test")
})

test.each(pages)('%s still lets it after something was wrong', async (path) => {
  const browser = createBrowser(server)
  const query = new URLSearchParams({ return_to: returnTo })
  const wrong = { email: 'nobody', password: 'x', code: '0', token: 'x' }
  const page = await browser.fill(`${path}?${query}`, wrong)
  expect(page.status).toBeGreaterThanOrEqual(400)
  expect(formAction(page)).toBe("'self' https://app.example.test")
})

test('the switcher of organizations lets it as well', async () => {
  const browser = createBrowser(server)
  await browser.fill('/sign-in', alice)
  const query = new URLSearchParams({ return_to: returnTo })
  const page = await browser.get(`/account/organization?${query}`)
  expect(formAction(page)).toBe("'self' https://app.example.test")
})

test.each([...pages, '/reset-password'])('%s lets it nowhere where nothing waits', async (path) => {
  for (const other of ['/account', '/authorize?continue=ar_unknown', 'https://evil.example/']) {
    const page = await server.request(`${path}?${new URLSearchParams({ return_to: other })}`)
    expect(formAction(page)).toBe("'self'")
  }
})
