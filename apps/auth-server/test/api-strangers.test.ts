/** The server's own API, and what lies beside it: for those who have nothing to do there. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { appUri, authorizeQuery, createPKCE, fieldsOf, peopleConfig } from './browser.js'
import {
  basic,
  createBrowser,
  createClock,
  docs,
  issuer,
  openTestServer,
  type TestServer,
} from './harness.js'

const root = {
  email: 'root@acme.test',
  password: 'some long password',
  role: 'admin',
  tenant_id: 'acme',
  org_role: 'owner',
}

const config = {
  ...peopleConfig,
  users: [root],
  registration: {
    dynamic: { mode: 'open', scope: 'openid docs:read', resources: [docs], tenant_id: 'acme' },
  },
}

const own = `${issuer}/t/one`

let server: TestServer
const callers = new Map<string, Record<string, string>>([['nobody', {}]])

/** Registers itself, is let in by an administrator of everything, and has both credentials. */
const registerAndSignIn = async (): Promise<void> => {
  const answer = await server.request('/register', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ redirect_uris: [appUri], scope: 'openid docs:read admin' }),
  })
  const client = (await answer.json()) as { client_id: string; client_secret: string }
  const byItself = { Authorization: basic(client.client_id, client.client_secret) }
  const browser = createBrowser(server)
  await browser.fill('/sign-in', root, '/sign-in')
  const pkce = createPKCE()
  const query = authorizeQuery(pkce, { client_id: client.client_id, scope: 'openid docs:read' })
  const page = await (await browser.get(`/authorize?${query}`)).text()
  const yes = await browser.post('/consent', { ...fieldsOf(page), decision: 'allow' })
  const code = new URL(yes.headers.get('location') ?? '').searchParams.get('code') ?? ''
  const form = { grant_type: 'authorization_code', code, redirect_uri: appUri }
  const tokens = await server.post<{ access_token: string }>(
    '/token',
    { ...form, code_verifier: pkce.verifier },
    byItself,
  )
  expect(tokens.status).toBe(200)
  callers.set('a client that registered itself', byItself)
  callers.set('a person who is an administrator', {
    Authorization: `Bearer ${tokens.body.access_token}`,
  })
}

beforeAll(async () => {
  server = await openTestServer({ config, issuer: own, clock: createClock() })
  await registerAndSignIn()
  callers.set('an agent', { Authorization: basic('assistant') })
})
afterAll(() => server.close())

const routes: [method: string, path: string, body?: object][] = [
  ['GET', '/admin/clients'],
  ['POST', '/admin/clients', { kind: 'app' }],
  ['GET', '/admin/clients/pub'],
  ['PUT', '/admin/clients/pub', { kind: 'app' }],
  ['DELETE', '/admin/clients/pub'],
  ['POST', '/admin/clients/pub/secret', {}],
  ['POST', '/revocations', { tenant_id: 'acme' }],
  ['GET', '/ledger/verification'],
  ['GET', '/ledger/budgets/tenant:acme'],
  ['POST', '/ledger/budgets/tenant:acme/cap', { cap_usd: '1' }],
  ['POST', '/ledger/budgets/tenant:acme/top-up', { amount_usd: '1' }],
  ['POST', '/ledger/budgets/tenant:acme/close', {}],
  ['POST', '/ledger/reservations', { delegation_id: 'dlg_x', amount_usd: '1', action: 'a' }],
  ['POST', '/ledger/reservations/rsv_x/settle', { amount_usd: '1' }],
  ['POST', '/delegations/dlg_x/revoke', {}],
]

test.each(routes)('%s %s is for none of them', async (method, path, body) => {
  for (const [who, credentials] of callers) {
    const answer = await server.request(path, {
      method,
      headers: {
        ...credentials,
        'Content-Type': 'application/json',
        'Idempotency-Key': who.length.toString(),
      },
      ...(body && { body: JSON.stringify(body) }),
    })
    expect([401, 403, 404], who).toContain(answer.status)
  }
})

test('no refusal of these is kept', async () => {
  expect(await server.database.read('select * from idempotency_keys', [])).toEqual([])
  expect(await server.database.read('select * from revocations', [])).toEqual([])
})

test.each([
  '/token',
  '/t/one/../two/token',
  '/t/one/%2e%2e/two/token',
  '/t%2fone/token',
  '//t/one/token',
  '/t//one/token',
  '/T/one/token',
  '/t/one;/token',
  '/t/one/token/',
  '/t/one./token',
  '/t/two/authorize',
  '/.well-known/oauth-authorization-server',
  '/.well-known/oauth-authorization-server/t/two',
  '/.well-known/oauth-authorization-server/t/one/..',
  '/.well-known/openid-configuration/t/two',
  '/metrics',
  '/debug',
  '/health',
  '/.env',
  '/.git/config',
  '/openapi.json',
  '/package.json',
  '/t/one/auth/get-session',
  '/t/one/auth//passkey/generate-authenticate-options',
  '/t/one/auth/%70asskey/generate-authenticate-options',
])('%s is nothing', async (path) => {
  for (const method of ['GET', 'POST']) {
    const answer = await server.app.request(new URL(issuer).origin + path, { method })
    // What a passkey's route is sent is looked at first.
    expect([400, 404]).toContain(answer.status)
    expect(await answer.text()).not.toMatch(/"issuer"|postgres|node_modules/)
  }
})
