/** Whatever a token stands on must be alive now: delegations, agents, tenants. And races over it. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { revokeStandingOf } from '../src/store/revocations.js'
import { resign } from './forge.js'
import {
  baseConfig,
  decode,
  delegateOnce,
  issuer,
  openTestServer,
  type TestServer,
} from './harness.js'
import { openTwoServers, type TwoServers } from './two-servers.js'

const lineageOf = (token: string): string[] => decode(token).agent_lineage as string[]
const leafOf = (token: string): string => lineageOf(token).at(-1) ?? ''

const holders = ['orchestrator', 'researcher', 'scraper'] as const

/** One token each of the orchestrator, the researcher below it and the scraper below that. */
const openChain = async (server: TestServer): Promise<string[]> => {
  const first = await delegateOnce(server)
  const second = await delegateOnce(server, {}, 'researcher', 'scraper', first.token)
  return [first.subject, first.token, second.token]
}

const isActive = async (server: TestServer, token: string): Promise<unknown> =>
  (await server.introspect('docs-server', token)).body.active

/** At introspection, in an exchange and at the ledger, a token must be alive or dead alike. */
const expectAlive = async (server: TestServer, holder: string, token: string, alive: boolean) => {
  const exchanged = await server.exchange(holder, token)
  const charge = { token, amount_usd: '0.01', action: 'docs.read' }
  const charged = await server.ledger('docs-server', '/reservations', charge)
  const found = [await isActive(server, token), exchanged.status, charged.status]
  expect(found).toEqual(alive ? [true, 200, 201] : [false, 400, 403])
  if (!alive) expect(exchanged.body.error).toBe('invalid_request')
}

describe('a revoked delegation', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await openTestServer()
  })
  afterAll(() => server.close())

  test.each([0, 1, 2])('at level %i ends what hangs below and nothing above', async (level) => {
    const tokens = await openChain(server)
    expect((await server.revoke(holders[level] ?? '', tokens[level] ?? '')).status).toBe(200)
    for (const [index, token] of tokens.entries()) {
      await expectAlive(server, holders[index] ?? '', token, index < level)
    }
  })

  test('leaves its siblings alone', async () => {
    const { subject, token } = await delegateOnce(server)
    const sibling = await delegateOnce(server, {}, 'orchestrator', 'researcher', subject)
    await server.revoke('researcher', token)
    await expectAlive(server, 'researcher', token, false)
    await expectAlive(server, 'researcher', sibling.token, true)
  })

  test('takes a hand-off with it that nobody has accepted yet', async () => {
    const { subject, handOff } = await delegateOnce(server)
    await server.revoke('orchestrator', subject)
    const accepted = await server.exchange('researcher', handOff.body.access_token)
    expect([accepted.status, accepted.body.error]).toEqual([400, 'invalid_request'])
  })

  test("ends a client's own token for the server's API", async () => {
    const { token } = await delegateOnce(server)
    const own = await server.clientCredentials('docs-server', { resource: issuer })
    const { access_token } = own.body
    const read = () =>
      server.request(`/ledger/budgets/${leafOf(token)}`, {
        headers: { Authorization: `Bearer ${access_token}` },
      })
    expect((await read()).status).toBe(200)
    await server.revoke('docs-server', access_token)
    expect((await read()).status).toBe(401)
  })

  test('that has expired counts as ended, even to a token that says it lives longer', async () => {
    const { token } = await delegateOnce(server)
    const longer = resign(server, token, { exp: server.clock.seconds() + 5000 })
    await expectAlive(server, 'researcher', longer, true)
    server.clock.advance(900)
    await expectAlive(server, 'researcher', longer, false)
  })

  test('is missed by no record that is written beside others', async () => {
    const { token } = await delegateOnce(server)
    const dead = await delegateOnce(server)
    await server.revoke('researcher', dead.token)
    const record = (jti: string, standing_on: string[]) =>
      server.deps.store.issuances.record({
        jti,
        parent_jti: 'at_parent',
        delegation_id: standing_on.at(-1) ?? '',
        tenant_id: 'acme',
        client_id: 'researcher',
        subject: 'orchestrator',
        actor: 'researcher',
        scope: 'docs:read',
        aud: [],
        issued_at: server.clock.now().toISOString(),
        expires_at: server.clock.now().toISOString(),
        standing_on,
        delegation: undefined,
      })
    const recorded = await Promise.all([
      record('at_dead', lineageOf(dead.token)),
      record('at_alive', lineageOf(token)),
      record('at_unknown', [...lineageOf(token), 'dlg_unknown']),
    ])
    expect(recorded).toEqual(['ended', 'recorded', 'ended'])
    const rows = await server.database.read(
      `select jti from issuances where jti in ('at_dead', 'at_alive', 'at_unknown')`,
      [],
    )
    expect(rows).toEqual([{ jti: 'at_alive' }])
    server.clock.advance(900)
    expect(await record('at_expired', lineageOf(token))).toBe('ended')
  })
})

describe('an agent or tenant that is switched off', () => {
  let server: TestServer
  beforeEach(async () => {
    server = await openTestServer()
  })
  afterEach(() => server.close())

  /** A restart with another configuration, on the same database. */
  const restart = (config: object) =>
    openTestServer({ database: server.database, clock: server.clock, config })

  const without = (clientId: string) => ({
    ...baseConfig,
    clients: baseConfig.clients.map((client) =>
      client.client_id === clientId ? { ...client, disabled: true } : client,
    ),
  })

  const feedIds = async (): Promise<string[]> => {
    const token = await (await server.request('/revocations')).text()
    return (decode(token).revoked as { id: string }[]).map(({ id }) => id)
  }

  test('in the middle ends its descendants, not its siblings nor what is above', async () => {
    const [above = '', middle = '', below = ''] = await openChain(server)
    const sibling = (await server.exchange('docs-server', above)).body.access_token
    await restart(without('researcher'))
    expect(await isActive(server, above)).toBe(true)
    expect(await isActive(server, sibling)).toBe(true)
    await expectAlive(server, 'scraper', below, false)
    expect(await isActive(server, middle)).toBe(false)
    expect(await feedIds()).toContain(leafOf(middle))
    expect((await server.exchange('researcher', middle)).status).toBe(401)

    // Switched on again it starts afresh: what has ended stays so.
    await restart(baseConfig)
    await expectAlive(server, 'researcher', middle, false)
    await expectAlive(server, 'scraper', below, false)
    expect((await server.clientCredentials('researcher')).status).toBe(200)
  })

  test('as a tenant takes all its agents along, and the feed says so', async () => {
    const tokens = await openChain(server)
    const foreign = await server.clientCredentials('globex-agent', {})
    const off = baseConfig.tenants.map((tenant) =>
      tenant.tenant_id === 'acme' ? { ...tenant, disabled: true } : tenant,
    )
    await restart({ ...baseConfig, tenants: off })
    const first = await feedIds()
    for (const token of tokens) expect(first).toContain(lineageOf(token)[0])
    expect(first).not.toContain(leafOf(foreign.body.access_token))
    expect((await server.clientCredentials('orchestrator')).status).toBe(401)
    await restart({ ...baseConfig, tenants: off })
    expect(await feedIds()).toEqual(first)

    await restart(baseConfig)
    for (const [index, token] of tokens.entries()) {
      await expectAlive(server, holders[index] ?? '', token, false)
    }
    expect((await server.clientCredentials('orchestrator')).status).toBe(200)
  })

  test.each([
    ["update clients set disabled = true where client_id = 'orchestrator'", 'the root agent'],
    ["update clients set disabled = true where client_id = 'researcher'", 'an agent in between'],
    ["update clients set tenant_id = 'globex' where client_id = 'researcher'", 'moved away'],
    ["delete from clients where client_id = 'researcher'", 'gone'],
  ])('is asked of every party of the chain at every use (%s)', async (statement) => {
    const [, , below = ''] = await openChain(server)
    expect(await isActive(server, below)).toBe(true)
    await server.database.write(statement, [])
    expect(await isActive(server, below)).toBe(false)
    const { status, body } = await server.exchange('scraper', below)
    expect([status, body.error]).toEqual([400, 'invalid_request'])
  })

  test('loses what a rule let it have: without the rule nothing new comes of it', async () => {
    const { subject, handOff, token } = await delegateOnce(server)
    await restart({ ...baseConfig, delegation_rules: [] })
    const { status, body } = await server.exchange('orchestrator', subject, {
      requested_actor: 'researcher',
    })
    expect([status, body.error]).toEqual([403, 'access_denied'])
    for (const held of [handOff.body.access_token, token]) {
      const exchanged = await server.exchange('researcher', held)
      expect([exchanged.status, exchanged.body.error_detail]).toEqual([403, 'rule_withdrawn'])
    }
  })
})

describe('a revocation and exchanges at the same moment', () => {
  let servers: TwoServers
  beforeAll(async () => {
    servers = await openTwoServers()
  })
  afterAll(() => servers.close())

  const rowsUnder = async (id: string): Promise<number> => {
    const [row] = await servers.one.database.read(
      'select count(*)::int as count from delegations where $1 = any(lineage)',
      [id],
    )
    return Number(row?.count)
  }

  test('leave nothing alive: two hundred exchanges on two servers against one revocation', async () => {
    const { one, two } = servers
    const { subject, token } = await delegateOnce(one)
    const [root = ''] = lineageOf(token)
    const minted: string[] = []
    const late: number[] = []
    let answered = 0
    let revoked = false
    let rowsAtRevocation: Promise<number> | undefined

    const exchangeOnce = async (server: TestServer, fields: Record<string, string>) => {
      const startedLate = revoked
      const { status, body } = await server.exchange('researcher', token, fields)
      answered += 1
      if (startedLate) late.push(status)
      if (status === 200) minted.push(body.access_token)
      else expect([status, body.error]).toEqual([400, 'invalid_request'])
      // In the midst of it, and once.
      if (answered === 60) {
        const { status: done } = await two.revoke('orchestrator', subject)
        expect(done).toBe(200)
        revoked = true
        rowsAtRevocation = rowsUnder(root)
      }
    }
    const worker = async (index: number): Promise<void> => {
      const server = index % 2 === 0 ? one : two
      const fields = index % 4 < 2 ? {} : { requested_actor: 'scraper' }
      for (let turn = 0; turn < 10; turn += 1) {
        await exchangeOnce(server, fields as Record<string, string>)
      }
    }
    await Promise.all(Array.from({ length: 20 }, (_, index) => worker(index)))

    expect(minted.length).toBeGreaterThanOrEqual(60)
    expect(late.length).toBeGreaterThan(0)
    expect(late.every((status) => status === 400)).toBe(true)
    expect(await rowsUnder(root)).toBe(await rowsAtRevocation)
    for (const each of minted) expect(lineageOf(each)[0]).toBe(root)
    const active = await Promise.all(
      minted.map((each, index) => isActive(index % 2 === 0 ? one : two, each)),
    )
    expect(active.every((each) => each === false)).toBe(true)
    expect((await one.exchange('researcher', token)).status).toBe(400)
  }, 60_000)

  test('answer without failing when an agent revokes its root while it asks for tokens', async () => {
    const { one, two } = servers
    for (let round = 0; round < 10; round += 1) {
      const { body } = await one.clientCredentials('loner')
      const answers = await Promise.all([
        one.clientCredentials('loner'),
        two.revoke('loner', body.access_token),
        two.clientCredentials('loner'),
        one.clientCredentials('loner'),
        two.clientCredentials('loner'),
      ])
      for (const { status } of answers) expect(status).toBeLessThan(500)
    }
    const roots = await one.database.read(
      `select id from delegations where actor = 'loner' and parent_id is null and revoked_at is null`,
      [],
    )
    expect(roots.length).toBeLessThanOrEqual(1)
  })

  // PGlite has one connection, on which a transaction lets nobody in between.
  test.skipIf(!inject('postgresUrl'))(
    'are ordered by the row: an exchange waits for a revocation that has not committed yet',
    async () => {
      const { one, two } = servers
      const { token } = await delegateOnce(one)
      let settled = false
      const answer = await two.database.drizzle.transaction(async (transaction) => {
        const target = { delegation_id: leafOf(token) }
        await revokeStandingOf(transaction, target, undefined, 'test', servers.clock.now())
        const exchanged = one.exchange('researcher', token).finally(() => {
          settled = true
        })
        const waits = 'select from pg_locks where not granted'
        while (!settled && (await one.database.read(waits, [])).length === 0);
        return { exchanged }
      })
      expect((await answer.exchanged).status).toBe(400)
    },
  )
})
