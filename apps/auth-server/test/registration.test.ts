/** Clients that register themselves. RFC 7591. */
import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findClient } from '../src/registration/find-client.js'
import { noteUse } from '../src/registration/note-use.js'
import { reapClients } from '../src/registration/reap-clients.js'
import { clients, delegations } from '../src/store/schema.js'
import { es256, jws } from './forge.js'
import { baseConfig, basic, docs, mail, openTestServer, type TestServer } from './harness.js'

const initialToken = 'an-initial-access-token-for-tests'

const dynamicConfig = (dynamic: object) => ({ ...baseConfig, registration: { dynamic } })

const open = {
  mode: 'open',
  scope: 'docs:read docs:write',
  resources: [docs],
  tenant_id: 'acme',
  registrations_per_minute: 10_000,
}

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({ config: dynamicConfig(open) })
})
afterAll(() => server.close())

const openBeside = (dynamic: object) =>
  openTestServer({
    database: server.database,
    clock: server.clock,
    config: dynamicConfig(dynamic),
  })

const good = { client_name: 'x', redirect_uris: ['https://app.example.test/cb'] }

interface Registered {
  client_id: string
  client_secret?: string
  registration_access_token: string
  registration_client_uri: string
  error?: string
  [member: string]: unknown
}

const send = async (
  body: unknown,
  { at = server, headers = {} }: { at?: TestServer; headers?: Record<string, string> } = {},
) => {
  const response = await at.request('/register', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    body: (text ? JSON.parse(text) : {}) as Registered,
  }
}

const register = async (more: object = {}) => {
  const { status, body } = await send({ ...good, ...more })
  expect(status).toBe(201)
  return body
}

const stored = (id: string) => findClient(id, server.deps)

describe('a registration', () => {
  test('answers all that was registered, and the secrets this once', async () => {
    const { status, headers, body } = await send({
      ...good,
      client_uri: 'https://app.example.test/',
      contacts: ['ops@app.example.test'],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      scope: 'docs:write docs:read',
    })
    expect([status, headers.get('cache-control')]).toEqual([201, 'no-store'])
    expect(body).toEqual({
      client_id: expect.stringMatching(/^dyn_[\w-]{22}$/),
      client_id_issued_at: server.clock.seconds(),
      client_secret: expect.stringMatching(/^cs_[\w-]{43}$/),
      client_secret_expires_at: 0,
      registration_access_token: expect.stringMatching(/^rat_[\w-]{43}$/),
      registration_client_uri: `${server.deps.issuer}/register/${body.client_id}`,
      client_name: 'x',
      application_type: 'web',
      redirect_uris: ['https://app.example.test/cb'],
      token_endpoint_auth_method: 'client_secret_basic',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      scope: 'docs:read docs:write',
      client_uri: 'https://app.example.test/',
      contacts: ['ops@app.example.test'],
    })
  })

  test('makes a client that authenticates with its secret, and has no grant of machines', async () => {
    const { client_id, client_secret } = await register()
    const token = (secret?: string) =>
      server.post<Record<string, unknown>>(
        '/token',
        { grant_type: 'client_credentials', resource: docs },
        { Authorization: basic(client_id, secret) },
      )
    expect((await token(client_secret)).body.error).toBe('unauthorized_client')
    expect((await token('another-secret')).body.error).toBe('invalid_client')
  })

  test('of a public client has no secret', async () => {
    const body = await register({ token_endpoint_auth_method: 'none' })
    expect(body).not.toHaveProperty('client_secret')
    expect(body).not.toHaveProperty('client_secret_expires_at')
    expect((await stored(body.client_id))?.client_secret_hash).toBeUndefined()
  })

  test('leaves nothing in the database or the log that could be used', async () => {
    const { client_id, client_secret, registration_access_token } = await register()
    const rows = JSON.stringify(await server.database.drizzle.select().from(clients))
    expect(rows).toContain(client_id)
    for (const secret of [client_secret, registration_access_token]) {
      expect(rows).not.toContain(secret)
      expect(server.log.join('\n')).not.toContain(secret)
    }
  })

  test('takes the default grant and method of RFC 7591 where nothing is said', async () => {
    const body = await register()
    expect(body.grant_types).toEqual(['authorization_code'])
    expect(body.token_endpoint_auth_method).toBe('client_secret_basic')
  })

  test('ignores members that it does not know, and null', async () => {
    const body = await register({ 'client_name#ja-Jpan-JP': 'x', unknown: { a: 1 }, tos_uri: null })
    expect(body).not.toHaveProperty('unknown')
    expect(body).not.toHaveProperty('tos_uri')
  })

  test('chooses neither its id nor its secrets nor what it is', async () => {
    const before = await stored('desktop')
    const chosen = {
      client_id: 'desktop',
      client_secret: 'aaaaaaaa',
      client_id_issued_at: 1,
      client_secret_expires_at: 1,
      registration_access_token: 'x',
      registration_client_uri: 'https://evil.example.test',
      kind: 'agent',
      tenant_id: 'globex',
      agent_limits: { cost_budget_usd: 1000 },
      agent_type: 'planner',
      resources: [mail],
      disabled: false,
      registered_by: 'config',
      root_delegation_id: 'dlg_1',
    }
    const body = await register(chosen)
    for (const [name, value] of Object.entries(chosen)) expect(body[name]).not.toEqual(value)
    expect(await stored(body.client_id)).toMatchObject({
      kind: 'app',
      registered_by: 'dynamic',
      tenant_id: 'acme',
      agent_type: undefined,
      agent_limits: {},
      resources: [docs],
    })
    expect(await stored('desktop')).toEqual(before)
  })

  test('gets the scope that the operator allows, whatever it asks for, and is told so', async () => {
    const scopes = ['docs:read admin budgets:charge', 'admin', '', 'docs:read docs:write mail:send']
    const got = await Promise.all(scopes.map(async (scope) => (await register({ scope })).scope))
    expect(new Set(got)).toEqual(new Set(['docs:read docs:write']))
    expect((await register()).scope).toBe('docs:read docs:write')
    const client = await stored((await register({ scope: 'admin' })).client_id)
    expect(client?.api_scope).toEqual([])
  })
})

describe('application_type', () => {
  test.each([
    [{ redirect_uris: ['https://app.example.test/cb'] }, 'web'],
    [{ redirect_uris: ['http://127.0.0.1/cb'] }, 'native'],
    [{ redirect_uris: ['http://[::1]:4321/cb'] }, 'native'],
    [{ redirect_uris: ['http://localhost:4321/cb', 'https://app.example.test/cb'] }, 'native'],
    [{ redirect_uris: ['https://app.example.test/cb'], application_type: 'native' }, 'native'],
  ])('of %j is %s', async (metadata, type) => {
    expect((await register(metadata)).application_type).toBe(type)
  })

  test.each([
    'http://127.0.0.1/cb',
    'http://localhost/cb',
    'https://localhost/cb',
    'https://[::1]/cb',
  ])('web does not go with %s', async (uri) => {
    const { status, body } = await send({ redirect_uris: [uri], application_type: 'web' })
    expect([status, body.error]).toEqual([400, 'invalid_redirect_uri'])
  })
})

test.each([
  'javascript:alert(1)',
  'JaVaScRiPt:alert(1)',
  ' java\tscript:alert(1)',
  'data:text/html,x',
  'vbscript:x',
  'file:///etc/passwd',
  'about:blank',
  'blob:https://app.example.test/x',
  'http://app.example.test/cb',
  'http://localhost.evil.example/cb',
  'http://127.0.0.1.evil.example/cb',
  'http://127.0.0.1@evil.example/cb',
  'https://app.example.test@evil.example/cb',
  'https://a@b@evil.example/cb',
  'https://@evil.example/cb',
  'https://app.example.test/cb#x',
  'https://app.example.test/cb#',
  'https://app.example.test/a/../cb',
  'https://app.example.test/a/%2e%2e/cb',
  'https://app.example.test:443/cb',
  'https://APP.example.test/cb',
  'HTTPS://app.example.test/cb',
  'https://app.example.test\\cb',
  'https://аpp.example.test/cb',
  'http://2130706433/cb',
  'http://127.1/cb',
  'http://0.0.0.0/cb',
  'http://[::ffff:127.0.0.1]/cb',
  'http://[0:0:0:0:0:0:0:1]/cb',
  'https://*.example.test/cb',
  'https://a;b.example.test/cb',
  '//app.example.test/cb',
  '/cb',
  '',
  'https://',
  `https://app.example.test/${'a'.repeat(1000)}`,
  'https://app.example.test/\u0000',
  'com.example.app:/cb',
])('the redirect URI %j cannot be registered', async (uri) => {
  const { status, body } = await send({ redirect_uris: ['https://app.example.test/cb', uri] })
  expect([status, body.error]).toEqual([400, 'invalid_redirect_uri'])
})

describe('a registration is refused', () => {
  const withUri = (members: object) => ({ ...good, ...members })
  const many = Array.from({ length: 1000 }, (_, n) => `https://a.example/${n}`)
  const cases: [string, unknown, string][] = [
    ...['password', 'implicit', 'client_credentials', '__proto__'].map(
      (grant): [string, unknown, string] => [
        `the grant ${grant}`,
        withUri({ grant_types: ['authorization_code', grant] }),
        'invalid_client_metadata',
      ],
    ),
    [
      'token exchange',
      withUri({ grant_types: ['urn:ietf:params:oauth:grant-type:token-exchange'] }),
      'invalid_client_metadata',
    ],
    ['refreshing alone', withUri({ grant_types: ['refresh_token'] }), 'invalid_client_metadata'],
    ['no grant', withUri({ grant_types: [] }), 'invalid_client_metadata'],
    [
      'the implicit response',
      withUri({ grant_types: ['implicit'], response_types: ['token'] }),
      'invalid_client_metadata',
    ],
    ['a hybrid one', withUri({ response_types: ['code id_token'] }), 'invalid_client_metadata'],
    ['no response', withUri({ response_types: [] }), 'invalid_client_metadata'],
    ...['private_key_jwt', 'client_secret_jwt', 'tls_client_auth', 'unknown'].map(
      (method): [string, unknown, string] => [
        `the method ${method}`,
        withUri({ token_endpoint_auth_method: method }),
        'invalid_client_metadata',
      ],
    ),
    [
      'an unknown kind of application',
      withUri({ application_type: 'tv' }),
      'invalid_client_metadata',
    ],
    ['a scope that is none', withUri({ scope: 'a  b' }), 'invalid_client_metadata'],
    ['a name with a line break', withUri({ client_name: 'a\nb' }), 'invalid_client_metadata'],
    ['half a character in the name', withUri({ client_name: '\ud800' }), 'invalid_client_metadata'],
    ['a long name', withUri({ client_name: 'x'.repeat(201) }), 'invalid_client_metadata'],
    ['a number for a name', withUri({ client_name: 1 }), 'invalid_client_metadata'],
    ['many contacts', withUri({ contacts: Array(21).fill('a') }), 'invalid_client_metadata'],
    ['no redirect URI', { client_name: 'x' }, 'invalid_redirect_uri'],
    ['an empty list of them', { redirect_uris: [] }, 'invalid_redirect_uri'],
    ['one that is not in a list', { redirect_uris: 'https://a.example/' }, 'invalid_redirect_uri'],
    ['a list with a hole', { redirect_uris: [null, 'https://a.example/'] }, 'invalid_redirect_uri'],
    ['a thousand of them', { redirect_uris: many }, 'invalid_redirect_uri'],
    ['a list', '[1]', 'invalid_request'],
    ['text', '"a"', 'invalid_request'],
    ['null', 'null', 'invalid_request'],
    ['nothing', '', 'invalid_request'],
    ['half of an object', '{"redirect_uris":[', 'invalid_request'],
    ['deep nesting', `{"a":${'['.repeat(30_000)}${']'.repeat(30_000)}}`, 'invalid_redirect_uri'],
    [
      'a member that is there twice',
      '{"redirect_uris":["https://app.example.test/cb"],"redirect_uris":["https://evil.example"]}',
      'invalid_request',
    ],
    [
      'a prototype',
      '{"__proto__":{"a":1},"redirect_uris":["https://a.example/"]}',
      'invalid_request',
    ],
  ]
  test.each(cases)('for %s', async (_, body, error) => {
    const answer = await send(body)
    expect([answer.status, answer.body.error]).toEqual([400, error])
  })

  test('when it is large', async () => {
    const answer = await send({ ...good, client_name: 'x'.repeat(1024 * 1024) })
    expect([answer.status, answer.body.error]).toEqual([413, 'invalid_request'])
  })

  test('when it is a form', async () => {
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
    expect((await send('client_name=x', { headers })).body.error).toBe('invalid_request')
  })
})

describe('what a client points at', () => {
  const targets = (port: number) => [
    `http://127.0.0.1:${port}/`,
    'http://169.254.169.254/',
    'http://[::ffff:169.254.169.254]/',
    'file:///etc/passwd',
  ]
  const members = ['jwks_uri', 'sector_identifier_uri', 'logo_uri', 'client_uri', 'policy_uri']

  test('is never fetched, and what we would not show is not kept', async () => {
    const trapped: string[] = []
    const trap = createServer((request, response) => {
      trapped.push(request.url ?? '')
      response.end('{}')
    })
    await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve))
    const address = trap.address()
    const port = typeof address === 'object' && address ? address.port : 0
    for (const name of members) {
      for (const uri of targets(port)) {
        const { status, body } = await send({ ...good, [name]: uri })
        expect([status, body[name]]).toEqual([201, undefined])
        await stored(body.client_id)
      }
    }
    await new Promise((resolve) => trap.close(resolve))
    expect(trapped).toEqual([])
  })

  test('is kept when it is a page that people can be shown', async () => {
    const uri = 'https://app.example.test/logo.png'
    expect((await register({ logo_uri: uri })).logo_uri).toBe(uri)
  })
})

describe('a software statement', () => {
  const claims = () => ({
    iss: 'https://publisher.example',
    iat: server.clock.seconds() - 60,
    exp: server.clock.seconds() + 3600,
    software_id: 'of-somebody-known',
    client_name: 'Somebody Known',
    redirect_uris: ['https://evil.example.test/cb'],
    scope: 'admin docs:read docs:write mail:send',
    grant_types: ['client_credentials'],
    token_endpoint_auth_method: 'none',
    client_uri: 'https://known.example.test',
    kind: 'agent',
    tenant_id: 'globex',
  })
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = publicKey.export({ format: 'jwk' })
  const signed = (payload: object) => jws({ alg: 'ES256', jwk }, payload, es256(privateKey))
  const statements: [string, () => string | Promise<string>][] = [
    ['with alg none', () => jws({ alg: 'none' }, claims(), () => Buffer.alloc(0))],
    ['signed by whoever sends it', () => signed(claims())],
    ['that has expired', () => signed({ ...claims(), exp: server.clock.seconds() - 1 })],
    ['signed by this server', () => server.deps.keys.sign('JWT', claims())],
    ['that is none', () => 'x'],
    ['that is empty', () => ''],
  ]

  /** All that could have come from the statement is what it is without one. */
  const expectPlain = async (body: Registered) => {
    const said = (registered: Registered) => {
      const own = { client_id: '', client_secret: '', client_secret_expires_at: 0 }
      return { ...registered, ...own, registration_access_token: '', registration_client_uri: '' }
    }
    expect(said(body)).toEqual(said(await register()))
    expect(body).not.toHaveProperty('software_statement')
    expect(await stored(body.client_id)).toMatchObject({
      kind: 'app',
      tenant_id: 'acme',
      client_name: good.client_name,
      redirect_uris: good.redirect_uris,
      client_uri: undefined,
      scope: ['docs:read', 'docs:write'],
    })
    expect(server.log.join('\n')).not.toContain('Somebody Known')
  }

  test.each(statements)('%s is not believed in a registration', async (_, make) => {
    await expectPlain(await register({ software_statement: await make() }))
  })

  test.each(statements)('%s is not believed in an update', async (_, make) => {
    const { client_id, registration_access_token, registration_client_uri } = await register()
    const software_statement = await make()
    const answer = await server.request(new URL(registration_client_uri).pathname, {
      method: 'PUT',
      headers: {
        Authorization: `Bearer ${registration_access_token}`,
        'Content-Type': 'application/json',
      },
      body: JSON.stringify({ ...good, client_id, software_statement }),
    })
    expect(answer.status).toBe(200)
    await expectPlain((await answer.json()) as Registered)
  })

  test.each(statements)('%s alone registers nobody', async (_, make) => {
    const { status, body } = await send({ software_statement: await make() })
    expect([status, body.error]).toEqual([400, 'invalid_redirect_uri'])
  })
})

describe('the operator', () => {
  test('has to switch it on', async () => {
    const off = await openTestServer({ database: server.database, config: baseConfig })
    const answer = await send(good, { at: off })
    expect([answer.status, answer.body.error]).toEqual([404, 'not_found'])
    const metadata = async (at: TestServer) =>
      (await at.request('/.well-known/oauth-authorization-server')).json()
    expect(await metadata(off)).not.toHaveProperty('registration_endpoint')
    expect(await metadata(server)).toHaveProperty(
      'registration_endpoint',
      `${server.deps.issuer}/register`,
    )
  })

  test('can ask for an initial access token', async () => {
    const guarded = await openBeside({
      ...open,
      mode: 'initial_access_token',
      initial_access_tokens: ['another-token-for-tests', initialToken],
      registrations_per_minute: 2,
    })
    const headersOf = (Authorization?: string) => (Authorization ? { Authorization } : {})
    for (const authorization of [
      undefined,
      'Bearer ',
      'Bearer wrong',
      `Basic ${initialToken}`,
      `Bearer ${initialToken}x`,
      initialToken,
    ]) {
      const answer = await send(good, { at: guarded, headers: headersOf(authorization) })
      expect([answer.status, answer.body.error]).toEqual([401, 'invalid_token'])
      expect(answer.headers.get('www-authenticate')).toContain('Bearer')
    }
    // Who had no token has used nothing up.
    const headers = headersOf(`Bearer ${initialToken}`)
    expect((await send(good, { at: guarded, headers })).status).toBe(201)
  })

  test('bounds how many register in a minute', async () => {
    const slow = await openBeside({ ...open, registrations_per_minute: 3 })
    const answers = []
    for (let n = 0; n < 5; n += 1) answers.push(await send(good, { at: slow }))
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201, 429, 429])
    expect(answers.at(-1)?.body.error_detail).toBe('too_many_registrations')
    expect(Number(answers.at(-1)?.headers.get('retry-after'))).toBeGreaterThan(0)
  })

  test('bounds how many there are, however many ask at once', async () => {
    const registered = { config: dynamicConfig({ ...open, max_clients: 5 }) }
    const small = await openTestServer(registered)
    const answers = await Promise.all(Array.from({ length: 20 }, () => send(good, { at: small })))
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(5)
    expect(new Set(answers.map(({ body }) => body.error_detail))).toEqual(
      new Set([undefined, 'too_many_clients']),
    )
    await small.close()
  })

  test('takes back scope and resources from the next start on', async () => {
    const asking = await register({ scope: 'docs:write' })
    const silent = await register()
    await openBeside({ mode: 'open', scope: 'docs:read' })
    const less = { scope: ['docs:read'], resources: [] }
    expect(await stored(asking.client_id)).toMatchObject(less)
    expect(await stored(silent.client_id)).toMatchObject(less)
    await openBeside(open)
    const all = { scope: ['docs:read', 'docs:write'], resources: [docs] }
    expect(await stored(asking.client_id)).toMatchObject(all)
    expect(await stored(silent.client_id)).toMatchObject(all)
  })
})

test('a client that nobody uses is removed, one that is used or has a consent is not', async () => {
  const day = 86_400
  const [unused, used, consented] = [await register(), await register(), await register()]
  const client = await stored(used.client_id)
  if (client) await noteUse(client, server.deps)
  await server.database.drizzle.insert(delegations).values({
    id: 'dlg_consent',
    lineage: ['dlg_consent'],
    subject: 'usr_alice',
    actor: consented.client_id,
    scope: [],
    resources: [],
    limits: {},
    budgetIds: [],
    createdAt: server.clock.now(),
  })
  const known = async () =>
    Promise.all([unused, used, consented].map(async ({ client_id }) => !!(await stored(client_id))))
  server.clock.advance(day)
  await reapClients(server.deps)
  expect(await known()).toEqual([true, true, true])
  server.clock.advance(1)
  await reapClients(server.deps)
  expect(await known()).toEqual([false, true, true])
  server.clock.advance(90 * day)
  await reapClients(server.deps)
  expect(await known()).toEqual([false, false, true])
  expect(await stored('desktop')).toBeDefined()
})
