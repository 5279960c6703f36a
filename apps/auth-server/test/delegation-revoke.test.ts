/** Taking back: one delegation by whoever is part of it, or all of a client, a subject or a tenant. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { resign } from './forge.js'
import {
  agent,
  baseConfig,
  decode,
  delegateOnce,
  docs,
  issuer,
  openTestServer,
  otherTenantDocs,
  resourceServer,
  type TestServer,
} from './harness.js'

const admin = (client_id: string, tenant_id?: string) => ({
  ...resourceServer(client_id, tenant_id),
  scope: 'admin delegations:read delegations:revoke',
})

const wordy = 'http://127.0.0.1:4600/mcp'

const config = {
  ...baseConfig,
  resources: [
    ...baseConfig.resources,
    { resource: wordy, tenant_id: 'acme', scopes_supported: ['admin', 'docs:read'] },
  ],
  clients: [
    ...baseConfig.clients,
    agent('globex-helper', { tenant_id: 'globex', resources: [otherTenantDocs] }),
    // For these the word means what the resource says.
    agent('wordy', { scope: 'admin delegations:revoke', resources: [wordy] }),
    agent('both-words', { scope: 'admin docs:read', resources: [docs, wordy] }),
    admin('acme-admin'),
    admin('globex-admin', 'globex'),
    { ...admin('any-admin'), tenant_id: undefined },
  ],
  delegation_rules: [
    ...baseConfig.delegation_rules,
    { from: 'globex-agent', to: 'globex-helper' },
    { from: 'wordy', to: 'researcher' },
  ],
}

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({ config })
})
afterAll(() => server.close())

const lineageOf = (token: string): string[] => decode(token).agent_lineage as string[]
const leafOf = (token: string): string => lineageOf(token).at(-1) ?? ''

const isActive = async (token: string, at = 'docs-server'): Promise<unknown> =>
  (await server.introspect(at, token)).body.active

const revoke = (caller: string, id: string) => server.api(caller, `/delegations/${id}/revoke`, {})
const revokeAll = (caller: string, target: unknown) => server.api(caller, '/revocations', target)

const causeOf = async (id: string): Promise<unknown> => {
  const text = 'select cause from revocations where delegation_id = $1'
  return (await server.database.read(text, [id])).map(({ cause }) => cause)
}

const tokenOf = async (clientId: string, fields = {}): Promise<string> =>
  (await server.clientCredentials(clientId, fields)).body.access_token

/** What the orchestrator, the researcher and the scraper hold, and by which delegations. */
const openChain = async () => {
  const first = await delegateOnce(server, { scope: 'docs:read' })
  const second = await delegateOnce(server, {}, 'researcher', 'scraper', first.token)
  const tokens = [first.subject, first.token, second.token]
  return { tokens, ids: tokens.map(leafOf) as [string, string, string] }
}

const openForeign = async (): Promise<string> => {
  const own = await tokenOf('globex-agent')
  return (await delegateOnce(server, {}, 'globex-agent', 'globex-helper', own)).token
}

const activity = (tokens: string[]) => Promise.all(tokens.map((token) => isActive(token)))

describe('one delegation', () => {
  test.each([
    ['its holder', 'scraper', 2, 'revoked_by_party'],
    ['its giver', 'researcher', 2, 'revoked_by_party'],
    ['whoever stands further above, the subject', 'orchestrator', 2, 'revoked_by_party'],
    ['its holder, in the middle', 'researcher', 1, 'revoked_by_party'],
    ['an agent, of its own standing', 'orchestrator', 0, 'revoked_by_party'],
    ['an admin of the tenant', 'acme-admin', 1, 'revoked_by_admin'],
    ['an admin of all tenants', 'any-admin', 1, 'revoked_by_admin'],
  ] as const)('can be revoked by %s (%s)', async (_, caller, level, cause) => {
    const { tokens, ids } = await openChain()
    const { status, body } = await revoke(caller, ids[level])
    expect([status, body]).toEqual([200, { delegation_id: ids[level], revoked: true }])
    // It and all below, and nothing above.
    expect(await activity(tokens)).toEqual([0, 1, 2].map((each) => each < level))
    expect(await causeOf(ids[level])).toEqual([cause])
  })

  test.each([
    ['scraper', 1],
    ['scraper', 0],
    ['researcher', 0],
    ['loner', 2],
    ['docs-server', 2],
    ['globex-agent', 2],
    ['globex-admin', 2],
    ['both-words', 2],
  ] as const)('is not there for %s at level %i', async (caller, level) => {
    const { tokens, ids } = await openChain()
    const unknown = await revoke(caller, 'dlg_unknown')
    const { status, body } = await revoke(caller, ids[level])
    expect([status, body]).toEqual([404, unknown.body])
    expect(await activity(tokens)).toEqual([true, true, true])
  })

  test('can be revoked by its subject, even one that holds nothing in its lineage', async () => {
    const id = 'dlg_for_the_loner'
    await server.database.write(
      `insert into delegations (id, lineage, tenant_id, subject, actor, scope, resources, limits,
         budget_ids, created_at)
       values ($1, array[$1], 'acme', 'loner', 'scraper', '{}', '{}', '{}', '{}', $2)`,
      [id, server.clock.now().toISOString()],
    )
    expect((await revoke('researcher', id)).status).toBe(404)
    expect((await revoke('loner', id)).status).toBe(200)
    expect(await causeOf(id)).toEqual(['revoked_by_party'])
  })

  test('is not there any more for a client that has moved to another tenant', async () => {
    const { tokens, ids } = await openChain()
    const move = 'update clients set tenant_id = $1 where client_id = $2'
    await server.database.write(move, ['globex', 'orchestrator'])
    for (const id of ids) {
      expect((await revoke('orchestrator', id)).status).toBe(404)
      expect((await server.check('orchestrator', { delegation_id: id })).status).toBe(404)
    }
    const listed = await server.api<{ delegations: unknown[] }>('orchestrator', '/delegations')
    expect(listed.body.delegations).toEqual([])
    await server.database.write(move, ['acme', 'orchestrator'])
    expect(await activity(tokens)).toEqual([true, true, true])
  })

  test('stays revoked however often it is said, and the feed says it once', async () => {
    const { ids } = await openChain()
    const [, id] = ids
    const answers = await Promise.all(
      ['orchestrator', 'researcher', 'acme-admin', 'orchestrator'].map((each) => revoke(each, id)),
    )
    answers.push(await revoke('orchestrator', id))
    for (const { status, body } of answers) {
      expect([status, body]).toEqual([200, { delegation_id: id, revoked: true }])
    }
    expect(await causeOf(id)).toHaveLength(1)
  })

  test('that was handed off and not accepted yet can be revoked by who is to accept it', async () => {
    const { handOff } = await delegateOnce(server)
    const { access_token } = handOff.body
    expect((await revoke('researcher', leafOf(access_token))).status).toBe(200)
    expect((await server.exchange('researcher', access_token)).status).toBe(400)
  })

  test.each(['x', 'dlg_', 'dlg_a%00', 'dlg_%20', `dlg_${'x'.repeat(65)}`, '..%2Fcheck'])(
    'of which the name is malformed is not there: %s',
    async (id) => {
      expect((await revoke('acme-admin', id)).status).toBe(404)
    },
  )
})

describe('with a token for the server', () => {
  const bearer = async (clientId: string, scope?: string) =>
    `Bearer ${await tokenOf(clientId, { resource: issuer, ...(scope && { scope }) })}`

  test('revoking needs delegations:revoke, and being an admin needs admin as well', async () => {
    const { tokens, ids } = await openChain()
    const reading = await bearer('acme-admin', 'delegations:read admin')
    expect((await revoke(reading, ids[1])).status).toBe(403)
    const noAdmin = await bearer('acme-admin', 'delegations:revoke')
    expect((await revoke(noAdmin, ids[1])).status).toBe(404)
    expect((await revokeAll(noAdmin, { client_id: 'researcher' })).status).toBe(403)
    expect(await activity(tokens)).toEqual([true, true, true])
    expect((await revoke(await bearer('acme-admin'), ids[1])).status).toBe(200)
  })

  test('of an agent whose resource uses the words as well it may not', async () => {
    const claims = decode((await bearer('wordy')).slice('Bearer '.length))
    expect(claims.scope).toBe('delegations:revoke')
    const asked = await server.clientCredentials('wordy', { resource: issuer, scope: 'admin' })
    expect([asked.status, asked.body.error]).toEqual([400, 'invalid_scope'])
  })

  test('a right that was taken away is gone at once', async () => {
    const { ids } = await openChain()
    const token = await bearer('acme-admin')
    const clients = config.clients.map((one) =>
      one.client_id === 'acme-admin' ? { ...one, scope: 'delegations:revoke' } : one,
    )
    await server.applyConfig({ ...config, clients })
    expect((await revoke(token, ids[1])).status).toBe(404)
    expect((await revokeAll(token, { client_id: 'researcher' })).status).toBe(403)
    await server.applyConfig(config)
    expect((await revoke(token, ids[1])).status).toBe(200)
  })

  test('that is delegated, or for a resource, nothing can be revoked', async () => {
    const { tokens, ids } = await openChain()
    for (const token of tokens) {
      expect((await revoke(`Bearer ${token}`, ids[2])).status).toBe(401)
      const forServer = resign(server, token, { aud: issuer, scope: 'admin delegations:revoke' })
      if (token !== tokens[0])
        expect((await revoke(`Bearer ${forServer}`, ids[2])).status).toBe(401)
    }
    // The root agent's own: the words are not its client's.
    const forged = resign(server, tokens[0] ?? '', {
      aud: issuer,
      scope: 'admin delegations:revoke',
    })
    expect((await revokeAll(`Bearer ${forged}`, { client_id: 'researcher' })).status).toBe(403)
    expect(await activity(tokens)).toEqual([true, true, true])
  })
})

describe('the word admin', () => {
  test.each(['wordy', 'both-words'])(
    'gives %s no right, since a resource of it uses the word',
    async (clientId) => {
      const { tokens, ids } = await openChain()
      expect((await revoke(clientId, ids[1])).status).toBe(404)
      const all = await revokeAll(clientId, { client_id: 'researcher' })
      expect([all.status, all.body.error_detail]).toEqual([403, 'not_an_admin'])
      const listed = await server.api<{ delegations: { actor: string }[] }>(
        clientId,
        '/delegations',
      )
      for (const { actor } of listed.body.delegations) expect(actor).toBe(clientId)
      expect((await server.check(clientId, { delegation_id: ids[1] })).status).toBe(404)
      expect(await activity(tokens)).toEqual([true, true, true])
    },
  )

  test('lent on with a delegation makes nobody an admin', async () => {
    const own = await tokenOf('wordy', { resource: wordy, scope: 'admin' })
    const lent = await delegateOnce(server, {}, 'wordy', 'researcher', own)
    expect(decode(lent.token).scope).toBe('admin')
    const forServer = resign(server, lent.token, { aud: issuer })
    for (const token of [lent.token, forServer, lent.handOff.body.access_token]) {
      const { status } = await revokeAll(`Bearer ${token}`, { client_id: 'scraper' })
      expect(status).toBe(401)
    }
    expect((await revokeAll('researcher', { client_id: 'scraper' })).status).toBe(403)
  })
})

describe('all of it', () => {
  // Each test begins with nobody standing on anything.
  beforeEach(async () => {
    for (const tenant_id of ['acme', 'globex']) await revokeAll('any-admin', { tenant_id })
  })
  afterEach(() => server.applyConfig(config))

  test('that a client holds ends, with what hangs below, and counts what it held', async () => {
    const one = await openChain()
    const other = await delegateOnce(server)
    const scraper = await tokenOf('scraper', { resource: docs })
    const { status, body } = await revokeAll('acme-admin', { client_id: 'researcher' })
    // Two that it was lent; the scraper's below is not counted, and ends all the same.
    expect([status, body]).toEqual([200, { revoked: 2 }])
    expect(await activity([...one.tokens, other.token, scraper])).toEqual([
      true,
      false,
      false,
      false,
      true,
    ])
    const again = await revokeAll('acme-admin', { client_id: 'researcher' })
    expect(again.body).toEqual({ revoked: 0 })
    expect((await server.clientCredentials('researcher')).status).toBe(200)
  })

  test('that a client holds includes its own standing', async () => {
    const own = await tokenOf('researcher', { resource: docs })
    const { token } = await delegateOnce(server)
    expect((await revokeAll('any-admin', { client_id: 'researcher' })).body).toEqual({ revoked: 2 })
    expect(await activity([own, token])).toEqual([false, false])
  })

  test('of a subject ends from its roots on', async () => {
    const { tokens, ids } = await openChain()
    const own = await tokenOf('researcher', { resource: docs })
    const { body } = await revokeAll('acme-admin', { subject: 'orchestrator' })
    expect(body).toEqual({ revoked: 1 })
    expect(await activity([...tokens, own])).toEqual([false, false, false, true])
    expect(await causeOf(ids[0])).toEqual(['revoked_by_admin'])
    expect(await causeOf(ids[1])).toEqual([])
  })

  test('of a tenant ends, and of no other', async () => {
    const { tokens } = await openChain()
    const own = await tokenOf('researcher', { resource: docs })
    const foreign = await openForeign()
    const { body } = await revokeAll('any-admin', { tenant_id: 'acme' })
    // The orchestrator and the researcher stood on something.
    expect(body).toEqual({ revoked: 2 })
    expect(await activity([...tokens, own])).toEqual([false, false, false, false])
    expect(await isActive(foreign, 'globex-docs-server')).toBe(true)
    expect((await revokeAll('any-admin', { tenant_id: 'globex' })).body).toEqual({ revoked: 1 })
    expect(await isActive(foreign, 'globex-docs-server')).toBe(false)
  })

  test('beyond its tenant is out of reach of an admin that has one', async () => {
    const { tokens } = await openChain()
    const targets = [
      { client_id: 'researcher' },
      { subject: 'orchestrator' },
      { tenant_id: 'acme' },
    ]
    for (const target of targets) {
      const { status, body } = await revokeAll('globex-admin', target)
      expect([status, body]).toEqual([200, { revoked: 0 }])
    }
    expect(await activity(tokens)).toEqual([true, true, true])
    const unknown = await revokeAll('globex-admin', { client_id: 'nobody-knows-it' })
    expect(unknown.body).toEqual({ revoked: 0 })
  })

  test('does not count what has expired', async () => {
    await openChain()
    server.clock.advance(901)
    expect((await revokeAll('acme-admin', { client_id: 'scraper' })).body).toEqual({ revoked: 0 })
    expect((await revokeAll('acme-admin', { client_id: 'orchestrator' })).body).toEqual({
      revoked: 1,
    })
  })

  test.each(['orchestrator', 'docs-server', 'desktop-less', 'loner'])(
    'is for admins only: %s is refused whatever it names',
    async (clientId) => {
      const { tokens } = await openChain()
      for (const target of [{ client_id: clientId }, { subject: clientId }, {}]) {
        const { status, body } = await revokeAll(clientId, target)
        expect(status).toBe(clientId === 'desktop-less' ? 401 : 403)
        if (status === 403) expect(body.error_detail).toBe('not_an_admin')
      }
      expect(await activity(tokens)).toEqual([true, true, true])
    },
  )

  test.each([
    {},
    [],
    null,
    'researcher',
    { client_id: 'researcher', subject: 'orchestrator' },
    { client_id: 'researcher', cascade: false },
    { client_id: '' },
    { client_id: ['researcher'] },
    { client_id: 'usr_alice' },
    { subject: '' },
    { subject: 'a\u0000b' },
    { subject: '\ud800' },
    { subject: 'x'.repeat(256) },
    { tenant_id: '%' },
    { tenant_id: null },
    { everything: true },
  ])('needs exactly one target: %j is refused', async (target) => {
    const { tokens } = await openChain()
    const { status, body } = await revokeAll('any-admin', target)
    expect([status, body.error_detail]).toEqual([400, 'malformed_body'])
    expect(await activity(tokens)).toEqual([true, true, true])
  })
})
