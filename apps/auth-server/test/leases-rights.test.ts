/** Who may open, renew and close a lease, and which tokens may be charged by one. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  basic,
  decode,
  delegateOnce,
  docs,
  issuer,
  openTestServer,
  type TestServer,
} from './harness.js'
import { close, failures, leaseConfig, open, renew } from './lease-fixtures.js'
import { checkBooks, delegationOf, lend } from './ledger-fixtures.js'

const config = {
  ...leaseConfig,
  clients: leaseConfig.clients.map((client) =>
    'client_id' in client && client.client_id === 'orchestrator'
      ? { ...client, scope: 'docs:read docs:write mail:send budgets:charge' }
      : client,
  ),
}

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({ config })
})
afterAll(async () => {
  expect(failures(server)).toEqual([])
  await checkBooks(server)
  await server.close()
})

const post = async (path: string, body: object, headers: Record<string, string>) => {
  const response = await server.request(`/ledger/leases${path}`, {
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

const as = (clientId: string) => ({ Authorization: basic(clientId) })
const bearer = (token: string) => ({ Authorization: `Bearer ${token}` })

const openAs = (fields: object, headers: Record<string, string>) =>
  post('', { want_usd: '0.01', want_requests: 1, ...fields }, headers)

const apiToken = async (clientId: string, scope: string): Promise<string> =>
  (await server.clientCredentials(clientId, { resource: issuer, scope })).body.access_token

/** Signed by this server, with claims that no grant would put there. */
const forge = (token: string, claims: object): string =>
  server.deps.keys.sign('at+jwt', { ...decode(token), ...claims })

const storedLeases = async (): Promise<unknown> =>
  server.database.read('select * from leases order by id', [])

const expectNothingMoved = async (work: () => Promise<void>): Promise<void> => {
  const before = [await checkBooks(server), await storedLeases()]
  await work()
  expect([await checkBooks(server), await storedLeases()]).toEqual(before)
}

const lendAndOpen = async () => {
  const lent = await lend(server, '1')
  const { body } = await open(server, { delegation_id: lent.delegation_id, want_usd: '0.1' })
  return { ...lent, lease: body }
}

describe('a caller of leases', () => {
  test('without valid credentials is refused with a challenge', async () => {
    const { delegation_id, lease } = await lendAndOpen()
    await expectNothingMoved(async () => {
      for (const headers of [
        {},
        { Authorization: basic('docs-server', 'another-secret-of-32-characters') },
        as('nobody'),
        as('switched-off'),
        as('desktop'),
        { Authorization: 'Bearer' },
      ] as Record<string, string>[]) {
        const answers = [
          await openAs({ delegation_id }, headers),
          await post(`/${lease.id}/renew`, { seq: 1 }, headers),
          await post(`/${lease.id}/close`, { seq: 1 }, headers),
        ]
        for (const { status, headers: answered } of answers) {
          expect([headers, status]).toEqual([headers, 401])
          expect(answered.get('www-authenticate')).toBe('Basic realm="behalf"')
        }
      }
    })
  })

  test('opens one only as a resource server of the delegation, by token or by id', async () => {
    const { token, delegation_id } = await lend(server, '1')
    const unknown = await openAs({ delegation_id: 'dlg_unknown' }, as('docs-server'))
    expect([unknown.status, unknown.body.error]).toEqual([404, 'not_found'])
    await expectNothingMoved(async () => {
      for (const clientId of ['orchestrator', 'researcher', 'mail-server', 'globex-docs-server']) {
        const byToken = await openAs({ token }, as(clientId))
        expect([clientId, byToken.status, byToken.body.error_detail]).toEqual([
          clientId,
          403,
          'wrong_audience',
        ])
        const byId = await openAs({ delegation_id }, as(clientId))
        expect([clientId, byId.status, byId.body]).toEqual([clientId, 404, unknown.body])
      }
    })
    expect((await openAs({ token }, as('docs-server'))).status).toBe(201)
    expect((await openAs({ delegation_id }, as('docs-server'))).status).toBe(201)
  })

  test('touches only its own leases: those of others look like none', async () => {
    const { lease } = await lendAndOpen()
    const unknown = await post('/lse_unknown/renew', { seq: 1 }, as('docs-server'))
    expect([unknown.status, unknown.body.error]).toEqual([404, 'not_found'])
    await expectNothingMoved(async () => {
      for (const clientId of ['orchestrator', 'researcher', 'mail-server', 'globex-docs-server']) {
        for (const action of ['renew', 'close']) {
          const report = { seq: 1, spent_usd: '0.1' }
          const { status, body } = await post(`/${lease.id}/${action}`, report, as(clientId))
          expect([clientId, action, status, body]).toEqual([clientId, action, 404, unknown.body])
        }
      }
    })
    expect((await renew(server, lease.id, { seq: 1 })).status).toBe(200)
  })

  test('gets no more for a resource that is not its own any longer, but may report', async () => {
    const { delegation_id, lease } = await lendAndOpen()
    const resources = config.resources.map((one) =>
      one.resource === docs ? { ...one, client_id: 'mail-server' } : one,
    )
    await server.applyConfig({ ...config, resources })
    const refused = await open(server, { delegation_id, want_usd: '0.1' })
    expect(refused.status).toBe(404)
    server.clock.advance(5)
    const renewal = { seq: 1, spent_usd: '0.04', want_usd: '0.5', want_requests: 5 }
    const { status, body } = await renew(server, lease.id, renewal)
    expect([status, body.recalled, body.amount_usd, body.requests]).toEqual([200, true, '0.06', 0])
    expect(body.expires_at).toBe(lease.expires_at)
    expect((await close(server, lease.id, { seq: 2, spent_usd: '0.05' })).status).toBe(200)
    await server.applyConfig(config)
  })
})

describe('a token', () => {
  const expectDenied = async (token: string, reason: string) => {
    const { status, body, headers } = await openAs({ token }, as('docs-server'))
    expect([reason, status, body.error, body.error_detail]).toEqual([
      reason,
      403,
      'access_denied',
      reason,
    ])
    expect(headers.get('www-authenticate')).toBeNull()
  }

  test('that is only a hand-off lends nothing', async () => {
    const { handOff } = await delegateOnce(server)
    const waiting = handOff.body.access_token
    await expectNothingMoved(async () => {
      await expectDenied(waiting, 'wrong_audience')
      await expectDenied(forge(waiting, { aud: docs }), 'wrong_audience')
    })
  })

  test('that was tampered with, or is of another issuer, lends nothing', async () => {
    const { token } = await lend(server, '0.1')
    const [header = '', , signature = ''] = token.split('.')
    const richer = { ...decode(token), agent_limits: { cost_budget_usd: 1_000_000 } }
    const edited = Buffer.from(JSON.stringify(richer)).toString('base64url')
    await expectNothingMoved(async () => {
      await expectDenied(`${header}.${edited}.${signature}`, 'bad_signature')
      await expectDenied(`${token}=`, 'not_a_compact_jws')
      await expectDenied(
        forge(token, { iss: 'http://127.0.0.1:4999', act: undefined }),
        'wrong_issuer',
      )
      await expectDenied(forge(token, { agent_lineage: ['dlg_unknown'] }), 'wrong_audience')
    })
  })

  test('that has expired or was revoked lends nothing', async () => {
    const expired = await lend(server, '0.1')
    const revoked = await lend(server, '0.1')
    await server.revoke('researcher', revoked.token)
    await expectNothingMoved(() => expectDenied(revoked.token, 'delegation_revoked'))
    server.clock.advance(300)
    await expectNothingMoved(() => expectDenied(expired.token, 'token_expired'))
  })

  test('whose parent was revoked lends nothing', async () => {
    const { subject, token } = await delegateOnce(server)
    await server.revoke('orchestrator', subject)
    await expectNothingMoved(async () => {
      await expectDenied(token, 'delegation_revoked')
      const byId = await openAs({ delegation_id: delegationOf(token) }, as('docs-server'))
      expect([byId.status, byId.body.error_detail]).toEqual([403, 'delegation_revoked'])
    })
  })
})

describe('an access token for the API', () => {
  test('with budgets:charge opens, renews and closes what its client may charge', async () => {
    const { token } = await lend(server, '1')
    const api = bearer(await apiToken('docs-server', 'budgets:charge'))
    const opened = await openAs({ token }, api)
    expect(opened.status).toBe(201)
    expect((await post(`/${opened.body.id}/renew`, { seq: 1 }, api)).status).toBe(200)
    expect((await post(`/${opened.body.id}/close`, { seq: 2 }, api)).status).toBe(200)
    const others = bearer(await apiToken('mail-server', 'budgets:charge'))
    expect((await openAs({ token }, others)).status).toBe(403)
    const agents = bearer(await apiToken('orchestrator', 'budgets:charge'))
    expect((await openAs({ token }, agents)).status).toBe(403)
  })

  test('without budgets:charge does none of it', async () => {
    const { token, lease } = await lendAndOpen()
    const reading = bearer(await apiToken('docs-server', 'delegations:read'))
    await expectNothingMoved(async () => {
      for (const { status, headers } of [
        await openAs({ token }, reading),
        await post(`/${lease.id}/renew`, { seq: 1 }, reading),
        await post(`/${lease.id}/close`, { seq: 1 }, reading),
      ]) {
        expect(status).toBe(403)
        expect(headers.get('www-authenticate')).toBe(
          'Bearer error="insufficient_scope", scope="budgets:charge"',
        )
      }
    })
  })

  test('that was delegated, revoked or is for a resource is refused with a challenge', async () => {
    const { token } = await lend(server, '0.1')
    const api = await apiToken('docs-server', 'budgets:charge')
    const act = { sub: 'researcher', client_id: 'researcher' }
    const bad = [
      token,
      forge(api, { aud: docs }),
      forge(api, { act }),
      forge(api, { may_act: act }),
    ]
    await expectNothingMoved(async () => {
      for (const one of bad) {
        const { status, headers } = await openAs({ token }, bearer(one))
        expect(status).toBe(401)
        expect(headers.get('www-authenticate')).toBe('Bearer error="invalid_token"')
      }
    })
  })
})
