/** Introspection vouches for live tokens, to the resource server they are meant for. RFC 7662. */
import { generateKeyPairSync } from 'node:crypto'
import { revocationFeedType } from '@behalf/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { decodeHeader, es256, jws, resign } from './forge.js'
import {
  baseConfig,
  basic,
  decode,
  delegateOnce,
  docs,
  issuer,
  mail,
  openTestServer,
  secretOf,
  type TestServer,
} from './harness.js'

const openToAll = 'http://127.0.0.1:4400/mcp'

const config = {
  ...baseConfig,
  resources: [
    ...baseConfig.resources,
    { resource: openToAll, scopes_supported: ['docs:read'], client_id: 'docs-server' },
  ],
  clients: baseConfig.clients.map((client) =>
    client.client_id === 'globex-agent' ? { ...client, resources: [openToAll] } : client,
  ),
}

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({ config })
})
afterAll(() => server.close())

/** Whatever it will not vouch for looks the same, to the byte. */
const expectInactive = async (clientId: string, token: string): Promise<void> => {
  const response = await server.request('/introspect', {
    method: 'POST',
    headers: { Authorization: basic(clientId) },
    body: new URLSearchParams({ token }),
  })
  expect([response.status, await response.text()]).toEqual([200, '{"active":false}'])
}

const leafOf = (token: string): string => (decode(token).agent_lineage as string[]).at(-1) ?? ''

const charge = (token: string, amount_usd: string) =>
  server.ledger('docs-server', '/reservations', { token, amount_usd, action: 'docs.read' })

describe('an active token', () => {
  test('is described by all its claims and by what its budget has left', async () => {
    const { token } = await delegateOnce(server)
    const { status, headers, body } = await server.introspect('docs-server', token)
    expect([status, headers.get('cache-control')]).toEqual([200, 'no-store'])
    expect(body).toEqual({
      active: true,
      token_type: 'Bearer',
      ...decode(token),
      agent_budget: {
        delegation_id: leafOf(token),
        cap_usd: '5',
        spent_usd: '0',
        held_usd: '0',
        remaining_usd: '5',
        limited_by: leafOf(token),
        mode: 'shared',
        requests_per_hour: 100,
        remaining_requests: 100,
        requests_limited_by: 'agent:orchestrator',
      },
    })
    expect(body.act).toMatchObject({ sub: 'researcher' })
    expect(body.agent_limits).toMatchObject({ cost_budget_usd: 5, max_delegation_depth: 1 })
    expect(body.agent_lineage).toHaveLength(2)
  })

  test('shows what is held and spent at this moment, also by what hangs below', async () => {
    const { token } = await delegateOnce(server)
    const child = (await server.exchange('researcher', token)).body.access_token
    const spent = await charge(child, '2')
    await server.ledger('docs-server', `/reservations/${spent.body.id}/settle`, {
      amount_usd: '1.25',
    })
    await charge(child, '0.5')
    expect((await server.introspect('docs-server', token)).body.agent_budget).toMatchObject({
      spent_usd: '1.25',
      held_usd: '0.5',
      remaining_usd: '3.25',
    })
  })

  test('names the ancestor whose budget leaves less than its own', async () => {
    const { token } = await delegateOnce(server, { agent_limits: '{"cost_budget_usd":1}' })
    const child = (await server.exchange('researcher', token)).body.access_token
    const sibling = (await server.exchange('researcher', token)).body.access_token
    await charge(sibling, '0.75')
    expect((await server.introspect('docs-server', child)).body.agent_budget).toMatchObject({
      cap_usd: '1',
      spent_usd: '0',
      remaining_usd: '0.25',
      limited_by: leafOf(token),
    })
  })

  test('for several resources is active to each of their servers', async () => {
    const { body } = await server.clientCredentials('orchestrator', { resource: [docs, mail] })
    for (const caller of ['docs-server', 'mail-server']) {
      expect((await server.introspect(caller, body.access_token)).body.active).toBe(true)
    }
    await expectInactive('globex-docs-server', body.access_token)
  })

  test('of any tenant is active to the server of a resource that is open to all', async () => {
    const { body } = await server.clientCredentials('globex-agent')
    expect(body.error).toBe('invalid_target')
    const open = await server.clientCredentials('globex-agent', { resource: openToAll })
    const { access_token } = open.body
    expect((await server.introspect('docs-server', access_token)).body).toMatchObject({
      active: true,
      tenant_id: 'globex',
    })
    await expectInactive('globex-docs-server', access_token)
  })

  test('is found whatever token_type_hint says', async () => {
    const { token } = await delegateOnce(server)
    const { body } = await server.post<Record<string, unknown>>(
      '/introspect',
      { token, token_type_hint: 'refresh_token' },
      { Authorization: basic('docs-server') },
    )
    expect(body.active).toBe(true)
  })
})

describe('nothing but {"active":false} is said', () => {
  test.each(['mail-server', 'globex-docs-server', 'orchestrator', 'researcher', 'scraper'])(
    'to %s, for whom the token is not meant',
    async (caller) => expectInactive(caller, (await delegateOnce(server)).token),
  )

  test("of a token for the server's own API, to anybody", async () => {
    const { body } = await server.clientCredentials('docs-server', { resource: issuer })
    for (const caller of ['docs-server', 'mail-server']) {
      await expectInactive(caller, body.access_token)
    }
  })

  test('of a token that waits to be accepted, even if it were for a resource', async () => {
    const { handOff } = await delegateOnce(server)
    await expectInactive('docs-server', handOff.body.access_token)
    await expectInactive('docs-server', resign(server, handOff.body.access_token, { aud: docs }))
  })

  test('of an expired token', async () => {
    const { token } = await delegateOnce(server)
    server.clock.advance(299)
    expect((await server.introspect('docs-server', token)).body.active).toBe(true)
    server.clock.advance(1)
    await expectInactive('docs-server', token)
  })

  test('of a token of another type, issuer or key', async () => {
    const { token } = await delegateOnce(server)
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    for (const other of [
      resign(server, token, {}, revocationFeedType),
      resign(server, token, {}, 'token-introspection+jwt'),
      resign(server, token, { iss: 'https://other.example' }),
      jws(decodeHeader(token), decode(token), es256(privateKey)),
    ]) {
      await expectInactive('docs-server', other)
    }
  })

  test('of a token on delegations that are not known, or with limits that are not', async () => {
    const { token } = await delegateOnce(server)
    for (const claims of [
      { agent_lineage: undefined },
      { agent_lineage: ['dlg_unknown'] },
      { agent_lineage: [...(decode(token).agent_lineage as string[]), 'dlg_unknown'] },
      { agent_lineage: ['dlg_unknown', ...(decode(token).agent_lineage as string[])] },
      { agent_limits: { tokens_per_day: 1 } },
    ]) {
      await expectInactive('docs-server', resign(server, token, claims))
    }
  })

  test('of a token that claims another tenant than its agents have', async () => {
    const { token } = await delegateOnce(server)
    await expectInactive('docs-server', resign(server, token, { tenant_id: 'globex' }))
  })

  test.each(['garbage', 'a.b.c', '....', 'x'.repeat(20_000), 'eyJhbGciOiJub25lIn0.e30.'])(
    'of garbage of kind %#',
    (token) => expectInactive('docs-server', token),
  )
})

describe('a request', () => {
  const ask = (fields: Record<string, string | string[]>, authorization?: string) =>
    server.post<Record<string, string>>(
      '/introspect',
      fields,
      authorization ? { Authorization: authorization } : {},
    )

  test.each([[{}], [{ token: '' }], [{ token: ['one', 'two'] }]])(
    'without exactly one token is refused: %j',
    async (fields) => {
      const { status, body } = await ask(fields, basic('docs-server'))
      expect([status, body.error]).toEqual([400, 'invalid_request'])
    },
  )

  test('of a public client is refused', async () => {
    const { status, body } = await ask({ token: 'x', client_id: 'desktop' })
    expect([status, body.error]).toEqual([400, 'unauthorized_client'])
  })

  test('without client authentication is refused, and so is one with a bearer token', async () => {
    const { token } = await delegateOnce(server)
    const wrong = basic('docs-server', secretOf('mail-server'))
    for (const authorization of [undefined, wrong, `Bearer ${token}`]) {
      const { status, body } = await ask({ token }, authorization)
      expect([status, body.error]).toEqual([401, 'invalid_client'])
    }
  })

  test('that fails for another reason than the token is no answer about the token', async () => {
    const { token } = await delegateOnce(server)
    await server.database.write('alter table budgets rename to hidden', [])
    const { status, body } = await server.introspect('docs-server', token)
    await server.database.write('alter table hidden rename to budgets', [])
    expect([status, body.error]).toEqual([500, 'server_error'])
    expect(JSON.stringify(body)).not.toMatch(/budgets|select/)
  })
})
