/** Admins register clients: for their own tenant, with limits, and for good. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type Answer,
  baseConfig,
  basic,
  decode,
  docs,
  mail,
  openTestServer,
  otherTenantDocs,
  secretOf,
  type TestServer,
} from './harness.js'

const admin = (client_id: string, more: object = {}) => ({
  client_id,
  kind: 'app',
  client_secret: secretOf(client_id),
  grant_types: ['client_credentials'],
  scope: 'admin',
  ...more,
})

/** Of a client that is known by a document. */
const urlId = 'https://app.example.test/oauth/client.json?v=1'

const adminConfig = {
  ...baseConfig,
  tenants: [...baseConfig.tenants, { tenant_id: 'closed', disabled: true }],
  clients: [
    ...baseConfig.clients,
    admin('root'),
    admin('acme-admin', { tenant_id: 'acme' }),
    admin('globex-admin', { tenant_id: 'globex' }),
    {
      ...admin(urlId),
      tenant_id: 'acme',
      token_endpoint_auth_method: 'none',
      client_secret: undefined,
    },
  ],
}

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({ config: adminConfig })
})
afterAll(() => server.close())

type Members = Record<string, unknown> & { client_id: string; client_secret?: string }

const call = async <Body = Members>(
  caller: string | undefined,
  method: string,
  path: string,
  body?: unknown,
): Promise<Answer<Body>> => {
  const authorization = caller?.includes(' ') ? caller : caller && basic(caller)
  const response = await server.request(`/admin/clients${path}`, {
    method,
    headers: {
      ...(authorization && { Authorization: authorization }),
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    body: (text ? JSON.parse(text) : {}) as Body,
  }
}

const agent = {
  kind: 'agent',
  client_name: 'Summarizer',
  agent_type: 'summarizer',
  scope: 'docs:read docs:write',
  resources: [docs],
  agent_limits: { cost_budget_usd: 3, requests_per_hour: 10, allowed_actions: ['docs.*'] },
}

const add = async (caller: string, body: object = agent): Promise<Members> => {
  const answer = await call(caller, 'POST', '', body)
  expect(answer.status).toBe(201)
  return answer.body
}

const tokenOf = (client_id: string, secret = '', fields = {}) =>
  server.post<Record<string, string>>(
    '/token',
    { grant_type: 'client_credentials', ...fields },
    { Authorization: basic(client_id, secret) },
  )

const reserve = (token: string, usd: string) =>
  server.ledger('docs-server', '/reservations', { token, amount_usd: usd, action: 'docs.read' })

describe('a client of an admin', () => {
  test('is answered whole, with its secret this once', async () => {
    const { status, headers, body } = await call('acme-admin', 'POST', '', {
      ...agent,
      client_id: 'summarizer',
      budget_periods: { day: '1.5' },
    })
    expect([status, headers.get('cache-control')]).toEqual([201, 'no-store'])
    expect(body).toEqual({
      ...agent,
      client_id: 'summarizer',
      client_id_issued_at: server.clock.seconds(),
      client_secret: expect.stringMatching(/^cs_[\w-]{43}$/),
      client_secret_expires_at: 0,
      registered_by: 'admin',
      tenant_id: 'acme',
      token_endpoint_auth_method: 'client_secret_basic',
      grant_types: ['client_credentials', 'urn:ietf:params:oauth:grant-type:token-exchange'],
      redirect_uris: [],
      post_logout_redirect_uris: [],
      budget_periods: { day: '1.5' },
      disabled: false,
    })
    const { client_secret, client_secret_expires_at, ...rest } = body
    expect((await call('acme-admin', 'GET', '/summarizer')).body).toEqual(rest)
    expect(server.log.join('\n')).not.toContain(client_secret)
  })

  test('gets tokens at once, and draws on a budget of its own', async () => {
    const { client_id, client_secret } = await add('acme-admin')
    const { status, body } = await tokenOf(client_id, client_secret)
    expect(status).toBe(200)
    const claims = decode(body.access_token ?? '')
    expect(claims).toMatchObject({
      sub: client_id,
      tenant_id: 'acme',
      role: 'agent',
      agent_type: 'summarizer',
      scope: 'docs:read docs:write',
      agent_limits: agent.agent_limits,
    })
    expect((await reserve(body.access_token ?? '', '2')).status).toBe(201)
    expect((await reserve(body.access_token ?? '', '2')).status).toBe(402)
    const { body: budget } = await server.ledger('root', `/budgets/agent:${client_id}`)
    expect(budget).toMatchObject({ cap_usd: '3', held_usd: '2' })
  })

  test('has caps for days as well', async () => {
    const limits = { agent_limits: {}, budget_periods: { day: 1 } }
    const { client_id, client_secret } = await add('acme-admin', { ...agent, ...limits })
    const { body } = await tokenOf(client_id, client_secret)
    expect((await reserve(body.access_token ?? '', '2')).body).toMatchObject({
      limited_by: expect.stringContaining(`agent:${client_id}`),
    })
  })

  test('gets an id that nobody else has when none is said', async () => {
    const [one, other] = [await add('acme-admin'), await add('acme-admin')]
    expect(one.client_id).toMatch(/^cl_[\w-]{22}$/)
    expect(one.client_id).not.toBe(other.client_id)
  })

  test('can be an app that people sign in to, public or not', async () => {
    const app = {
      kind: 'app',
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      redirect_uris: ['http://127.0.0.1/callback'],
      post_logout_redirect_uris: ['http://127.0.0.1/bye'],
      logo_uri: 'https://app.example.test/logo.png',
    }
    const body = await add('acme-admin', app)
    expect(body).toMatchObject({ ...app, grant_types: ['authorization_code', 'refresh_token'] })
    expect(body).not.toHaveProperty('client_secret')
    const client = await server.deps.store.clients.find(body.client_id)
    expect(client).toMatchObject({
      logo_uri: app.logo_uri,
      redirect_uris: app.redirect_uris,
      post_logout_redirect_uris: app.post_logout_redirect_uris,
    })
  })

  test('outlives the next start, which knows only the file', async () => {
    const { client_id, client_secret } = await add('acme-admin')
    const before = (await call('acme-admin', 'GET', `/${client_id}`)).body
    await server.applyConfig(adminConfig)
    expect((await call('acme-admin', 'GET', `/${client_id}`)).body).toEqual(before)
    expect((await tokenOf(client_id, client_secret)).status).toBe(200)
  })

  test('of a tenant that is switched off gets nothing', async () => {
    const { client_id, client_secret } = await add('root', {
      kind: 'agent',
      tenant_id: 'closed',
    })
    expect((await tokenOf(client_id, client_secret)).body.error).toBe('invalid_client')
  })
})

describe('an update', () => {
  test('replaces everything but the secret, and what was spent stays spent', async () => {
    const { client_id, client_secret } = await add('acme-admin')
    const { body } = await tokenOf(client_id, client_secret)
    expect((await reserve(body.access_token ?? '', '2')).status).toBe(201)
    const less = { kind: 'agent', scope: 'docs:read', resources: [docs] }
    const limits = { agent_limits: { cost_budget_usd: 2.5 } }
    const changed = await call('acme-admin', 'PUT', `/${client_id}`, { ...less, ...limits })
    expect([changed.status, changed.body.scope, changed.body.client_name]).toEqual([
      200,
      'docs:read',
      undefined,
    ])
    expect(changed.body).not.toHaveProperty('client_secret')
    const after = await tokenOf(client_id, client_secret)
    expect(after.body.scope).toBe('docs:read')
    expect((await reserve(after.body.access_token ?? '', '0.6')).status).toBe(402)
    expect((await reserve(after.body.access_token ?? '', '0.5')).status).toBe(201)
  })

  test('switches a client off, and ends what it holds', async () => {
    const { client_id, client_secret } = await add('acme-admin')
    const { body } = await tokenOf(client_id, client_secret)
    await call('acme-admin', 'PUT', `/${client_id}`, { ...agent, disabled: true })
    expect((await tokenOf(client_id, client_secret)).body.error).toBe('invalid_client')
    expect((await server.introspect('docs-server', body.access_token ?? '')).body).toEqual({
      active: false,
    })
    await call('acme-admin', 'PUT', `/${client_id}`, agent)
    expect((await tokenOf(client_id, client_secret)).status).toBe(200)
  })

  test.each([
    [{ client_id: 'orchestrator' }, 'client_id_mismatch'],
    [{ kind: 'app' }, 'kind_mismatch'],
  ])('cannot make another client of it: %j', async (change, reason) => {
    const { client_id } = await add('acme-admin')
    const answer = await call('acme-admin', 'PUT', `/${client_id}`, { ...agent, ...change })
    expect([answer.status, answer.body.error_detail]).toEqual([400, reason])
  })
})

describe('a new secret', () => {
  test('ends the one before', async () => {
    const { client_id, client_secret } = await add('acme-admin')
    const { status, body } = await call('acme-admin', 'POST', `/${client_id}/secret`, {})
    expect([status, Object.keys(body)]).toEqual([
      200,
      ['client_id', 'client_secret', 'client_secret_expires_at'],
    ])
    expect((await tokenOf(client_id, client_secret)).status).toBe(401)
    expect((await tokenOf(client_id, body.client_secret)).status).toBe(200)
  })

  test('can leave the one before good for a while', async () => {
    const { client_id, client_secret } = await add('acme-admin')
    const path = `/${client_id}/secret`
    const { body } = await call('acme-admin', 'POST', path, { grace_seconds: 600 })
    expect((await tokenOf(client_id, body.client_secret)).status).toBe(200)
    server.clock.advance(599)
    expect((await tokenOf(client_id, client_secret)).status).toBe(200)
    server.clock.advance(1)
    expect((await tokenOf(client_id, client_secret)).status).toBe(401)
    expect((await tokenOf(client_id, body.client_secret)).status).toBe(200)
  })

  test('can be asked for without a while when one was lost', async () => {
    const { client_id, client_secret } = await add('acme-admin')
    const path = `/${client_id}/secret`
    await call('acme-admin', 'POST', path, { grace_seconds: 600 })
    await call('acme-admin', 'POST', path, {})
    expect((await tokenOf(client_id, client_secret)).status).toBe(401)
  })
})

describe('a removed client', () => {
  test('is gone with all that it held, and its id is never given again', async () => {
    const id = { client_id: 'short-lived' }
    const { client_secret } = await add('acme-admin', { ...agent, ...id })
    const { body } = await tokenOf(id.client_id, client_secret)
    expect((await call('acme-admin', 'DELETE', '/short-lived')).status).toBe(204)
    expect((await tokenOf(id.client_id, client_secret)).status).toBe(401)
    expect((await server.introspect('docs-server', body.access_token ?? '')).body).toEqual({
      active: false,
    })
    for (const method of ['GET', 'DELETE']) {
      expect((await call('acme-admin', method, '/short-lived')).status).toBe(404)
    }
    expect((await call('acme-admin', 'PUT', '/short-lived', agent)).status).toBe(404)
    const again = await call('acme-admin', 'POST', '', { ...agent, ...id })
    expect(again.body.error_detail).toBe('client_id_taken')
  })
})

describe('the tenant', () => {
  test('of an admin is the only one it can act in', async () => {
    const { client_id } = await add('globex-admin', { kind: 'agent' })
    for (const caller of ['acme-admin', 'globex-agent', 'orchestrator']) {
      const isAdmin = caller.endsWith('-admin')
      for (const [method, path, body] of [
        ['GET', `/${client_id}`],
        ['PUT', `/${client_id}`, { kind: 'agent' }],
        ['DELETE', `/${client_id}`],
        ['POST', `/${client_id}/secret`, {}],
      ] as const) {
        expect((await call(caller, method, path, body)).status).toBe(isAdmin ? 404 : 403)
      }
    }
    const elsewhere = { kind: 'agent', tenant_id: 'globex' }
    const nowhere = { kind: 'agent', tenant_id: 'nowhere' }
    for (const body of [elsewhere, nowhere]) {
      const answer = await call('acme-admin', 'POST', '', body)
      expect([answer.status, answer.body.error_detail]).toEqual([403, 'other_tenant'])
    }
    const mine = await add('acme-admin', { kind: 'agent' })
    const moved = await call('acme-admin', 'PUT', `/${mine.client_id}`, elsewhere)
    expect(moved.status).toBe(403)
    expect((await call('root', 'GET', `/${client_id}`)).body.tenant_id).toBe('globex')
  })

  test('is what an admin of all has to say, or the client has none', async () => {
    expect(await add('root', { kind: 'agent' })).not.toHaveProperty('tenant_id')
    expect(await add('root', { kind: 'agent', tenant_id: 'globex' })).toMatchObject({
      tenant_id: 'globex',
    })
    const unknown = await call('root', 'POST', '', { kind: 'agent', tenant_id: 'nowhere' })
    expect(unknown.body.error_detail).toBe('unknown_tenant')
  })
})

describe('who is no admin', () => {
  test('gets nothing at any of these addresses', async () => {
    const { client_id } = await add('acme-admin')
    const own = await server.clientCredentials('orchestrator', { resource: server.deps.issuer })
    const foreign = await server.clientCredentials('orchestrator')
    const callers = [
      undefined,
      'orchestrator',
      'docs-server',
      basic('acme-admin', 'wrong'),
      `Bearer ${own.body.access_token}`,
      `Bearer ${foreign.body.access_token}`,
      'Bearer x',
    ]
    for (const caller of callers) {
      for (const [method, path, body] of [
        ['GET', ''],
        ['POST', '', agent],
        ['GET', `/${client_id}`],
        ['PUT', `/${client_id}`, agent],
        ['DELETE', `/${client_id}`],
        ['POST', `/${client_id}/secret`, {}],
        ['GET', '/unknown'],
      ] as const) {
        const { status } = await call(caller, method, path, body)
        expect([401, 403]).toContain(status)
      }
    }
    expect((await call('acme-admin', 'GET', `/${client_id}`)).body.scope).toBe(agent.scope)
  })

  test('but a token with the scope admin will do', async () => {
    const { body } = await server.clientCredentials('acme-admin', { resource: server.deps.issuer })
    const answer = await call(`Bearer ${body.access_token}`, 'POST', '', agent)
    expect([answer.status, answer.body.tenant_id]).toEqual([201, 'acme'])
  })
})

describe('clients that admins did not register', () => {
  test('are found by an id that is a URL', async () => {
    const { status, body } = await call('acme-admin', 'GET', `/${encodeURIComponent(urlId)}`)
    expect([status, body.client_id]).toEqual([200, urlId])
  })

  test('can be looked at, and those of the file not be changed', async () => {
    const { status, body } = await call('acme-admin', 'GET', '/orchestrator')
    expect([status, body.registered_by]).toEqual([200, 'config'])
    expect(JSON.stringify(body)).not.toMatch(/secret_hash|[\w-]{43}/)
    for (const [method, path, given] of [
      ['PUT', '/orchestrator', agent],
      ['DELETE', '/orchestrator'],
      ['POST', '/orchestrator/secret', {}],
    ] as const) {
      const answer = await call('acme-admin', method, path, given)
      expect([answer.status, answer.body.error_detail]).toEqual([403, 'not_registered_by_admin'])
    }
    expect((await server.clientCredentials('orchestrator')).status).toBe(200)
  })
})

describe('a registration is refused', () => {
  const cases: [string, unknown, string, string][] = [
    ...[
      'id',
      'created_at',
      'role',
      'client_secret',
      'client_secret_hash',
      'registered_by',
      'spent',
    ].map((name): [string, unknown, string, string] => [
      `with the member ${name}`,
      { ...agent, [name]: 'x' },
      'invalid_client_metadata',
      'malformed_metadata_member',
    ]),
    [
      'with a prototype',
      '{"kind":"agent","__proto__":{"a":1}}',
      'invalid_request',
      'forbidden_member',
    ],
    ['with a member twice', '{"kind":"agent","kind":"app"}', 'invalid_request', 'duplicate_member'],
    [
      'with a misspelt limit',
      { ...agent, agent_limits: { cost: 1 } },
      'invalid_client_metadata',
      'malformed_metadata_member',
    ],
    [
      'with a negative budget',
      { ...agent, agent_limits: { cost_budget_usd: -1 } },
      'invalid_client_metadata',
      'malformed_metadata_member',
    ],
    ['without a kind', { scope: 'a' }, 'invalid_client_metadata', 'malformed_metadata_member'],
    [
      'with the id of a person',
      { ...agent, client_id: 'usr_alice' },
      'invalid_client_metadata',
      'malformed_metadata_member',
    ],
    [
      'with an id for everyone',
      { ...agent, client_id: '*' },
      'invalid_client_metadata',
      'malformed_metadata_member',
    ],
    [
      'with a URL for an id',
      { ...agent, client_id: 'https://a.example/b' },
      'invalid_client_metadata',
      'malformed_metadata_member',
    ],
    [
      'with an id like those who register themselves',
      { ...agent, client_id: 'dyn_a' },
      'invalid_client_metadata',
      'malformed_metadata_member',
    ],
    [
      'with the id of another',
      { ...agent, client_id: 'orchestrator' },
      'invalid_client_metadata',
      'client_id_taken',
    ],
    [
      'with the id of one elsewhere',
      { ...agent, client_id: 'globex-agent' },
      'invalid_client_metadata',
      'client_id_taken',
    ],
    [
      'with a type that no database takes',
      { ...agent, agent_type: 'a\u0000b' },
      'invalid_client_metadata',
      'malformed_metadata_member',
    ],
    [
      'of a public agent',
      { ...agent, token_endpoint_auth_method: 'none' },
      'invalid_client_metadata',
      'public_client',
    ],
    [
      'with an unknown resource',
      { ...agent, resources: ['https://nowhere.example'] },
      'invalid_client_metadata',
      'unknown_resource',
    ],
    [
      'with a resource of another tenant',
      { ...agent, resources: [otherTenantDocs] },
      'invalid_client_metadata',
      'unknown_resource',
    ],
    [
      'with a script to go to',
      { kind: 'app', redirect_uris: ['javascript:alert(1)'] },
      'invalid_client_metadata',
      'malformed_metadata_member',
    ],
    [
      'of a web app on loopback',
      { kind: 'app', application_type: 'web', redirect_uris: ['http://127.0.0.1/'] },
      'invalid_redirect_uri',
      'unacceptable_redirect_uri',
    ],
    [
      'with a logo on this network',
      { kind: 'app', logo_uri: 'https://10.0.0.1/a.png' },
      'invalid_client_metadata',
      'malformed_metadata_member',
    ],
  ]
  test.each(cases)('%s', async (_, body, error, reason) => {
    const answer = await call('acme-admin', 'POST', '', body)
    expect([answer.status, answer.body.error, answer.body.error_detail]).toEqual([
      400,
      error,
      reason,
    ])
  })
})

describe('the list', () => {
  const list = (caller: string, query = '') =>
    call<{ clients: Members[]; next_cursor?: string; error?: string }>(caller, 'GET', query)

  test('has the clients of the tenant, page by page, without a secret', async () => {
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const query: string = `?limit=3${cursor ? `&cursor=${cursor}` : ''}`
      const { status, body } = await list('globex-admin', query)
      expect([status, body.clients.length <= 3]).toEqual([200, true])
      for (const one of body.clients) {
        expect(one.tenant_id).toBe('globex')
        seen.push(one.client_id)
      }
      cursor = body.next_cursor
    } while (cursor)
    expect(seen).toEqual([...new Set(seen)].toSorted())
    expect(seen).toEqual(expect.arrayContaining(['globex-admin', 'globex-agent']))
    const { body } = await list('globex-admin')
    expect(JSON.stringify(body)).not.toContain('secret_hash')
    expect((await list('globex-admin', '?tenant_id=acme')).body).toEqual({ clients: [] })
    const all = (await list('root', '?limit=100')).body.clients.map(({ tenant_id }) => tenant_id)
    expect(new Set(all)).toEqual(new Set(['acme', 'globex', 'closed', undefined]))
  })

  test.each([
    '?limit=0',
    '?limit=-1',
    '?limit=101',
    '?limit=1e9',
    '?limit=null',
    '?limit=1&limit=2',
    '?cursor=%00',
    '?cursor=AA',
    '?sort=id%22;%20DROP%20TABLE%20clients;--',
    '?order=(select%20pg_sleep(5))',
    '?fields=client_secret_hash',
    `?tenant_id=a'%20or%20'1'='1`,
  ])('does not take %s', async (query) => {
    const { status, body } = await list('root', query)
    expect([status, body.error]).toEqual([400, 'invalid_request'])
  })
})

test('a resource of all tenants and one of its own can be given together', async () => {
  expect((await add('acme-admin', { ...agent, resources: [docs, mail] })).resources).toEqual([
    docs,
    mail,
  ])
})
