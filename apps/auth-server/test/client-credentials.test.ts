/** Client Credentials: the client acts for itself. RFC 6749 §4.4, RFC 8707. */
import { eq } from 'drizzle-orm'
import { decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createApp } from '../src/app.js'
import { createBatch } from '../src/store/batch.js'
import { issuances } from '../src/store/schema.js'
import {
  baseConfig,
  basic,
  decode,
  docs,
  issuer,
  mail,
  openTestServer,
  otherTenantDocs,
  type TestServer,
} from './harness.js'

let server: TestServer
beforeAll(async () => {
  server = await openTestServer()
})
afterAll(() => server.close())

const rowOf = async (token: string) => {
  const { jti } = decode(token)
  const { drizzle } = server.database
  return (
    await drizzle
      .select()
      .from(issuances)
      .where(eq(issuances.jti, String(jti)))
  )[0]
}

const audienceOf = (token: string): unknown => decode(token).aud

/** A server whose configuration is the base one, with some clients or tenants switched off. */
const switchedOff = (clients: string[], tenants: string[] = []) => ({
  ...baseConfig,
  clients: baseConfig.clients.map((client) => ({
    ...client,
    ...(clients.includes(client.client_id) && { disabled: true }),
  })),
  tenants: baseConfig.tenants.map((tenant) => ({
    ...tenant,
    ...(tenants.includes(tenant.tenant_id) && { disabled: true }),
  })),
})

describe('the token', () => {
  test('carries exactly the claims of an agent that acts for itself', async () => {
    const { body, status } = await server.clientCredentials('orchestrator')
    const now = server.clock.seconds()
    expect(status).toBe(200)
    expect(decode(body.access_token)).toEqual({
      iss: issuer,
      sub: 'orchestrator',
      aud: docs,
      client_id: 'orchestrator',
      scope: 'docs:read docs:write',
      iat: now,
      exp: now + 900,
      jti: expect.stringMatching(/^at_[A-Za-z0-9_-]{22}$/),
      tenant_id: 'acme',
      role: 'agent',
      agent_type: 'planner',
      agent_limits: {
        requests_per_hour: 100,
        cost_budget_usd: 50,
        allowed_actions: ['docs.*', 'mail.send'],
        max_delegation_depth: 3,
      },
      agent_lineage: [expect.stringMatching(/^dlg_[A-Za-z0-9_-]{22}$/)],
    })
  })

  test('says in its header what it is and which key signed it', async () => {
    const { body } = await server.clientCredentials('orchestrator')
    const kid = server.deps.keys.jwks().keys[0]?.kid
    expect(decodeProtectedHeader(body.access_token)).toEqual({ alg: 'ES256', typ: 'at+jwt', kid })
  })

  test('a resource server is no agent, and its token does not say so', async () => {
    const { body } = await server.clientCredentials('docs-server', { resource: issuer })
    const claims = decode(body.access_token)
    expect(claims).not.toHaveProperty('role')
    expect(claims).not.toHaveProperty('agent_type')
    expect(claims).not.toHaveProperty('act')
  })

  test('comes without a refresh token, for Bearer use, and is not to be kept', async () => {
    const { body, headers } = await server.clientCredentials('orchestrator')
    expect(Object.keys(body).toSorted()).toEqual([
      'access_token',
      'agent_limits',
      'expires_in',
      'scope',
      'token_type',
    ])
    expect(body).toMatchObject({ token_type: 'Bearer', expires_in: 900 })
    expect(headers.get('cache-control')).toBe('no-store')
  })

  test('is a new one every time, on the same standing delegation', async () => {
    const one = decode((await server.clientCredentials('orchestrator')).body.access_token)
    const other = decode((await server.clientCredentials('orchestrator')).body.access_token)
    expect(one.jti).not.toBe(other.jti)
    expect(one.agent_lineage).toEqual(other.agent_lineage)
  })
})

describe('scope', () => {
  const ask = (scope: string, resource: string | string[] = docs) =>
    server.clientCredentials('orchestrator', { scope, resource })

  test('what is asked for and allowed is granted, and the answer says what that is', async () => {
    const { body } = await ask('docs:read docs:delete admin')
    expect(body.scope).toBe('docs:read')
    expect(decode(body.access_token).scope).toBe('docs:read')
  })

  test('nothing asked for means all that the resource knows', async () => {
    const { body } = await server.clientCredentials('orchestrator', { resource: [docs, mail] })
    expect(body.scope).toBe('docs:read docs:write mail:send')
  })

  test('a scope of another resource is not granted', async () => {
    expect((await ask('docs:read mail:send')).body.scope).toBe('docs:read')
  })

  test.each(['admin', 'mail:send', 'DOCS:READ', 'docs', 'docs:*', 'docs:rea'])(
    '"%s", of which nothing may be granted, is invalid_scope',
    async (scope) => {
      const { status, body } = await ask(scope)
      expect([status, body.error]).toEqual([400, 'invalid_scope'])
    },
  )

  test.each(['docs:read  docs:write', ' docs:read', 'docs:read ', 'docs:"read"', 'döcs'])(
    '"%s", which is no scope, is invalid_scope',
    async (scope) => {
      const { status, body } = await ask(scope)
      expect([status, body.error]).toEqual([400, 'invalid_scope'])
    },
  )
})

describe('resource and audience', () => {
  const ask = (fields: Record<string, string | string[]>, client = 'orchestrator') =>
    server.clientCredentials(client, fields)
  const refused = async (fields: Record<string, string | string[]>, client?: string) => {
    const { status, body } = await ask(fields, client)
    expect([status, body.error]).toEqual([400, 'invalid_target'])
    expect(body).not.toHaveProperty('access_token')
    return body
  }

  test('the only resource of a client is the default', async () => {
    expect(audienceOf((await ask({}, 'loner')).body.access_token)).toBe(docs)
  })

  test('a client with two resources must choose', async () => {
    await refused({})
  })

  test('an empty resource counts as none', async () => {
    expect(audienceOf((await ask({ resource: '' }, 'loner')).body.access_token)).toBe(docs)
  })

  test('two resources become two audiences, a repeated one stays one', async () => {
    expect(audienceOf((await ask({ resource: [docs, mail] })).body.access_token)).toEqual([
      docs,
      mail,
    ])
    expect(audienceOf((await ask({ resource: [docs, docs] })).body.access_token)).toBe(docs)
  })

  test('a resource repeated a thousand times is still one', async () => {
    const { body } = await ask({ resource: Array.from({ length: 1000 }, () => docs) })
    expect(audienceOf(body.access_token)).toBe(docs)
  })

  test('a thousand different resources are refused before any is looked up', async () => {
    const resource = Array.from({ length: 1000 }, (_, index) => `https://r.example/${index}`)
    expect((await refused({ resource })).error_detail).toBe('too_many_targets')
  })

  test.each([
    ['an unknown one', 'https://unknown.example/mcp'],
    ["another tenant's", otherTenantDocs],
    ['one in another case', docs.toUpperCase()],
    ['one with a slash more', `${docs}/`],
    ['one with a fragment', `${docs}#x`],
    ['a relative one', '/mcp'],
    ['a script', 'javascript:alert(1)'],
  ])('%s is refused, alone and beside a good one', async (_, resource) => {
    await refused({ resource })
    await refused({ resource: [docs, resource] })
  })

  test.each(['/mcp', 'mcp', `${docs}#x`, 'http://', `https://r.example/${'a'.repeat(2048)}`])(
    '%s is refused for its form, before anything is looked up',
    async (resource) => {
      expect((await refused({ resource })).error_detail).toBe('malformed_resource')
    },
  )

  test('one that exists but that the client was not given is refused', async () => {
    await refused({ resource: mail }, 'loner')
  })

  test('the client id of a resource server names its resource', async () => {
    expect(audienceOf((await ask({ audience: 'docs-server' })).body.access_token)).toBe(docs)
    expect(audienceOf((await ask({ audience: docs })).body.access_token)).toBe(docs)
    const both = await ask({ audience: 'docs-server', resource: docs })
    expect(audienceOf(both.body.access_token)).toBe(docs)
  })

  test.each(['nobody', 'researcher', 'globex-docs-server', '__proto__'])(
    'the audience "%s" is refused',
    async (audience) => {
      await refused({ audience })
    },
  )

  test('any confidential client may have a token for this server, with scopes of its API only', async () => {
    for (const client of ['loner', 'cc-only', 'globex-agent', 'docs-server']) {
      const { body, status } = await ask({ resource: issuer }, client)
      expect(status).toBe(200)
      expect(audienceOf(body.access_token)).toBe(issuer)
    }
    const agent = await ask({ resource: issuer }, 'loner')
    expect(agent.body).not.toHaveProperty('scope')
    const resourceServer = await ask({ resource: issuer }, 'docs-server')
    expect(resourceServer.body.scope).toBe('budgets:charge delegations:read')
    expect((await ask({ resource: issuer, scope: 'docs:read' })).body.error).toBe('invalid_scope')
  })

  test('a token is for this server or for resources, never for both', async () => {
    for (const resource of [
      [issuer, docs],
      [docs, issuer],
    ]) {
      expect((await refused({ resource })).error_detail).toBe('mixed_targets')
    }
    await refused({ resource: docs, audience: issuer })
  })
})

describe('who may', () => {
  test('a public client has no credential to grant on', async () => {
    const grant_type = 'client_credentials'
    const { status, body } = await server.token(undefined, { grant_type, client_id: 'desktop' })
    expect(status).toBe(400)
    expect(body.error).toBe('unauthorized_client')
  })

  test('a public client that has the grant type in its registration is refused all the same', async () => {
    const clients = baseConfig.clients.map((client) =>
      client.client_id === 'desktop'
        ? { ...client, tenant_id: 'acme', grant_types: ['client_credentials'], resources: [docs] }
        : client,
    )
    const other = await openTestServer({
      database: server.database,
      config: { ...baseConfig, clients },
    })
    const fields = { grant_type: 'client_credentials', client_id: 'desktop' }
    const { status, body } = await other.token(undefined, fields)
    expect([status, body.error]).toEqual([400, 'unauthorized_client'])
    expect(body.error_detail).toBe('public_client')
  })

  test('a client may use the grant types that it is registered for and no others', async () => {
    expect((await server.clientCredentials('cc-only')).status).toBe(200)
    const { status, body } = await server.exchange('cc-only', 'x')
    expect([status, body.error]).toEqual([400, 'unauthorized_client'])
  })

  test.each(['password', 'implicit', 'urn:x:nope', '__proto__', 'constructor'])(
    'the grant type %s is not supported',
    async (grant_type) => {
      const { status, body } = await server.token('orchestrator', { grant_type })
      expect([status, body.error]).toEqual([400, 'unsupported_grant_type'])
    },
  )

  test('no grant type at all is a malformed request', async () => {
    for (const fields of [{}, { grant_type: '' }]) {
      const { status, body } = await server.token('orchestrator', fields)
      expect([status, body.error]).toEqual([400, 'invalid_request'])
    }
  })
})

describe('the record', () => {
  test('of a token is there when the answer is', async () => {
    const { body } = await server.clientCredentials('orchestrator', { resource: [docs, mail] })
    const claims = decode(body.access_token)
    const row = await rowOf(body.access_token)
    expect(row).toEqual({
      jti: claims.jti,
      parentJti: null,
      delegationId: (claims.agent_lineage as string[])[0],
      tenantId: 'acme',
      clientId: 'orchestrator',
      subject: 'orchestrator',
      actor: 'orchestrator',
      scope: 'docs:read docs:write mail:send',
      aud: [docs, mail],
      issuedAt: server.clock.now(),
      expiresAt: new Date(server.clock.now().getTime() + 900_000),
    })
  })

  test('is waited for: without it there is no answer', async () => {
    let commit: (outcome: 'recorded') => void = () => {}
    const record = () =>
      new Promise<'recorded'>((resolve) => {
        commit = resolve
      })
    const issuancesStore = { ...server.deps.store.issuances, record }
    const store = { ...server.deps.store, issuances: issuancesStore }
    const app = createApp({ ...server.deps, store })
    let answered = false
    const response = Promise.resolve(
      app.request(`${issuer}/token`, {
        method: 'POST',
        headers: { Authorization: basic('loner') },
        body: new URLSearchParams({ grant_type: 'client_credentials' }),
      }),
    ).finally(() => {
      answered = true
    })
    // Another whole request fits in before the row is committed.
    await server.clientCredentials('loner', {})
    expect(answered).toBe(false)
    commit('recorded')
    expect((await response).status).toBe(200)
  })

  test('of two hundred tokens at once has two hundred rows', async () => {
    const answers = await Promise.all(
      Array.from({ length: 200 }, () => server.clientCredentials('scraper')),
    )
    const jtis = answers.map(({ body }) => decode(body.access_token).jti)
    expect(new Set(jtis).size).toBe(200)
    const { drizzle } = server.database
    const rows = await drizzle.select().from(issuances).where(eq(issuances.clientId, 'scraper'))
    expect(new Set(rows.map(({ jti }) => jti))).toEqual(new Set(jtis))
  })

  test('what arrives during a commit shares the next one, in order, and no commit is too large', async () => {
    const flushes: number[][] = []
    const add = createBatch((items: number[]) => {
      flushes.push(items)
      return Promise.resolve(items.map((item) => item * 10))
    }, 4)
    const numbers = Array.from({ length: 10 }, (_, index) => index)
    expect(await Promise.all(numbers.map(add))).toEqual(numbers.map((item) => item * 10))
    expect(flushes).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9],
    ])
  })

  test('a commit that fails fails its own items only', async () => {
    let calls = 0
    const add = createBatch((items: string[]) => {
      calls += 1
      return calls === 1 ? Promise.reject(new Error('lost')) : Promise.resolve(items)
    }, 2)
    const results = await Promise.allSettled(['a', 'b', 'c'].map(add))
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled'])
    expect(await add('d')).toBe('d')
  })

  test('a commit that answers too little fails those that it forgot', async () => {
    const add = createBatch((items: string[]) => Promise.resolve(items.slice(0, 1)))
    const results = await Promise.allSettled(['a', 'b'].map(add))
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
  })
})

describe('switched off', () => {
  test('a disabled client is refused like an unknown one', async () => {
    const disabled = await server.clientCredentials('switched-off')
    expect([disabled.status, disabled.body.error]).toEqual([401, 'invalid_client'])
  })

  test('a client and a tenant that another server switches off are refused here at once, and again let in', async () => {
    const first = await server.clientCredentials('loner', {})
    expect(first.status).toBe(200)
    const config = switchedOff(['loner'], ['globex'])
    const second = await openTestServer({ database: server.database, config })
    for (const one of [server, second]) {
      expect((await one.clientCredentials('loner', {})).status).toBe(401)
      expect((await one.clientCredentials('globex-agent', {})).status).toBe(401)
      expect((await one.clientCredentials('cc-only', {})).status).toBe(200)
    }
    await openTestServer({ database: server.database, config: baseConfig })
    expect((await server.clientCredentials('globex-agent', {})).status).toBe(200)
    const again = await server.clientCredentials('loner', {})
    expect(again.status).toBe(200)
    // What it held was revoked: it stands on a new delegation.
    expect(decode(again.body.access_token).agent_lineage).not.toEqual(
      decode(first.body.access_token).agent_lineage,
    )
  })
})
