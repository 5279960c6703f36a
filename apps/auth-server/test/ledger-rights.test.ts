import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  basic,
  decode,
  delegateOnce,
  docs,
  issuer,
  mail,
  openTestServer,
  type TestServer,
} from './harness.js'
import { checkBooks, configWith, delegationOf, lend } from './ledger-fixtures.js'

const everywhere = 'http://127.0.0.1:4400/mcp'

/** Three more resource servers: one for all tenants, one of the issuer's own URI, one of nothing. */
const base = configWith({
  clients: {
    'docs-server': { scope: 'budgets:charge delegations:read' },
    orchestrator: { scope: 'docs:read docs:write mail:send budgets:charge delegations:read' },
    'globex-agent': { resources: ['http://127.0.0.1:4300/mcp', everywhere] },
  },
  more: ['everywhere-server', 'issuer-server', 'idle-server'].map((client_id) => ({
    client_id,
    kind: 'resource_server',
    client_secret: `${client_id}-secret-of-32-characters`,
  })),
})
const config = {
  ...base,
  resources: [
    ...base.resources,
    { resource: everywhere, scopes_supported: ['docs:read'], client_id: 'everywhere-server' },
    { resource: issuer, client_id: 'issuer-server' },
  ],
}

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({ config })
})
afterAll(() => server.close())

const post = async (path: string, body: object, headers: Record<string, string>) => {
  const response = await server.request(`/ledger${path}`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      'Idempotency-Key': crypto.randomUUID(),
      ...headers,
    },
    body: JSON.stringify(body),
  })
  const answer = (await response.json()) as Record<string, string>
  return { status: response.status, headers: response.headers, body: answer }
}

const charge = (fields: object, headers: Record<string, string>) =>
  post('/reservations', { amount_usd: '0.01', action: 'docs.read', ...fields }, headers)

const as = (clientId: string) => ({ Authorization: basic(clientId) })
const bearer = (token: string) => ({ Authorization: `Bearer ${token}` })

const apiToken = async (clientId: string, scope: string): Promise<string> =>
  (await server.clientCredentials(clientId, { resource: issuer, scope })).body.access_token

/** Signed by this server, with claims that no grant would put there. */
const forge = (token: string, claims: object): string =>
  server.deps.keys.sign('at+jwt', { ...decode(token), ...claims })

const expectNothingMoved = async (work: () => Promise<void>): Promise<void> => {
  const before = await checkBooks(server)
  await work()
  expect(await checkBooks(server)).toEqual(before)
}

describe('a caller', () => {
  test('without valid credentials is refused with a challenge', async () => {
    const { token } = await lend(server, '0.1')
    const nul = Buffer.from('docs%00server:secret').toString('base64')
    const huge = Buffer.from(`${'x'.repeat(5000)}:secret`).toString('base64')
    const headers: Record<string, string>[] = [
      {},
      { Authorization: basic('docs-server', 'another-secret-of-32-characters') },
      { Authorization: basic('nobody', 'another-secret-of-32-characters') },
      { Authorization: basic('desktop', 'a-public-client-has-no-secret') },
      { Authorization: basic('switched-off') },
      { Authorization: `Basic ${nul}` },
      { Authorization: `Basic ${huge}` },
      { Authorization: 'Basic !!!' },
      { Authorization: 'Bearer' },
      { Authorization: 'Bearer ' },
      { Authorization: 'Digest abc' },
    ]
    await expectNothingMoved(async () => {
      for (const header of headers) {
        const { status, body, headers: answered } = await charge({ token }, header)
        expect([header, status, body.error]).toEqual([header, 401, 'invalid_client'])
        expect(answered.get('www-authenticate')).toBe('Basic realm="behalf"')
      }
      expect((await charge({ token }, {})).body.error_detail).toBe('no_credentials')
    })
  })

  test('is a resource server of the delegation, by token or by id', async () => {
    const { token, delegation_id } = await lend(server, '0.1')
    expect((await charge({ token }, as('docs-server'))).status).toBe(201)
    expect((await charge({ delegation_id }, as('docs-server'))).status).toBe(201)
  })

  test('may not charge if it is the agent, another resource server or another tenant', async () => {
    const { token, delegation_id } = await lend(server, '0.1')
    const unknown = await charge({ delegation_id: 'dlg_unknown' }, as('docs-server'))
    expect([unknown.status, unknown.body.error]).toEqual([404, 'not_found'])
    await expectNothingMoved(async () => {
      for (const clientId of [
        'orchestrator',
        'researcher',
        'mail-server',
        'globex-docs-server',
        'everywhere-server',
        'idle-server',
      ]) {
        const byToken = await charge({ token }, as(clientId))
        expect([clientId, byToken.status]).toEqual([clientId, 403])
        expect(byToken.body).toMatchObject({
          error: 'access_denied',
          error_detail: 'wrong_audience',
        })
        const byId = await charge({ delegation_id }, as(clientId))
        expect([clientId, byId.status, byId.body]).toEqual([clientId, 404, unknown.body])
      }
    })
  })

  test('names a token or a delegation, not both and not neither', async () => {
    const lent = await lend(server, '0.1')
    await expectNothingMoved(async () => {
      for (const fields of [lent, {}]) {
        const answer = await charge(fields, as('docs-server'))
        expect([answer.status, answer.body.error]).toEqual([400, 'invalid_request'])
      }
    })
  })
})

describe('a token', () => {
  const expectDenied = async (token: string, reason: string, clientId = 'docs-server') => {
    const { status, body, headers } = await charge({ token }, as(clientId))
    expect([reason, status, body.error]).toEqual([reason, 403, 'access_denied'])
    expect(body.error_detail).toBe(reason)
    expect(headers.get('www-authenticate')).toBeNull()
  }

  test('of another resource of the same delegation cannot be charged, its delegation can', async () => {
    const both = { resource: [docs, mail] }
    const own = (await server.clientCredentials('orchestrator', both)).body.access_token
    const { handOff } = await delegateOnce(server, both, 'orchestrator', 'researcher', own)
    const { body } = await server.exchange('researcher', handOff.body.access_token, {
      resource: mail,
    })
    await expectNothingMoved(() => expectDenied(body.access_token, 'wrong_audience'))
    const delegation_id = delegationOf(body.access_token)
    expect((await charge({ delegation_id }, as('docs-server'))).status).toBe(201)
  })

  test('that is only a hand-off cannot be charged, not even by a server of the issuer', async () => {
    const { handOff } = await delegateOnce(server)
    const waiting = handOff.body.access_token
    await expectNothingMoved(async () => {
      await expectDenied(waiting, 'wrong_audience')
      await expectDenied(waiting, 'wrong_audience', 'issuer-server')
      await expectDenied(forge(waiting, { aud: docs }), 'wrong_audience')
    })
  })

  test('that was tampered with, or comes from elsewhere, cannot be charged', async () => {
    const { token } = await lend(server, '0.1')
    const [header = '', payload = '', signature = ''] = token.split('.')
    const richer = { ...decode(token), agent_limits: { cost_budget_usd: 1_000_000 } }
    const edited = Buffer.from(JSON.stringify(richer)).toString('base64url')
    const none = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')
    await expectNothingMoved(async () => {
      await expectDenied(`${header}.${edited}.${signature}`, 'bad_signature')
      await expectDenied(`${none}.${payload}.${signature}`, 'unacceptable_algorithm')
      await expectDenied(`${token}=`, 'not_a_compact_jws')
      await expectDenied('not a token', 'not_a_compact_jws')
      await expectDenied(
        forge(token, { iss: 'http://127.0.0.1:4999', act: undefined }),
        'wrong_issuer',
      )
      await expectDenied(
        forge(token, { agent_limits: { unheard_of: 1 } }),
        'malformed_claim_agent_limits',
      )
      await expectDenied(forge(token, { agent_lineage: ['dlg_unknown'] }), 'wrong_audience')
      await expectDenied(forge(token, { agent_lineage: undefined }), 'wrong_audience')
    })
  })

  test('cannot be charged once it has expired', async () => {
    const { token } = await lend(server, '0.1')
    server.clock.advance(299)
    expect((await charge({ token }, as('docs-server'))).status).toBe(201)
    server.clock.advance(1)
    await expectNothingMoved(() => expectDenied(token, 'token_expired'))
  })

  test('with a larger budget in an older copy draws on what the ledger says', async () => {
    const { token } = await lend(server, '0.1')
    const rich = forge(token, { agent_limits: { cost_budget_usd: 1_000_000 } })
    const answer = await charge({ token: rich, amount_usd: '0.2' }, as('docs-server'))
    expect([answer.status, answer.body.remaining]).toEqual([402, '0.1'])
  })

  test('cannot be charged for a resource that was taken from its agent', async () => {
    const own = (await server.clientCredentials('researcher')).body.access_token
    expect((await charge({ token: own }, as('docs-server'))).status).toBe(201)
    const clients = config.clients.map((client) =>
      'client_id' in client && client.client_id === 'researcher'
        ? { ...client, resources: [mail] }
        : client,
    )
    const { database, clock } = server
    await openTestServer({ config: { ...config, clients }, database, clock })
    await expectNothingMoved(() => expectDenied(own, 'wrong_audience'))
    await openTestServer({ config, database, clock })
  })
})

describe('a delegation', () => {
  const expectEnded = async (fields: object, clientId = 'docs-server') => {
    const { status, body } = await charge(fields, as(clientId))
    expect([status, body.error, body.error_detail]).toEqual([
      403,
      'access_denied',
      'delegation_revoked',
    ])
  }

  test('that was revoked cannot be charged, by token or by id', async () => {
    const { token, delegation_id } = await lend(server, '0.1')
    await server.revoke('researcher', token)
    await expectNothingMoved(async () => {
      await expectEnded({ token })
      await expectEnded({ delegation_id })
    })
  })

  test('ends when what it hangs from is revoked', async () => {
    const { subject, token } = await delegateOnce(server)
    await server.revoke('orchestrator', subject)
    await expectNothingMoved(async () => {
      await expectEnded({ token })
      await expectEnded({ delegation_id: delegationOf(token) })
    })
  })

  test('cannot be charged once it has expired, by whatever name', async () => {
    const { delegation_id } = await lend(server, '0.1')
    server.clock.advance(899)
    expect((await charge({ delegation_id }, as('docs-server'))).status).toBe(201)
    server.clock.advance(1)
    await expectNothingMoved(() => expectEnded({ delegation_id }))
  })

  test('of a tenant that is switched off cannot be charged by a server of all tenants', async () => {
    const { body } = await server.clientCredentials('globex-agent', { resource: everywhere })
    const token = body.access_token
    expect((await charge({ token }, as('everywhere-server'))).status).toBe(201)
    const tenants = config.tenants.map((tenant) => ({
      ...tenant,
      disabled: tenant.tenant_id === 'globex',
    }))
    const { database, clock } = server
    await openTestServer({ config: { ...config, tenants }, database, clock })
    await expectNothingMoved(() => expectEnded({ token }, 'everywhere-server'))
    await openTestServer({ config, database, clock })
  })
})

describe('a balance', () => {
  test('is for the server that charges it and for the agents of its lineage', async () => {
    const { token } = await delegateOnce(server)
    const deeper = await delegateOnce(server, {}, 'researcher', 'scraper', token)
    const own = delegationOf(deeper.token)
    const middle = delegationOf(token)
    const read = async (clientId: string, id: string) =>
      (await server.ledger(clientId, `/budgets/${id}`)).status
    for (const clientId of ['docs-server', 'orchestrator', 'researcher', 'scraper']) {
      expect([clientId, await read(clientId, own)]).toEqual([clientId, 200])
    }
    expect(await read('scraper', middle)).toBe(404)
    const unknown = await server.ledger('docs-server', '/budgets/dlg_unknown')
    expect(unknown.status).toBe(404)
    for (const clientId of ['mail-server', 'globex-docs-server', 'globex-agent', 'loner']) {
      const answer = await server.ledger(clientId, `/budgets/${own}`)
      expect([clientId, answer.status, answer.body]).toEqual([clientId, 404, unknown.body])
    }
    for (const id of ['agent:orchestrator', 'tenant:acme', '%00', 'dlg_%00', `${own}%0a`]) {
      expect([id, (await server.ledger('docs-server', `/budgets/${id}`)).status]).toEqual([id, 404])
    }
  })
})

describe('an access token for the API', () => {
  const expectChallenge = async (token: string, status: number, challenge: RegExp) => {
    const { token: charged } = await lend(server, '0.1')
    await expectNothingMoved(async () => {
      const answer = await charge({ token: charged }, bearer(token))
      expect([challenge, answer.status]).toEqual([challenge, status])
      expect(answer.headers.get('www-authenticate')).toMatch(challenge)
    })
  }
  test('with budgets:charge charges what its client may charge', async () => {
    const { token } = await lend(server, '0.1')
    const api = await apiToken('docs-server', 'budgets:charge')
    expect((await charge({ token }, bearer(api))).status).toBe(201)
    expect((await charge({ token }, { Authorization: `bearer  ${api}` })).status).toBe(201)
    const agents = await apiToken('orchestrator', 'budgets:charge')
    expect((await charge({ token }, bearer(agents))).status).toBe(403)
    const others = await apiToken('mail-server', 'budgets:charge')
    expect((await charge({ token }, bearer(others))).status).toBe(403)
  })

  test('needs the scope of what it asks for', async () => {
    const reading = await apiToken('docs-server', 'delegations:read')
    await expectChallenge(
      reading,
      403,
      /^Bearer error="insufficient_scope", scope="budgets:charge"$/,
    )
    const { delegation_id } = await lend(server, '0.1')
    const read = (token: string) =>
      server.request(`/ledger/budgets/${delegation_id}`, { headers: bearer(token) })
    expect((await read(reading)).status).toBe(200)
    expect((await read(await apiToken('docs-server', 'budgets:charge'))).status).toBe(403)
  })

  test('that was tampered with, has expired or was revoked is refused with a challenge', async () => {
    const invalid = /^Bearer error="invalid_token"$/
    const api = await apiToken('docs-server', 'budgets:charge')
    await expectChallenge(`${api.slice(0, -8)}AAAAAAAA`, 401, invalid)
    await expectChallenge('not-a-token', 401, invalid)
    server.clock.advance(900)
    await expectChallenge(api, 401, invalid)
    const revoked = await apiToken('docs-server', 'budgets:charge')
    await server.revoke('docs-server', revoked)
    await expectChallenge(revoked, 401, invalid)
    const fresh = await apiToken('docs-server', 'budgets:charge')
    await expectChallenge(forge(fresh, { agent_lineage: ['dlg_unknown'] }), 401, invalid)
    await expectChallenge(forge(fresh, { sub: 'nobody', client_id: 'nobody' }), 401, invalid)
  })

  test('is the own token of a client that is switched on', async () => {
    const api = await apiToken('docs-server', 'budgets:charge')
    const off = forge(api, { sub: 'switched-off', client_id: 'switched-off' })
    await expectChallenge(off, 401, /invalid_token/)
  })

  test('is for this server alone', async () => {
    const api = await apiToken('docs-server', 'budgets:charge')
    await expectChallenge(forge(api, { aud: docs }), 401, /invalid_token/)
    await expectChallenge(forge(api, { aud: [issuer, docs] }), 401, /invalid_token/)
  })

  test('is never delegated', async () => {
    const api = await apiToken('docs-server', 'budgets:charge')
    const act = { sub: 'researcher', client_id: 'researcher' }
    await expectChallenge(forge(api, { act }), 401, /invalid_token/)
    await expectChallenge(forge(api, { may_act: act }), 401, /invalid_token/)
    await expectChallenge(forge(api, { sub: 'usr_alice' }), 401, /invalid_token/)
    const { handOff, token } = await delegateOnce(server)
    await expectChallenge(handOff.body.access_token, 401, /invalid_token/)
    await expectChallenge(token, 401, /invalid_token/)
  })
})
