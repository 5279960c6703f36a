/** `GET /delegations`: who is acting now, for those who are part of it, page by page. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  agent,
  baseConfig,
  createClock,
  decode,
  delegateOnce,
  docs,
  issuer,
  mail,
  openTestServer,
  otherTenantDocs,
  resourceServer,
  type TestServer,
} from './harness.js'

const admin = (client_id: string, tenant_id?: string) => ({
  ...resourceServer(client_id, tenant_id),
  scope: 'admin delegations:read delegations:revoke',
})

const config = {
  ...baseConfig,
  clients: [
    ...baseConfig.clients,
    agent('idle', { scope: 'docs:read delegations:read' }),
    agent('globex-helper', { tenant_id: 'globex', resources: [otherTenantDocs] }),
    admin('acme-admin'),
    admin('globex-admin', 'globex'),
    { ...admin('any-admin'), tenant_id: undefined },
  ],
  delegation_rules: [
    ...baseConfig.delegation_rules,
    { from: 'globex-agent', to: 'globex-helper' },
    { from: 'loner', to: '*' },
  ],
}

interface Listed {
  delegation_id: string
  parent_id?: string
  lineage: string[]
  tenant_id?: string
  subject: string
  actor: string
  created_at: string
  expires_at?: string
  last_used_at?: string
  budget: Record<string, string>
}
interface Page {
  delegations: Listed[]
  next_cursor?: string
  error?: string
  error_detail?: string
}

let server: TestServer
const clock = createClock()
beforeAll(async () => {
  server = await openTestServer({ config, clock })
})
afterAll(() => server.close())
// What the test before has lent is over.
beforeEach(() => clock.advance(1000))

const list = (caller: string, query: Record<string, string> = {}) =>
  server.api<Page>(caller, `/delegations?${new URLSearchParams(query)}`)

const listed = async (caller: string, query: Record<string, string> = {}): Promise<Listed[]> => {
  const { status, body } = await list(caller, query)
  expect(status).toBe(200)
  return body.delegations
}

const idsOf = (found: Listed[]): string[] => found.map((one) => one.delegation_id)
const lineageOf = (token: string): string[] => decode(token).agent_lineage as string[]
const leafOf = (token: string): string => lineageOf(token).at(-1) ?? ''

/** orchestrator → researcher → scraper, a second apart. */
const openChain = async () => {
  const first = await delegateOnce(server, { scope: 'docs:read' })
  clock.advance(1)
  const second = await delegateOnce(server, {}, 'researcher', 'scraper', first.token)
  const root = leafOf(first.subject)
  return { ...first, root, first: leafOf(first.token), second: leafOf(second.token), below: second }
}

/** All pages, one after the other; `between` runs after each. */
const pages = async (caller: string, limit: number, between?: () => Promise<unknown>) => {
  const found: string[][] = []
  let cursor: string | undefined
  do {
    const { body } = await list(caller, {
      limit: String(limit),
      ...(cursor !== undefined && { cursor }),
    })
    found.push(idsOf(body.delegations))
    cursor = body.next_cursor
    await between?.()
  } while (cursor !== undefined)
  return found
}

describe('the live tree', () => {
  test('tells of each delegation what it is, whose and for how long', async () => {
    const { root, first, second } = await openChain()
    const found = await listed('orchestrator')
    expect(idsOf(found)).toEqual([second, first, root])
    const now = clock.seconds()
    const time = (seconds: number) => new Date(seconds * 1000).toISOString()
    expect(found[1]).toEqual({
      delegation_id: first,
      parent_id: root,
      lineage: [root, first],
      tenant_id: 'acme',
      subject: 'orchestrator',
      actor: 'researcher',
      act: { sub: 'researcher', iss: issuer, client_id: 'researcher', sub_profile: 'ai_agent' },
      scope: 'docs:read',
      resources: [docs],
      agent_limits: {
        requests_per_hour: 100,
        cost_budget_usd: 5,
        allowed_actions: ['docs.*', 'mail.send'],
        max_delegation_depth: 1,
      },
      rule_ids: [expect.stringMatching(/^rul_/)],
      created_at: time(now - 1),
      expires_at: time(now - 1 + 900),
      last_used_at: time(now - 1),
      budget: {
        delegation_id: first,
        cap_usd: '5',
        spent_usd: '0',
        held_usd: '0',
        remaining_usd: '5',
        limited_by: first,
        mode: 'shared',
        requests_per_hour: 100,
        remaining_requests: 100,
        requests_limited_by: 'agent:orchestrator',
      },
    })
    expect(found[2]).not.toHaveProperty('parent_id')
    expect(found[2]).not.toHaveProperty('expires_at')
    expect(found[2]).not.toHaveProperty('rule_ids')
  })

  test('tells what is spent and held now, and when each was last used', async () => {
    const { first, second, token, below } = await openChain()
    const find = async (id: string) =>
      (await listed('orchestrator')).find((one) => one.delegation_id === id)
    clock.advance(10)
    const charge = { token: below.token, amount_usd: '0.25', action: 'docs.read' }
    expect((await server.ledger('docs-server', '/reservations', charge)).status).toBe(201)
    const charged = clock.now().toISOString()
    expect(await find(second)).toMatchObject({
      last_used_at: charged,
      budget: { held_usd: '0.25', remaining_usd: '1.75', limited_by: second },
    })
    expect(await find(first)).toMatchObject({
      last_used_at: new Date(clock.now().getTime() - 11_000).toISOString(),
      budget: { held_usd: '0.25', remaining_usd: '4.75' },
    })
    clock.advance(10)
    await server.exchange('researcher', token)
    // An exchange is a use of what comes out of it; what went in names it by its lineage.
    const [newest] = await listed('researcher', { actor: 'researcher' })
    expect(newest?.last_used_at).toBe(clock.now().toISOString())
  })

  test('ends for a whole subtree when its top is revoked, and for nothing beside it', async () => {
    const { token, first, second } = await openChain()
    const sibling = await delegateOnce(server)
    await server.revoke('researcher', token)
    const found = idsOf(await listed('acme-admin'))
    expect(found).not.toContain(first)
    expect(found).not.toContain(second)
    expect(found).toContain(leafOf(sibling.token))
  })

  test('ends for what has expired, and for what hangs from it whatever its own row says', async () => {
    const { first, second, root } = await openChain()
    await server.database.write(
      `update delegations set expires_at = expires_at + interval '1 hour' where id = $1`,
      [second],
    )
    clock.advance(898)
    expect(idsOf(await listed('orchestrator'))).toEqual([second, first, root])
    clock.advance(1)
    expect(idsOf(await listed('orchestrator'))).toEqual([root])
  })
})

describe('a filter', () => {
  test('by actor, by subject, and by what it hangs from', async () => {
    const { root, first, second } = await openChain()
    const other = await delegateOnce(server, {}, 'loner', 'idle')
    const ids = async (query: Record<string, string>) => idsOf(await listed('acme-admin', query))
    expect(await ids({ actor: 'researcher', subject: 'orchestrator' })).toEqual([first])
    expect(await ids({ subject: 'orchestrator' })).toEqual([second, first, root])
    expect(await ids({ under: first })).toEqual([second, first])
    expect(await ids({ under: second })).toEqual([second])
    expect(await ids({ under: first, actor: 'scraper' })).toEqual([second])
    expect(await ids({ under: leafOf(other.token), subject: 'orchestrator' })).toEqual([])
    expect(await ids({ actor: 'nobody' })).toEqual([])
    expect(await ids({ under: 'dlg_unknown' })).toEqual([])
  })

  test.each([
    'limit=0',
    'limit=101',
    'limit=x',
    'limit=',
    'limit=1.5',
    'cursor=x',
    'cursor=',
    `cursor=${Buffer.from('["2026-01-01T00:00:00Z","x"]').toString('base64url')}`,
    `cursor=${Buffer.from('["0000-01-01T00:00:00Z","dlg_1"]').toString('base64url')}`,
    `cursor=${Buffer.from('["infinity","dlg_1"]').toString('base64url')}`,
    'under=x',
    'under=dlg_1%00',
    'actor=a%20b',
    'subject=',
    'subject=%00',
    'subject=a%0ab',
    'tenant_id=%00',
    'tenant_id=A',
    'nonsense=1',
    '__proto__=1',
    'actor=a&actor=b',
  ])('that is malformed is refused, and is no failure: %s', async (query) => {
    for (const caller of ['orchestrator', 'any-admin']) {
      const { status, body } = await server.api<Page>(caller, `/delegations?${query}`)
      expect([status, body.error_detail]).toEqual([400, 'malformed_query'])
    }
  })
})

describe('pages', () => {
  const makeMany = async (count: number): Promise<string[]> => {
    const { body } = await server.clientCredentials('loner')
    const made: string[] = []
    for (let index = 0; index < count; index += 1) {
      const fields = { requested_actor: 'idle' }
      const answer = await server.exchange('loner', body.access_token, fields)
      made.push(leafOf(answer.body.access_token))
      // Some of the same second, so that the order of ids matters too.
      if (index % 3 === 2) clock.advance(1)
    }
    return made
  }

  test('hold everything once, newest first, and the last one has no cursor', async () => {
    const made = await makeMany(10)
    const whole = idsOf(await listed('idle', { actor: 'idle', subject: 'loner' }))
    expect(whole.toSorted()).toEqual(made.toSorted())
    const times = (await listed('idle', { subject: 'loner' })).map((one) => one.created_at)
    expect(times).toEqual(times.toSorted().toReversed())
    const all = idsOf(await listed('loner'))
    expect(all).toHaveLength(11)
    for (const limit of [1, 3, 4, 10, 11, 12, 100]) {
      const found = await pages('loner', limit)
      expect(found.flat()).toEqual(all)
      expect(found).toHaveLength(Math.ceil(11 / limit))
    }
  })

  test('neither repeat nor miss anything while new ones are made and old ones end', async () => {
    const made = await makeMany(9)
    const root = (await listed('loner')).at(-1)?.delegation_id ?? ''
    const found = await pages('loner', 2, async () => {
      clock.advance(1)
      await makeMany(1)
    })
    const seen = found.flat()
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen.toSorted()).toEqual([...made, root].toSorted())

    const { body } = await list('loner', { limit: '2' })
    const [last = ''] = idsOf(body.delegations).slice(-1)
    // The row that the cursor points at may be gone by then.
    await server.api('loner', `/delegations/${last}/revoke`, {})
    const next = await list('loner', { limit: '100', cursor: body.next_cursor ?? '' })
    expect(idsOf(next.body.delegations)).toEqual(
      idsOf(await listed('loner')).filter((id) => !idsOf(body.delegations).includes(id)),
    )
  })
})

describe('who sees what', () => {
  test('holders see theirs and what they lent on; givers all that hangs below; strangers nothing', async () => {
    const { root, first, second } = await openChain()
    const seen = async (caller: string) => {
      const found = idsOf(await listed(caller))
      return [root, first, second].filter((id) => found.includes(id))
    }
    expect(await seen('orchestrator')).toEqual([root, first, second])
    expect(await seen('researcher')).toEqual([first, second])
    expect(await seen('scraper')).toEqual([second])
    expect(await seen('acme-admin')).toEqual([root, first, second])
    for (const caller of ['loner', 'idle', 'docs-server', 'globex-agent', 'globex-admin']) {
      expect(await seen(caller)).toEqual([])
    }
  })

  test('nobody sees more by a filter', async () => {
    const { root, first } = await openChain()
    for (const query of [{ subject: 'orchestrator' }, { under: root }, { actor: 'researcher' }]) {
      expect(idsOf(await listed('scraper', query as Record<string, string>))).not.toContain(first)
      expect(await listed('loner', query as Record<string, string>)).toEqual([])
    }
  })

  test('a tenant is closed: another is not even to be named', async () => {
    await openChain()
    const own = await server.clientCredentials('globex-agent', {})
    const theirs = await delegateOnce(
      server,
      {},
      'globex-agent',
      'globex-helper',
      own.body.access_token,
    )
    const id = leafOf(theirs.token)
    const sees = async (caller: string, query: Record<string, string> = {}) =>
      idsOf(await listed(caller, { limit: '100', ...query })).includes(id)
    expect(await sees('globex-agent')).toBe(true)
    expect(await sees('globex-admin')).toBe(true)
    expect(await sees('any-admin', { tenant_id: 'globex' })).toBe(true)
    for (const query of [{}, { tenant_id: 'globex' }, { under: id }, { subject: 'globex-agent' }]) {
      expect(await sees('acme-admin', query as Record<string, string>)).toBe(false)
      expect(await sees('orchestrator', query as Record<string, string>)).toBe(false)
    }
    // Whoever has a tenant is in that one, whatever it names.
    const query = { tenant_id: 'globex' }
    for (const caller of ['acme-admin', 'orchestrator']) {
      expect(await listed(caller, query)).toEqual(await listed(caller))
    }
    expect(await sees('any-admin')).toBe(false)
    expect(await sees('any-admin', { tenant_id: 'acme' })).toBe(false)
  })

  test('a token needs the scope, and shows no more than its client', async () => {
    const { first } = await openChain()
    const bearer = async (clientId: string, scope?: string) => {
      const fields = { resource: issuer, ...(scope !== undefined && { scope }) }
      return `Bearer ${(await server.clientCredentials(clientId, fields)).body.access_token}`
    }
    const idle = await bearer('idle')
    expect(await listed(idle, { subject: 'orchestrator' })).toEqual([])
    expect((await list(await bearer('loner'))).status).toBe(403)
    const asAdmin = await bearer('acme-admin')
    expect(idsOf(await listed(asAdmin))).toContain(first)
    // The scope of the token counts, not what its client could have had.
    const asParty = await bearer('acme-admin', 'delegations:read')
    const seen = await listed(asParty)
    expect(seen.map(({ actor }) => actor)).toEqual(['acme-admin'])
    expect((await server.api('Bearer x', '/delegations')).status).toBe(401)
    expect((await server.request('/delegations')).status).toBe(401)
  })

  test('a token for a resource, or one that is delegated, does not open it', async () => {
    const { token } = await delegateOnce(server)
    const own = await server.clientCredentials('orchestrator', { resource: mail })
    for (const text of [token, own.body.access_token]) {
      expect((await list(`Bearer ${text}`)).status).toBe(401)
    }
  })
})
