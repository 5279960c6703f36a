/** A client that registered itself, and its registration. RFC 7592. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clients, delegations, revocations } from '../src/store/schema.js'
import { baseConfig, basic, openTestServer, type TestServer } from './harness.js'

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({
    config: {
      ...baseConfig,
      registration: {
        dynamic: { mode: 'open', scope: 'docs:read', registrations_per_minute: 10_000 },
      },
    },
  })
})
afterAll(() => server.close())

interface Registered {
  client_id: string
  client_secret?: string
  registration_access_token: string
  error?: string
  [member: string]: unknown
}

const good = { client_name: 'x', redirect_uris: ['https://app.example.test/cb'] }

const call = async (method: string, path: string, token?: string, body?: unknown) => {
  const response = await server.request(path, {
    method,
    headers: {
      ...(token !== undefined && { Authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: (text ? JSON.parse(text) : {}) as Registered,
  }
}

const register = async (more: object = {}) =>
  (await call('POST', '/register', undefined, { ...good, ...more })).body

const read = (id: string, token?: string) => call('GET', `/register/${id}`, token)
const replace = (id: string, token: string, body: object) =>
  call('PUT', `/register/${id}`, token, { client_id: id, ...body })
const remove = (id: string, token?: string) => call('DELETE', `/register/${id}`, token)

/** What a person's consent would leave. */
const consentTo = (client_id: string) =>
  server.database.drizzle.insert(delegations).values({
    id: `dlg_${client_id}`,
    lineage: [`dlg_${client_id}`],
    subject: 'usr_alice',
    actor: client_id,
    scope: [],
    resources: [],
    limits: {},
    budgetIds: [],
    createdAt: server.clock.now(),
  })

const isRevoked = async (client_id: string): Promise<boolean> => {
  const rows = await server.database.drizzle.select().from(revocations)
  return rows.some(({ delegationId }) => delegationId === `dlg_${client_id}`)
}

describe('a client with its registration access token', () => {
  test('reads what is registered, with the same token and without the secret', async () => {
    const { client_secret, client_secret_expires_at, ...registered } = await register()
    const { client_id, registration_access_token: token } = registered
    const { status, headers, body } = await read(client_id, token)
    expect([status, headers.get('cache-control')]).toEqual([200, 'no-store'])
    expect(body).toEqual(registered)
    expect((await read(client_id, token)).status).toBe(200)
  })

  test('replaces everything, and its token with it', async () => {
    const { client_id, registration_access_token: token } = await register({
      contacts: ['a@app.example.test'],
      scope: 'docs:read',
    })
    const redirect_uris = ['https://app.example.test/other']
    const { status, body } = await replace(client_id, token, { redirect_uris })
    expect(status).toBe(200)
    expect(body).toMatchObject({ client_id, redirect_uris, scope: 'docs:read' })
    expect(body).not.toHaveProperty('client_name')
    expect(body).not.toHaveProperty('contacts')
    expect(body).not.toHaveProperty('client_secret')
    expect(body.registration_access_token).not.toBe(token)
    expect((await read(client_id, token)).status).toBe(401)
    expect((await read(client_id, body.registration_access_token)).body).toMatchObject({
      redirect_uris,
    })
  })

  test('keeps its secret, and gets one when it stops being public', async () => {
    const { client_id, client_secret, registration_access_token } = await register()
    const accepts = async (secret = '') => {
      const form = { grant_type: 'client_credentials' }
      const headers = { Authorization: basic(client_id, secret) }
      const { body } = await server.post<Registered>('/token', form, headers)
      return body.error === 'unauthorized_client'
    }
    const same = { ...good, client_secret }
    const first = await replace(client_id, registration_access_token, same)
    expect([first.status, await accepts(client_secret)]).toEqual([200, true])
    const open = { ...good, token_endpoint_auth_method: 'none' }
    const second = await replace(client_id, first.body.registration_access_token, open)
    expect([second.body.client_secret, await accepts(client_secret)]).toEqual([undefined, false])
    const third = await replace(client_id, second.body.registration_access_token, good)
    expect(third.body.client_secret_expires_at).toBe(0)
    expect(third.body.client_secret).not.toBe(client_secret)
    expect(await accepts(third.body.client_secret)).toBe(true)
  })

  test('gains nothing by an update', async () => {
    const { client_id, registration_access_token: token } = await register()
    const { body } = await replace(client_id, token, {
      ...good,
      scope: 'admin docs:read',
      kind: 'agent',
      tenant_id: 'acme',
      resources: ['http://127.0.0.1:4100/mcp'],
      agent_limits: {},
      registration_access_token: 'chosen-by-the-caller',
      client_id_issued_at: 1,
    })
    expect(body.scope).toBe('docs:read')
    expect(body.registration_access_token).not.toBe('chosen-by-the-caller')
    expect(await server.deps.store.clients.find(client_id)).toMatchObject({
      kind: 'app',
      tenant_id: undefined,
      resources: [],
    })
  })

  test.each([
    [{ client_id: 'desktop' }, 'invalid_client_metadata'],
    [{ client_id: undefined }, 'invalid_client_metadata'],
    [{ client_secret: 'chosen-by-the-caller' }, 'invalid_client_metadata'],
    [{ grant_types: ['client_credentials'] }, 'invalid_client_metadata'],
    [{ redirect_uris: ['javascript:alert(1)'] }, 'invalid_redirect_uri'],
    [{ redirect_uris: undefined }, 'invalid_redirect_uri'],
  ])('changes nothing with %j', async (wrong, error) => {
    const { client_id, registration_access_token: token } = await register()
    const before = (await read(client_id, token)).text
    const { status, body } = await replace(client_id, token, { ...good, ...wrong })
    expect([status, body.error]).toEqual([400, error])
    expect((await read(client_id, token)).text).toBe(before)
  })

  test('ends what people agreed to when codes would go to a new place, and not otherwise', async () => {
    const { client_id, registration_access_token } = await register({
      redirect_uris: ['https://app.example.test/cb', 'https://app.example.test/b'],
    })
    await consentTo(client_id)
    const fewer = await replace(client_id, registration_access_token, good)
    expect([fewer.status, await isRevoked(client_id)]).toEqual([200, false])
    const redirect_uris = [...good.redirect_uris, 'https://evil.example.test/']
    await replace(client_id, fewer.body.registration_access_token, { redirect_uris })
    expect(await isRevoked(client_id)).toBe(true)
  })

  test('updates once: of many with one token, one wins', async () => {
    const { client_id, registration_access_token: token } = await register()
    const answers = await Promise.all(
      Array.from({ length: 16 }, () => replace(client_id, token, good)),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(15)
  })

  test('removes itself, with all that was granted to it', async () => {
    const { client_id, client_secret, registration_access_token: token } = await register()
    await consentTo(client_id)
    const { status, text } = await remove(client_id, token)
    expect([status, text]).toEqual([204, ''])
    expect(await isRevoked(client_id)).toBe(true)
    expect((await read(client_id, token)).status).toBe(401)
    expect((await remove(client_id, token)).status).toBe(401)
    const answer = await server.post<Registered>(
      '/token',
      { grant_type: 'client_credentials' },
      { Authorization: basic(client_id, client_secret) },
    )
    expect([answer.status, answer.body.error]).toEqual([401, 'invalid_client'])
  })
})

describe('without the token of that client', () => {
  test('there is one answer, whatever is asked and whether or not the client exists', async () => {
    const [one, other] = [await register(), await register()]
    const before = JSON.stringify(await server.database.drizzle.select().from(clients))
    const token = one.registration_access_token
    const seen = new Set<string>()
    for (const id of [
      other.client_id,
      'dyn_AAAAAAAAAAAAAAAAAAAAAA',
      'desktop',
      'orchestrator',
      'x',
      '%00',
      'https%3A%2F%2Fapp.example.test%2Fclient.json',
      `dyn_${'a'.repeat(5000)}`,
    ]) {
      for (const given of [undefined, '', token, one.client_secret, `${token}x`]) {
        const body = { client_id: decodeURIComponent(id), ...good }
        for (const answer of [
          await read(id, given),
          await remove(id, given),
          await call('PUT', `/register/${id}`, given, body),
        ]) {
          expect(answer.headers.get('www-authenticate')).toContain('Bearer')
          seen.add(`${answer.status} ${answer.text}`)
        }
      }
    }
    expect([...seen]).toEqual([expect.stringMatching(/^401 .*"invalid_token"/)])
    expect(JSON.stringify(await server.database.drizzle.select().from(clients))).toBe(before)
  })

  test('nor does the secret of the client open its registration', async () => {
    const { client_id, client_secret } = await register()
    expect((await read(client_id, client_secret)).status).toBe(401)
    const headers = { Authorization: basic(client_id, client_secret) }
    expect((await server.request(`/register/${client_id}`, { headers })).status).toBe(401)
  })
})

test('other methods are not known', async () => {
  const { client_id, registration_access_token: token } = await register()
  const { status, headers } = await call('POST', `/register/${client_id}`, token, good)
  expect([status, headers.get('allow')]).toEqual([405, 'GET, PUT, DELETE'])
})
