/** Refresh tokens are taken back with all that they bought, and described to their client alone. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { getTokens, openPeopleServer, type PeopleServer, peopleConfig, refresh } from './browser.js'
import { basic, decode, docs, issuer, openTestServer, secretOf } from './harness.js'

let server: PeopleServer
beforeAll(async () => {
  server = await openPeopleServer()
})
afterAll(() => server.close())

type Fields = Record<string, string>

/** `POST /revoke`, as a public or as a confidential client. */
const revoke = (clientId: string, token: string, more: Fields = {}) =>
  ['pub', 'native'].includes(clientId)
    ? server.post<Fields>('/revoke', { client_id: clientId, token, ...more }, {})
    : server.post<Fields>('/revoke', { token, ...more }, { Authorization: basic(clientId) })

const isActive = async (token: string): Promise<unknown> =>
  (await server.introspect('docs-server', token)).body.active

const forConf = { query: { client_id: 'conf' } }

describe('a client that revokes its refresh token', () => {
  test.each([
    ['pub', {}],
    ['conf', forConf],
  ])('ends its family and all that it bought (%s)', async (clientId, options) => {
    const first = await getTokens(server, options)
    const second = (await refresh(server, clientId, first.refresh_token)).body
    const bought = [first.access_token, second.access_token]
    expect(await Promise.all(bought.map(isActive))).toEqual([true, true])

    const { status, headers, body } = await revoke(clientId, second.refresh_token ?? '')
    expect([status, body, headers.get('cache-control')]).toEqual([200, '', 'no-store'])
    expect(await Promise.all(bought.map(isActive))).toEqual([false, false])
    for (const token of [first.refresh_token, second.refresh_token ?? '']) {
      const refused = await refresh(server, clientId, token)
      expect([refused.status, refused.body.error]).toEqual([400, 'invalid_grant'])
    }
    expect((await revoke(clientId, second.refresh_token ?? '')).status).toBe(200)
  })

  test('does so with one that it has used already', async () => {
    const first = await getTokens(server)
    const second = (await refresh(server, 'pub', first.refresh_token)).body
    expect((await revoke('pub', first.refresh_token)).status).toBe(200)
    expect(await isActive(second.access_token)).toBe(false)
    expect((await refresh(server, 'pub', second.refresh_token ?? '')).status).toBe(400)
  })

  test.each(['refresh_token', 'access_token', 'nonsense'])(
    'may say token_type_hint=%s, right or wrong',
    async (token_type_hint) => {
      const { access_token, refresh_token } = await getTokens(server)
      expect((await revoke('pub', refresh_token, { token_type_hint })).status).toBe(200)
      expect(await isActive(access_token)).toBe(false)
      const other = await getTokens(server)
      expect((await revoke('pub', other.access_token, { token_type_hint })).status).toBe(200)
      expect(await isActive(other.access_token)).toBe(false)
    },
  )

  test('leaves its other connections and the consent alone', async () => {
    const one = await getTokens(server)
    const other = await getTokens(server)
    expect(other.got.asked).toBe(false)
    await revoke('pub', one.refresh_token)
    expect(await isActive(other.access_token)).toBe(true)
    expect((await refresh(server, 'pub', other.refresh_token)).status).toBe(200)
    expect((await getTokens(server)).got.asked).toBe(false)
  })

  test('is told in the feed, so that verifiers know within seconds', async () => {
    const { access_token, refresh_token } = await getTokens(server)
    await revoke('pub', refresh_token)
    const feed = await (await server.request('/revocations')).text()
    const revoked = decode(feed).revoked as { id: string }[]
    const family = (decode(access_token).agent_lineage as string[]).at(-1)
    expect(revoked.map(({ id }) => id)).toContain(family)
  })

  test('has revoked it for good, on every server of the database', async () => {
    const { access_token, refresh_token } = await getTokens(server)
    await revoke('pub', refresh_token)
    const restarted = await openTestServer({
      config: peopleConfig,
      database: server.database,
      clock: server.clock,
      people: server.people,
    })
    const fields = { client_id: 'pub', grant_type: 'refresh_token', refresh_token }
    expect((await restarted.post('/token', fields, {})).status).toBe(400)
    expect((await restarted.introspect('docs-server', access_token)).body).toEqual({
      active: false,
    })
  })
})

describe('a refresh token that is not theirs to revoke', () => {
  test('stays good, and the client cannot tell it from one that there is not', async () => {
    const { access_token, refresh_token } = await getTokens(server, forConf)
    for (const stranger of ['conf2', 'pub', 'native', 'docs-server', 'assistant']) {
      const { status, body } = await revoke(stranger, refresh_token)
      expect([status, body]).toEqual([200, ''])
      const line = JSON.parse(server.log.at(-1) ?? '{}')
      expect(line).toMatchObject({ client_id: stranger, why: 'foreign_token' })
      expect((await revoke(stranger, 'rt_there_is_none')).status).toBe(200)
      expect(server.log.at(-1)).toContain('unknown_token')
      expect(server.log.join()).not.toContain(refresh_token)
    }
    expect(await isActive(access_token)).toBe(true)
    expect((await refresh(server, 'conf', refresh_token)).status).toBe(200)
  })

  test('stays good for who does not authenticate', async () => {
    const { access_token, refresh_token } = await getTokens(server, forConf)
    const wrong = { Authorization: basic('conf', 'wrong-secret-of-32-characters-xx') }
    for (const [fields, headers] of [
      [{ token: refresh_token }, {}],
      [{ token: refresh_token, client_id: 'conf' }, {}],
      [{ token: refresh_token }, wrong],
    ] as const) {
      const { status, body } = await server.post<Fields>('/revoke', fields, headers)
      expect([status, body.error]).toEqual([401, 'invalid_client'])
    }
    expect(await isActive(access_token)).toBe(true)
  })

  test.each(['rt_made-up', 'rt_', `rt_${'x'.repeat(20_000)}`, "rt_' or 1=1 --"])(
    'and was never there is 200 (%#)',
    async (token) => {
      expect((await revoke('pub', token)).status).toBe(200)
    },
  )
})

const describeToken = (clientId: string, token: string) =>
  server.post<Record<string, unknown>>('/introspect', { token }, { Authorization: basic(clientId) })

const expectInactive = async (clientId: string, token: string): Promise<void> => {
  const response = await server.request('/introspect', {
    method: 'POST',
    headers: { Authorization: basic(clientId) },
    body: new URLSearchParams({ token }),
  })
  expect([response.status, await response.text()]).toEqual([200, '{"active":false}'])
}

describe('a refresh token', () => {
  test('is described to the client that holds it', async () => {
    const { refresh_token } = await getTokens(server, forConf)
    const now = server.clock.seconds()
    expect((await describeToken('conf', refresh_token)).body).toEqual({
      active: true,
      iss: issuer,
      client_id: 'conf',
      sub: 'usr_alice',
      scope: 'docs:read',
      tenant_id: 'acme',
      iat: now,
      exp: now + 30 * 24 * 3600,
    })
  })

  test('is inactive to everybody else, to the resource server too', async () => {
    const { refresh_token } = await getTokens(server, forConf)
    for (const stranger of ['conf2', 'docs-server', 'assistant', 'admin-tool']) {
      await expectInactive(stranger, refresh_token)
    }
    const anonymous = await server.post(
      '/introspect',
      { token: refresh_token, client_id: 'pub' },
      {},
    )
    expect(anonymous.status).toBe(400)
  })

  test('is inactive once it was used, revoked or is too old', async () => {
    const first = await getTokens(server, forConf)
    const second = (await refresh(server, 'conf', first.refresh_token)).body.refresh_token ?? ''
    await expectInactive('conf', first.refresh_token)
    expect((await describeToken('conf', second)).body.active).toBe(true)
    await revoke('conf', second)
    await expectInactive('conf', second)
    const third = await getTokens(server, forConf)
    server.clock.advance(30 * 24 * 3600)
    await expectInactive('conf', third.refresh_token)
  })

  test('is inactive once the consent is taken back', async () => {
    const { refresh_token } = await getTokens(server, forConf)
    const now = server.clock.now()
    const consents = await server.deps.store.consents.listLive('usr_alice', now)
    const { id = '' } = consents.find(({ client_id }) => client_id === 'conf') ?? {}
    await server.deps.store.consents.revoke(id, 'usr_alice', now)
    await expectInactive('conf', refresh_token)
  })

  test('is inactive while the person is switched off or in another organization', async () => {
    const { refresh_token } = await getTokens(server, forConf)
    const alice = server.people.who('usr_alice')
    alice.person.disabled = true
    await expectInactive('conf', refresh_token)
    alice.person.disabled = false
    const [membership] = alice.memberships.splice(0, 1)
    await expectInactive('conf', refresh_token)
    if (membership) alice.memberships.push(membership)
    expect((await describeToken('conf', refresh_token)).body.active).toBe(true)
  })
})

describe("a person's access token", () => {
  const forOpenid = {
    query: { scope: 'openid email docs:read', resource: docs },
  }

  test('is described to the resource server without more of the person than its scope says', async () => {
    const { access_token } = await getTokens(server, forOpenid)
    const { body } = await server.introspect('docs-server', access_token)
    const { agent_budget: _budget, email, email_verified, ...described } = body
    expect(described).toEqual({ active: true, token_type: 'Bearer', ...decode(access_token) })
    expect([email, email_verified]).toEqual(['alice@acme.test', true])
    for (const name of ['name', 'username', 'picture']) {
      expect(body).not.toHaveProperty(name)
    }
  })

  test('is inactive to every other server, and once the person is switched off', async () => {
    const { access_token } = await getTokens(server, forOpenid)
    await expectInactive('mail-server', access_token)
    await expectInactive('conf', access_token)
    server.people.who('usr_alice').person.disabled = true
    await expectInactive('docs-server', access_token)
    server.people.who('usr_alice').person.disabled = false
    expect(await isActive(access_token)).toBe(true)
  })

  test('is inactive once its client is switched off', async () => {
    const { access_token } = await getTokens(server, { query: { client_id: 'conf2' } })
    expect(await isActive(access_token)).toBe(true)
    const clients = peopleConfig.clients.map((client) =>
      client.client_id === 'conf2'
        ? { ...client, client_secret: secretOf('conf2'), disabled: true }
        : client,
    )
    await server.applyConfig({ ...peopleConfig, clients })
    await expectInactive('docs-server', access_token)
  })
})
