/** /userinfo tells a client what it was let know, while person, client and consent are there. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { clients } from '../src/store/schema.js'
import { baseConfig, docs, issuer, openTestServer, type TestServer } from './harness.js'
import { personToken } from './person-tokens.js'
import { createStandInPeople, membership } from './stand-in-people.js'

const people = createStandInPeople(() => new Date())

const config = {
  ...baseConfig,
  clients: [
    ...baseConfig.clients,
    { client_id: 'other-app', kind: 'app', token_endpoint_auth_method: 'none', scope: 'docs:read' },
  ],
}

let server: TestServer
beforeAll(async () => {
  alice().person.claims = { plan: 'gold', sub: 'usr_mallory', email: 'm@evil.example' }
  server = await openTestServer({ config, people })
})
afterAll(() => server.close())

const alice = () => people.who('usr_alice')
afterEach(() => {
  alice().person.disabled = false
  alice().memberships = [membership('acme')]
})

const ask = (token: string | undefined, init: RequestInit = {}, path = '/userinfo') =>
  server.request(path, {
    ...init,
    headers: { ...(token !== undefined && { Authorization: `Bearer ${token}` }), ...init.headers },
  })

const refusalOf = async (token: string | undefined, init: RequestInit = {}) => {
  const response = await ask(token, init)
  const text = await response.text()
  return {
    status: response.status,
    challenge: response.headers.get('www-authenticate'),
    reason: text && JSON.parse(text).error_detail,
  }
}

describe('a token with openid, for the issuer', () => {
  test.each(['GET', 'POST'])('is answered with the claims of its scope (%s)', async (method) => {
    const { token } = await personToken(server)
    const response = await ask(token, { method })
    expect(response.status).toBe(200)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(response.headers.get('content-type')).toContain('application/json')
    expect(await response.json()).toEqual({
      sub: 'usr_alice',
      name: 'Alice',
      email: 'alice@acme.test',
      email_verified: true,
      role: 'user',
      tenant_id: 'acme',
      org_role: 'member',
      organization_ids: ['acme'],
      plan: 'gold',
    })
  })

  test('without profile and email says neither, whatever the configuration calls its claims', async () => {
    const { token } = await personToken(server, { scope: 'openid', aud: issuer })
    const body = await (await ask(token)).json()
    expect(body).toMatchObject({ sub: 'usr_alice', role: 'user' })
    for (const name of ['name', 'email', 'email_verified']) expect(body).not.toHaveProperty(name)
  })

  test('of an agent that acts for the person works as the person agreed', async () => {
    const act = { sub: 'researcher', client_id: 'researcher', sub_profile: 'ai_agent' }
    const { token } = await personToken(server, { client_id: 'researcher', act })
    expect((await ask(token)).status).toBe(200)
  })

  test('may be used by any page, without the cookies of a browser', async () => {
    const { token } = await personToken(server)
    const headers = { Origin: 'https://app.example' }
    const response = await ask(token, { headers })
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
    expect(response.headers.get('access-control-allow-credentials')).toBeNull()
    const preflight = await ask(undefined, { method: 'OPTIONS', headers })
    expect(preflight.status).toBe(204)
  })
})

describe('what is refused', () => {
  const cases: [string, object, string][] = [
    ['without openid', { scope: 'profile email docs:read' }, 'insufficient_scope'],
    ['for a resource alone', { aud: docs }, 'wrong_audience'],
    ['for a longer issuer', { aud: `${issuer}/x` }, 'wrong_audience'],
    ['that is a hand-off', { aud: issuer, may_act: { sub: 'scraper' } }, 'hand_off_token'],
    ["that is an agent's own", { sub: 'desktop', aud: issuer }, 'no_person'],
    [
      'that was lent on',
      { act: { sub: 'scraper', client_id: 'scraper', act: { sub: 'researcher' } } },
      'delegated',
    ],
    ['of a client that is not there', { client_id: 'nobody' }, 'revoked'],
    ['without a delegation', { agent_lineage: undefined }, 'revoked'],
    ['on a delegation that is not there', { agent_lineage: ['dlg_unknown'] }, 'revoked'],
    ['for nobody that is here', { sub: 'usr_nobody' }, 'revoked'],
    ['of an organization that is not theirs', { tenant_id: 'globex' }, 'revoked'],
    ['that has expired', { exp: 1 }, 'token_expired'],
    ['of another issuer', { iss: 'https://evil.example' }, 'wrong_issuer'],
  ]

  test.each(cases)('a token %s', async (_, claims, reason) => {
    const { token } = await personToken(server, claims)
    const refused = await refusalOf(token)
    expect(refused.reason).toBe(reason)
    expect(refused.status).toBe(reason === 'insufficient_scope' ? 403 : 401)
    const error = reason === 'insufficient_scope' ? 'insufficient_scope' : 'invalid_token'
    expect(refused.challenge).toContain(`Bearer error="${error}"`)
  })

  test("an agent's own token, truly issued", async () => {
    const { body } = await server.clientCredentials('orchestrator', { resource: issuer })
    expect(await refusalOf(body.access_token)).toMatchObject({ status: 401, reason: 'no_person' })
  })

  test('no token, with a challenge that names no error', async () => {
    for (const Authorization of ['', 'Basic YTpi', 'Bearer', 'Bearer a b']) {
      const { status, challenge, reason } = await refusalOf(undefined, {
        headers: { Authorization },
      })
      expect([status, challenge, reason]).toEqual([401, 'Bearer scope="openid"', ''])
    }
  })

  test('a token in the query or in a body', async () => {
    const { token } = await personToken(server)
    const inQuery = await ask(undefined, {}, `/userinfo?access_token=${token}`)
    expect([inQuery.status, (await inQuery.json()).error]).toEqual([400, 'invalid_request'])
    const body = new URLSearchParams({ access_token: token })
    expect((await ask(undefined, { method: 'POST', body })).status).toBe(401)
  })

  test('other methods', async () => {
    const response = await ask(undefined, { method: 'DELETE' })
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, POST'])
  })
})

describe('a token that was good', () => {
  const expectDead = async (token: string) =>
    expect(await refusalOf(token)).toMatchObject({ status: 401, reason: 'revoked' })

  test('is refused once its delegation is revoked', async () => {
    const { token, delegationId } = await personToken(server)
    expect((await ask(token)).status).toBe(200)
    const now = server.clock.now()
    await server.deps.store.revocations.revoke({ delegation_id: delegationId }, 'test', now)
    await expectDead(token)
  })

  test('is refused once the person is disabled, and says what is true of them now', async () => {
    const { token } = await personToken(server)
    alice().memberships = [membership('acme', { orgRole: 'admin' }), membership('globex')]
    expect(await (await ask(token)).json()).toMatchObject({
      org_role: 'admin',
      organization_ids: ['acme', 'globex'],
    })
    alice().person.disabled = true
    await expectDead(token)
  })

  test('is refused once the person has left the organization, or it is switched off', async () => {
    const { token } = await personToken(server)
    alice().memberships = [membership('globex')]
    await expectDead(token)
    alice().memberships = [membership('acme', { disabled: true })]
    await expectDead(token)
  })

  test('is refused once its client is disabled', async () => {
    const { token } = await personToken(server, { client_id: 'other-app' })
    expect((await ask(token)).status).toBe(200)
    await server.database.drizzle.update(clients).set({ disabled: true })
    await expectDead(token)
    await server.database.drizzle.update(clients).set({ disabled: false })
  })
})
