/** Sign-in with an account at another site, which here is a small OpenID provider of our own. */
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { baseConfig, createBrowser, openTestServer, type TestServer } from './harness.js'

interface Account {
  sub: string
  email: string
  email_verified: boolean
  name: string
}

let provider: Server
let site: string
let account: Account
let isUp = true
let nonce: string | undefined

const fay: Account = { sub: 'f1', email: 'fay@corp.test', email_verified: true, name: 'Fay' }

const readBody = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

const startProvider = async (): Promise<void> => {
  const { privateKey, publicKey } = await generateKeyPair('RS256')
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k', alg: 'RS256', use: 'sig' }
  const idToken = () =>
    new SignJWT({ ...account, ...(nonce !== undefined && { nonce }) })
      .setProtectedHeader({ alg: 'RS256', kid: 'k' })
      .setIssuer(site)
      .setAudience('behalf')
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(privateKey)
  const answers: Record<string, () => Promise<object> | object> = {
    '/.well-known/openid-configuration': () => ({
      issuer: site,
      authorization_endpoint: `${site}/authorize`,
      token_endpoint: `${site}/token`,
      userinfo_endpoint: `${site}/userinfo`,
      jwks_uri: `${site}/jwks`,
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    }),
    '/jwks': () => ({ keys: [jwk] }),
    '/token': async () => ({
      access_token: 'upstream-access-token',
      token_type: 'Bearer',
      expires_in: 300,
      id_token: await idToken(),
    }),
    '/userinfo': () => account,
  }
  provider = createServer(async (request, response) => {
    await readBody(request)
    const answer = isUp ? await answers[(request.url ?? '').split('?')[0] ?? '']?.() : undefined
    response.writeHead(answer ? 200 : 503, { 'Content-Type': 'application/json' })
    response.end(JSON.stringify(answer ?? {}))
  })
  await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve))
  const address = provider.address()
  site = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}

const client = { client_id: 'behalf', client_secret: 'a-secret-of-the-site' }

let server: TestServer
const people = (more: object = {}) => ({
  sign_up: 'open',
  oidc: [
    {
      provider_id: 'corp',
      name: 'Corp',
      discovery_url: `${site}/.well-known/openid-configuration`,
      ...client,
    },
  ],
  sso: [
    {
      provider_id: 'globex-sso',
      tenant_id: 'globex',
      domain: 'corp.test',
      issuer: site,
      ...client,
    },
  ],
  ...more,
})

const vera = { email: 'vera@corp.test', password: 'some long password' }

beforeAll(async () => {
  await startProvider()
  const config = { ...baseConfig, users: [vera], people: people() }
  server = await openTestServer({ config })
})
afterAll(async () => {
  await server.close()
  provider.close()
})

/** There and back, as the browser would go. */
const travel = async (as: Account, id = 'corp', at = server, returnTo = '/device') => {
  account = as
  const browser = createBrowser(at)
  const away = await browser.get(`/sign-in/with/${id}?return_to=${returnTo}`)
  const target = new URL(away.headers.get('location') ?? 'http://nowhere')
  nonce = target.searchParams.get('nonce') ?? undefined
  const state = target.searchParams.get('state') ?? ''
  const kind = id === 'corp' ? 'callback' : 'sso/callback'
  const query = new URLSearchParams({ code: 'abc', state, iss: site })
  const back = await browser.get(`/auth/${kind}/${id}?${query}`)
  const request = new Request('http://127.0.0.1:4000', { headers: { cookie: browser.cookie() } })
  return { browser, away, target, back, session: await at.deps.people.sessionOf(request) }
}

test('while the other site is away sign-in with it waits, and works as soon as it is back', async () => {
  isUp = false
  const answer = await server.request('/sign-in/with/corp')
  expect(answer.status).toBe(503)
  expect(answer.headers.get('content-type')).toMatch(/html/)
  isUp = true
  expect((await server.request('/sign-in/with/corp')).status).toBe(303)
})

test('goes there with PKCE and state, comes back, and ends where one wanted to go', async () => {
  const { away, target, back, session } = await travel(fay)
  expect(away.status).toBe(303)
  expect(target.origin).toBe(site)
  expect(target.searchParams.get('redirect_uri')).toBe('http://127.0.0.1:4000/auth/callback/corp')
  expect(target.searchParams.get('code_challenge_method')).toBe('S256')
  expect(target.searchParams.get('state')?.length).toBeGreaterThan(20)
  expect(back.headers.get('location')).toBe('http://127.0.0.1:4000/device')
  expect(session?.person).toMatchObject({ email: fay.email, emailVerified: true, name: 'Fay' })
  const again = await travel(fay)
  expect(again.session?.person.sub).toBe(session?.person.sub)
})

test('the tokens of the other site are not kept', async () => {
  const rows = await server.database.read(
    `select access_token, refresh_token, id_token from accounts where provider_id = 'corp'`,
    [],
  )
  expect(rows).toEqual([{ access_token: null, refresh_token: null, id_token: null }])
})

test('an answer that this browser has not asked for signs nobody in', async () => {
  account = fay
  const victim = createBrowser(server)
  const other = createBrowser(server)
  const away = await other.get('/sign-in/with/corp')
  const state = new URL(away.headers.get('location') ?? '').searchParams.get('state') ?? ''
  const back = await victim.get(
    `/auth/callback/corp?${new URLSearchParams({ code: 'abc', state })}`,
  )
  expect(new URL(back.headers.get('location') ?? '').pathname).toBe('/sign-in')
  expect(victim.cookie()).not.toContain('session_token')
  const page = await victim.get('/sign-in?error=state_mismatch')
  expect(await page.text()).toContain('did not confirm who you are')
})

test('an address that the other site has not confirmed takes over no account', async () => {
  const stranger = { ...fay, sub: 'x9', email: vera.email, email_verified: false }
  const { session } = await travel(stranger)
  expect(session).toBeUndefined()
  const rows = await server.database.read(`select 1 from accounts where account_id = 'x9'`, [])
  expect(rows).toEqual([])
})

test('an address that nobody has confirmed gives no session, also where it is new here', async () => {
  const gus = { sub: 'g1', email: 'gus@corp.test', email_verified: false, name: 'Gus' }
  const { session, back } = await travel(gus)
  expect(session).toBeUndefined()
  expect(new URL(back.headers.get('location') ?? '').pathname).toBe('/sign-in')
})

test.each(['closed', 'invited'])(
  'where sign-up is %s the other site makes no accounts, and those that are there work',
  async (mode) => {
    const closed = await openTestServer({
      config: { ...baseConfig, people: people({ sign_up: mode }) },
      database: server.database,
      clock: server.clock,
    })
    const email = `nina-${mode}@corp.test`
    const nina = { sub: `n1-${mode}`, email, email_verified: true, name: 'Nina' }
    const refused = await travel(nina, 'corp', closed)
    expect(refused.session).toBeUndefined()
    expect(await server.deps.store.people.findByEmail(email)).toBeUndefined()
    expect((await travel(fay, 'corp', closed)).session?.person.email).toBe(fay.email)

    const upstream = await travel({ ...nina, sub: `n2-${mode}` }, 'globex-sso', closed)
    expect(upstream.session).toMatchObject({
      person: { email },
      memberships: [{ tenant_id: 'globex', orgRole: 'member' }],
    })
  },
)

test('the provider of an organization speaks for its own domain, and for nobody else', async () => {
  const taken = await travel({ ...fay, sub: 'z1', email: 'vera@acme.test' }, 'globex-sso')
  expect(taken.session).toBeUndefined()
  expect(await server.deps.store.people.findByEmail('vera@acme.test')).toBeUndefined()
  const linked = await travel({ ...fay, sub: 'z2', email: vera.email }, 'globex-sso')
  expect(linked.session?.person.email).toBe(vera.email)
  // The same account of theirs, now with an address that is not theirs to give.
  const moved = await travel({ ...fay, sub: 'z2', email: 'root@acme.test' }, 'globex-sso')
  expect(moved.session).toBeUndefined()
})

test('the routes of SAML are closed', async () => {
  const closed = [
    ['GET', '/sso/saml2/sp/metadata?providerId=globex-sso'],
    ['POST', '/sso/saml2/sp/acs/globex-sso'],
    ['POST', '/sso/saml2/callback/globex-sso'],
    ['POST', '/sso/saml2/sp/slo/globex-sso'],
    ['POST', '/sso/callback/globex-sso'],
    ['POST', '/sso/register'],
  ] as const
  const headers = { Origin: 'http://127.0.0.1:4000' }
  const body = new URLSearchParams({ SAMLResponse: 'PHNhbWxwOlJlc3BvbnNlLz4=' })
  for (const [method, path] of closed) {
    const init = method === 'POST' ? { method, body, headers } : { method }
    expect((await server.request(`/auth${path}`, init)).status).toBe(404)
  }
})

test('there is no other way to sign in than those of the configuration', async () => {
  for (const id of ['google', 'constructor', '__proto__', 'globex']) {
    expect((await server.request(`/sign-in/with/${id}`)).status).toBe(404)
    expect((await server.request(`/auth/callback/${id}?code=a&state=b`)).status).toBe(404)
  }
})

test('nobody is sent to a foreign page after it', async () => {
  const { back } = await travel(fay, 'corp', server, '//evil.example/')
  expect(back.headers.get('location')).toBe('http://127.0.0.1:4000/account')
})
