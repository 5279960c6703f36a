/** Admins write protected resources down: for their own tenant, for good, and with keys for their servers. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type Answer,
  baseConfig,
  basic,
  docs,
  issuer,
  openTestServer,
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

const adminConfig = {
  ...baseConfig,
  clients: [
    ...baseConfig.clients,
    admin('root'),
    admin('acme-admin', { tenant_id: 'acme' }),
    admin('globex-admin', { tenant_id: 'globex' }),
    {
      client_id: 'everybodys-server',
      kind: 'resource_server',
      client_secret: secretOf('everybodys-server'),
    },
  ],
}

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({ config: adminConfig })
})
afterAll(() => server.close())

interface Members extends Record<string, unknown> {
  resource: string
  resource_id: string
  client_id: string
  client_secret: string
  error_detail?: string
}

/** As anybody who knows the URI writes it. */
const idOf = (uri: string): string => Buffer.from(uri).toString('base64url')

const call = async <Body = Members>(
  caller: string | undefined,
  method: string,
  path: string,
  body?: unknown,
  at: Pick<TestServer, 'request'> = server,
): Promise<Answer<Body>> => {
  const authorization = caller?.includes(' ') ? caller : caller && basic(caller)
  const response = await at.request(`/admin/resources${path}`, {
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

let made = 0
const newUri = (): string => {
  made += 1
  return `https://tools.example/${made}/mcp?a=b%2Fc`
}

const described = () => ({
  resource: newUri(),
  scopes_supported: ['docs:read', 'docs:write'],
  scope_descriptions: { 'docs:read': 'Read your documents' },
})

const add = async (caller = 'acme-admin', more: object = {}): Promise<Members> => {
  const { status, body } = await call(caller, 'POST', '', { ...described(), ...more })
  expect([status, body.error_detail]).toEqual([201, undefined])
  return body
}

/** An agent of acme that may use it, and its token. */
const tokenFor = async (uri: string): Promise<string> => {
  const agent = { kind: 'agent', scope: 'docs:read', resources: [uri] }
  const { body } = await server.api<Members>('acme-admin', '/admin/clients', agent)
  const answer = await server.post<Record<string, string>>(
    '/token',
    { grant_type: 'client_credentials', resource: uri },
    { Authorization: basic(body.client_id, body.client_secret) },
  )
  expect(answer.status).toBe(200)
  return answer.body.access_token ?? ''
}

const introspectAs = async ({ client_id, client_secret }: Members, token: string) => {
  const Authorization = basic(client_id, client_secret)
  const { status, body } = await server.post<{ active?: boolean }>(
    '/introspect',
    { token },
    { Authorization },
  )
  return status === 200 ? body.active : status
}

describe('a resource of an admin', () => {
  test('is answered whole, and found by its URI in base64url', async () => {
    const asked = described()
    const { status, headers, body } = await call('acme-admin', 'POST', '', asked)
    expect([status, headers.get('cache-control')]).toEqual([201, 'no-store'])
    expect(body).toEqual({
      ...asked,
      resource_id: idOf(asked.resource),
      registered_by: 'admin',
      tenant_id: 'acme',
    })
    expect((await call('acme-admin', 'GET', `/${idOf(asked.resource)}`)).body).toEqual(body)
  })

  test('is one that tokens are issued for at once, and its server may look into them and charge', async () => {
    const one = await add('acme-admin', { with_key: true })
    const token = await tokenFor(one.resource)
    expect(await introspectAs(one, token)).toBe(true)
    const charge = { token, amount_usd: '0.5', action: 'docs.read' }
    const response = await server.request('/ledger/reservations', {
      method: 'POST',
      headers: {
        Authorization: basic(one.client_id, one.client_secret),
        'Content-Type': 'application/json',
        'Idempotency-Key': 'of-a-new-resource',
      },
      body: JSON.stringify(charge),
    })
    expect(response.status).toBe(201)
    expect((await server.introspect('docs-server', token)).body).toEqual({ active: false })
  })

  test('can be served by a client that is there already', async () => {
    const one = await add('acme-admin', { client_id: 'docs-server' })
    const token = await tokenFor(one.resource)
    expect((await server.introspect('docs-server', token)).body.active).toBe(true)
  })

  test('outlives the next start, which knows only the file', async () => {
    const one = await add('acme-admin', { with_key: true })
    const before = (await call('acme-admin', 'GET', `/${one.resource_id}`)).body
    await server.applyConfig(adminConfig)
    expect((await call('acme-admin', 'GET', `/${one.resource_id}`)).body).toEqual(before)
    expect(await introspectAs(one, await tokenFor(one.resource))).toBe(true)
  })

  test('is made once, however many processes are told to', async () => {
    const second = await openTestServer({ config: adminConfig, database: server.database })
    const asked = { ...described(), with_key: true }
    const answers = await Promise.all(
      [server, second, server, second].map((at) => call('acme-admin', 'POST', '', asked, at)),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 400, 400, 400])
    const refused = answers.find(({ status }) => status === 400)
    expect(refused?.body.error_detail).toBe('resource_taken')
    const winner = answers.find(({ status }) => status === 201)?.body
    expect(winner && (await introspectAs(winner, await tokenFor(asked.resource)))).toBe(true)
  })

  test('is written to the log with who did it, and without its secret', async () => {
    const one = await add('acme-admin', { with_key: true })
    await call('acme-admin', 'POST', `/${one.resource_id}/keys`, {})
    await call('acme-admin', 'DELETE', `/${one.resource_id}/keys`)
    await call('acme-admin', 'PUT', `/${one.resource_id}`, { resource: one.resource })
    await call('acme-admin', 'DELETE', `/${one.resource_id}`)
    const lines = server.log.filter((line) => line.includes(JSON.stringify(one.resource)))
    const deeds = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(deeds.map(({ msg, client_id, tenant_id }) => [msg, client_id, tenant_id])).toEqual(
      [
        'resource added',
        'resource key rotated',
        'resource keys revoked',
        'resource replaced',
        'resource removed',
      ].map((msg) => [msg, 'acme-admin', 'acme']),
    )
    expect(server.log.join('\n')).not.toContain(one.client_secret)
  })
})

describe('an update', () => {
  test('replaces what is said, and leaves the keys', async () => {
    const one = await add('acme-admin', { with_key: true })
    const token = await tokenFor(one.resource)
    const less = { resource: one.resource, scopes_supported: ['docs:write'] }
    const { status, body } = await call('acme-admin', 'PUT', `/${one.resource_id}`, less)
    expect(status).toBe(200)
    expect(body).toMatchObject({ ...less, scope_descriptions: {}, client_id: one.client_id })
    expect(await introspectAs(one, token)).toBe(true)
    const other = await call('acme-admin', 'PUT', `/${one.resource_id}`, {
      ...less,
      client_id: 'docs-server',
    })
    expect(other.body.client_id).toBe('docs-server')
    expect(await introspectAs(one, token)).toBe(false)
    const nobody = await call('acme-admin', 'PUT', `/${one.resource_id}`, less)
    expect(nobody.body).not.toHaveProperty('client_id')
  })

  test.each([
    [{ resource: 'https://other.example' }, 'resource_mismatch'],
    [{ tenant_id: 'globex' }, 'tenant_mismatch'],
    [{ with_key: true }, 'malformed_metadata_member'],
  ])('cannot make another resource of it: %j', async (change, reason) => {
    const { resource, resource_id } = await add()
    const asked = { resource, ...change }
    const answer = await call('root', 'PUT', `/${resource_id}`, asked)
    expect([answer.status, answer.body.error_detail]).toEqual([400, reason])
  })
})

describe('keys', () => {
  const keys = (id: string) => `/${id}/keys`

  test('are made for a resource that has none, once', async () => {
    const { resource, resource_id: id } = await add()
    expect((await call('acme-admin', 'GET', keys(id))).body).toEqual({ keys: [] })
    const answers = await Promise.all([1, 2, 3].map(() => call('acme-admin', 'POST', keys(id), {})))
    const key = answers.find(({ status }) => status === 201)
    expect(key?.body).toEqual({
      client_id: expect.stringMatching(/^rs_[\w-]{22}$/),
      client_secret: expect.stringMatching(/^cs_[\w-]{43}$/),
      client_secret_expires_at: 0,
    })
    // Whoever came later turned the same key, or was told to come again.
    const clientIds = answers.flatMap(({ status, body }) =>
      status === 201 ? [body.client_id] : [],
    )
    expect(new Set(clientIds).size).toBe(1)
    const last = await call('acme-admin', 'POST', keys(id), {})
    expect(await introspectAs(last.body, await tokenFor(resource))).toBe(true)
  })

  test('are changed with an overlap, and told of without themselves', async () => {
    const one = await add('acme-admin', { with_key: true })
    const token = await tokenFor(one.resource)
    const { status, body } = await call('acme-admin', 'POST', keys(one.resource_id), {
      grace_seconds: 600,
    })
    expect([status, body.client_id]).toEqual([201, one.client_id])
    const both = await call('acme-admin', 'GET', keys(one.resource_id))
    expect(both.body).toEqual({
      client_id: one.client_id,
      keys: [
        { state: 'current', expires_at: 0 },
        { state: 'previous', expires_at: server.clock.seconds() + 600 },
      ],
    })
    expect([await introspectAs(one, token), await introspectAs(body, token)]).toEqual([true, true])
    server.clock.advance(600)
    expect(await introspectAs(one, token)).toBe(401)
    expect(await introspectAs(body, token)).toBe(true)
    const last = await call('acme-admin', 'POST', keys(one.resource_id), {})
    expect(await introspectAs(body, token)).toBe(401)
    expect(await introspectAs(last.body, token)).toBe(true)
  })

  test('are revoked with all that they have bought, and the next one is of another client', async () => {
    const one = await add('acme-admin', { with_key: true })
    const token = await tokenFor(one.resource)
    expect((await call('acme-admin', 'DELETE', keys(one.resource_id))).status).toBe(204)
    expect(await introspectAs(one, token)).toBe(401)
    const shown = await call('acme-admin', 'GET', `/${one.resource_id}`)
    expect(shown.body).not.toHaveProperty('client_id')
    expect((await call('acme-admin', 'DELETE', keys(one.resource_id))).status).toBe(404)
    const next = await call('acme-admin', 'POST', keys(one.resource_id), {})
    expect(next.body.client_id).not.toBe(one.client_id)
    expect(await introspectAs(next.body, token)).toBe(true)
  })

  test('can be given again when their client was removed as a client', async () => {
    const one = await add('acme-admin', { with_key: true })
    const token = await tokenFor(one.resource)
    await server.request(`/admin/clients/${one.client_id}`, {
      method: 'DELETE',
      headers: { Authorization: basic('acme-admin') },
    })
    const next = await call('acme-admin', 'POST', keys(one.resource_id), {})
    expect(await introspectAs(next.body, token)).toBe(true)
  })

  test('of a client that was registered as one are changed there', async () => {
    const one = await add('acme-admin', { client_id: 'docs-server' })
    for (const [method, body] of [['POST', {}], ['DELETE']] as const) {
      const answer = await call('acme-admin', method, keys(one.resource_id), body)
      expect([answer.status, answer.body.error_detail]).toEqual([403, 'not_a_resource_key'])
    }
    expect((await call('acme-admin', 'GET', keys(one.resource_id))).body.client_id).toBe(
      'docs-server',
    )
  })

  test.each([{ grace_seconds: -1 }, { grace_seconds: '1' }, { grace_seconds: 1e9 }, { a: 1 }])(
    'are not made for %j',
    async (body) => {
      const one = await add()
      const answer = await call('acme-admin', 'POST', keys(one.resource_id), body)
      expect([answer.status, answer.body.error_detail]).toEqual([400, 'malformed_metadata_member'])
    },
  )

  test('have ids that nobody takes for another client', async () => {
    const client = { client_id: 'rs_mine', kind: 'resource_server' }
    const { status, body } = await server.api('acme-admin', '/admin/clients', client)
    expect([status, body.error_detail]).toEqual([400, 'malformed_metadata_member'])
  })
})

describe('a removed resource', () => {
  test('is gone with its key, and no other tenant gets its URI', async () => {
    const one = await add('acme-admin', { with_key: true })
    const token = await tokenFor(one.resource)
    expect((await call('acme-admin', 'DELETE', `/${one.resource_id}`)).status).toBe(204)
    expect(await introspectAs(one, token)).toBe(401)
    for (const method of ['GET', 'DELETE']) {
      expect((await call('acme-admin', method, `/${one.resource_id}`)).status).toBe(404)
    }
    const asked = { resource: one.resource, scopes_supported: ['docs:read'], with_key: true }
    for (const [caller, more] of [
      ['globex-admin', {}],
      ['root', {}],
      ['root', { tenant_id: 'globex' }],
    ] as const) {
      const answer = await call(caller, 'POST', '', { ...asked, ...more })
      expect([answer.status, answer.body.error_detail]).toEqual([400, 'resource_taken'])
    }
    expect((await call('globex-admin', 'GET', `/${one.resource_id}`)).status).toBe(404)
    const again = await call('acme-admin', 'POST', '', asked)
    expect(again.status).toBe(201)
    expect(await introspectAs(again.body, token)).toBe(true)
  })

  test('leaves a key that serves another one', async () => {
    const one = await add('acme-admin', { with_key: true })
    const other = await add('acme-admin', { client_id: one.client_id })
    const token = await tokenFor(other.resource)
    await call('acme-admin', 'DELETE', `/${one.resource_id}`)
    expect(await introspectAs(one, token)).toBe(true)
    await call('acme-admin', 'DELETE', `/${other.resource_id}`)
    expect(await introspectAs(one, token)).toBe(401)
  })
})

describe('the tenant', () => {
  test('of an admin is the only one it can act in', async () => {
    const one = await add('globex-admin')
    const open = await add('root')
    expect(open).not.toHaveProperty('tenant_id')
    for (const { resource, resource_id: id } of [one, open]) {
      for (const caller of ['acme-admin', 'globex-agent', 'orchestrator']) {
        const isAdmin = caller.endsWith('-admin')
        for (const [method, path, body] of [
          ['GET', `/${id}`],
          ['PUT', `/${id}`, { resource }],
          ['DELETE', `/${id}`],
          ['GET', `/${id}/keys`],
          ['POST', `/${id}/keys`, {}],
          ['DELETE', `/${id}/keys`],
        ] as const) {
          expect((await call(caller, method, path, body)).status).toBe(isAdmin ? 404 : 403)
        }
      }
    }
    for (const tenant_id of ['globex', 'nowhere']) {
      const answer = await call('acme-admin', 'POST', '', { ...described(), tenant_id })
      expect([answer.status, answer.body.error_detail]).toEqual([403, 'other_tenant'])
    }
    const unknown = await call('root', 'POST', '', { ...described(), tenant_id: 'nowhere' })
    expect([unknown.body.error, unknown.body.error_detail]).toEqual([
      'invalid_request',
      'unknown_tenant',
    ])
  })

  test('of a resource is that of whoever serves it', async () => {
    for (const client_id of ['globex-docs-server', 'everybodys-server', 'nobody']) {
      const answer = await call('acme-admin', 'POST', '', { ...described(), client_id })
      expect([answer.status, answer.body.error_detail]).toEqual([400, 'unknown_resource_server'])
    }
    const more = { tenant_id: 'acme', client_id: 'globex-docs-server' }
    const across = await call('root', 'POST', '', { ...described(), ...more })
    expect(across.body.error_detail).toBe('unknown_resource_server')
    const home = { tenant_id: 'acme', client_id: 'everybodys-server' }
    expect(await add('root', home)).toMatchObject(home)
    const agent = await call('acme-admin', 'POST', '', { ...described(), client_id: 'loner' })
    expect(agent.body.error_detail).toBe('not_a_resource_server')
  })
})

describe('who is no admin', () => {
  test('gets nothing at any of these addresses', async () => {
    const { resource, resource_id: id } = await add()
    const own = await server.clientCredentials('orchestrator', { resource: issuer })
    const callers = [
      undefined,
      'orchestrator',
      'docs-server',
      basic('acme-admin', 'wrong'),
      `Bearer ${own.body.access_token}`,
      'Bearer x',
    ]
    for (const caller of callers) {
      for (const [method, path, body] of [
        ['GET', ''],
        ['POST', '', described()],
        ['GET', `/${id}`],
        ['PUT', `/${id}`, { resource }],
        ['DELETE', `/${id}`],
        ['GET', `/${id}/keys`],
        ['POST', `/${id}/keys`, {}],
        ['DELETE', `/${id}/keys`],
      ] as const) {
        expect([401, 403]).toContain((await call(caller, method, path, body)).status)
      }
    }
  })
})

describe('resources of the file', () => {
  test('can be looked at and not be changed', async () => {
    const path = `/${idOf(docs)}`
    const { status, body } = await call('acme-admin', 'GET', path)
    expect([status, body.registered_by, body.client_id]).toEqual([200, 'config', 'docs-server'])
    for (const [method, at, given] of [
      ['PUT', path, { resource: docs }],
      ['DELETE', path],
      ['POST', `${path}/keys`, {}],
      ['DELETE', `${path}/keys`],
    ] as const) {
      const answer = await call('acme-admin', method, at, given)
      expect([answer.status, answer.body.error_detail]).toEqual([403, 'not_registered_by_admin'])
    }
    const again = await call('acme-admin', 'POST', '', { resource: docs })
    expect(again.body.error_detail).toBe('resource_taken')
    expect((await server.clientCredentials('orchestrator')).status).toBe(200)
  })

  test('are what the file says, also when an admin was first', async () => {
    const one = await add('acme-admin', { with_key: true })
    const { resource } = one
    const inFile = { resource, tenant_id: 'acme', client_id: 'docs-server' }
    await server.applyConfig({ ...adminConfig, resources: [...adminConfig.resources, inFile] })
    const { body } = await call('acme-admin', 'GET', `/${one.resource_id}`)
    expect(body).toMatchObject({ registered_by: 'config', client_id: 'docs-server' })
    expect((await call('acme-admin', 'DELETE', `/${one.resource_id}`)).status).toBe(403)
  })
})

describe('a resource is refused', () => {
  const uri = 'https://refused.example/mcp'
  const cases: [string, unknown, string][] = [
    ['without a URI', {}, 'malformed_metadata_member'],
    ['with a relative URI', { resource: '/mcp' }, 'malformed_metadata_member'],
    ['with a fragment', { resource: `${uri}#a` }, 'malformed_metadata_member'],
    ['with a long URI', { resource: `${uri}${'a'.repeat(2048)}` }, 'malformed_metadata_member'],
    [
      'with a slash at the end of a host',
      { resource: 'https://a.example/' },
      'malformed_metadata_member',
    ],
    ['that is this server', { resource: issuer }, 'resource_is_issuer'],
    [
      'with a member of ours',
      { resource: uri, registered_by: 'config' },
      'malformed_metadata_member',
    ],
    [
      'with two scopes in one',
      { resource: uri, scopes_supported: ['a b'] },
      'malformed_metadata_member',
    ],
    [
      'with words that turn the page around',
      { resource: uri, scope_descriptions: { a: 'a\u202eb' } },
      'malformed_metadata_member',
    ],
    [
      'with two servers',
      { resource: uri, client_id: 'docs-server', with_key: true },
      'malformed_metadata_member',
    ],
    ['with a member twice', `{"resource":"${uri}","resource":"${uri}"}`, 'duplicate_member'],
    ['as a list', '[]', 'malformed_json'],
  ]
  test.each(cases)('%s', async (_, body, reason) => {
    const answer = await call('root', 'POST', '', body)
    expect(answer.status).toBe(400)
    expect([answer.body.error, answer.body.error_detail]).toEqual(['invalid_request', reason])
  })

  test.each(['%00', 'x', `${idOf(docs)}=`, encodeURIComponent(docs), '%', idOf('not a uri')])(
    'by the id %s, which is none',
    async (id) => {
      expect((await call('root', 'GET', `/${id}`)).status).toBe(404)
    },
  )

  test('by another method', async () => {
    const answer = await call('root', 'PATCH', `/${idOf(docs)}`, {})
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, PUT, DELETE'])
  })
})

describe('the list', () => {
  interface Page {
    resources: Members[]
    next_cursor?: string
    error_detail?: string
  }

  test('comes in pages, each resource once', async () => {
    const uris: string[] = []
    let cursor = ''
    do {
      const { status, body } = await call<Page>('acme-admin', 'GET', `?limit=3${cursor}`)
      expect(status).toBe(200)
      expect(body.resources.length).toBeLessThanOrEqual(3)
      uris.push(...body.resources.map(({ resource }) => resource))
      cursor = body.next_cursor ? `&cursor=${body.next_cursor}` : ''
    } while (cursor)
    expect(new Set(uris).size).toBe(uris.length)
    expect(uris).toContain(docs)
    const { body } = await call<Page>('acme-admin', 'GET', '?limit=100')
    expect(body.resources.map(({ resource }) => resource)).toEqual(uris)
  })

  test('is of the own tenant, and of all for an admin of all', async () => {
    const tenantsOf = async (caller: string, query: string) => {
      const { body } = await call<Page>(caller, 'GET', query)
      return new Set(body.resources.map(({ tenant_id }) => tenant_id))
    }
    expect(await tenantsOf('acme-admin', '')).toEqual(new Set(['acme']))
    expect(await tenantsOf('root', '?tenant_id=globex')).toEqual(new Set(['globex']))
    expect((await tenantsOf('root', '?limit=100')).size).toBeGreaterThan(1)
    expect((await call('acme-admin', 'GET', '?tenant_id=globex')).body).toEqual({ resources: [] })
  })

  test.each([
    'limit=0',
    'limit=101',
    'limit=x',
    'cursor=%00',
    'cursor=x',
    'a=b',
    'limit=1&limit=2',
  ])('is not there for ?%s', async (query) => {
    const { status, body } = await call('root', 'GET', `?${query}`)
    expect([status, body.error_detail]).toEqual([400, 'malformed_query'])
  })
})
