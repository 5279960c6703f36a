/** What a server remembers of clients, resources, rules and delegations, and that no change is missed. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../src/store/database.js'
import {
  agent,
  baseConfig,
  basic,
  createDatabase,
  decode,
  delegateOnce,
  docs,
  issuer,
  openTestDatabase,
  openTestServer,
  type TestServer,
} from './harness.js'
import { openTwoServers, type TwoServers } from './two-servers.js'

const wide = { scope: 'docs:read docs:write', resource: docs }

describe('a change that another server, or somebody by hand, has made', () => {
  let servers: TwoServers
  beforeAll(async () => {
    servers = await openTwoServers()
  })
  afterAll(() => servers.close())

  /** So that the first server remembers. */
  const warmUp = async (clientId: string): Promise<string> => {
    const { one } = servers
    await one.clientCredentials(clientId, wide)
    const { status, body } = await one.clientCredentials(clientId, wide)
    expect(status).toBe(200)
    return body.access_token
  }

  const change = (statement: string): Promise<unknown> => servers.two.database.write(statement, [])

  test('switches a client off for the next request', async () => {
    await warmUp('loner')
    await change("update clients set disabled = true where client_id = 'loner'")
    expect((await servers.one.clientCredentials('loner', wide)).status).toBe(401)
    await change("update clients set disabled = false where client_id = 'loner'")
    expect((await servers.one.clientCredentials('loner', wide)).status).toBe(200)
  })

  test('takes a word of its scope away, and gives it back', async () => {
    await warmUp('loner')
    await change("update clients set scope = '{docs:read}' where client_id = 'loner'")
    expect((await servers.one.clientCredentials('loner', wide)).body.scope).toBe('docs:read')
    await change("update clients set scope = '{docs:read,docs:write}' where client_id = 'loner'")
    expect((await servers.one.clientCredentials('loner', wide)).body.scope).toBe(wide.scope)
  })

  test('takes a resource away, and no refusal outlives the change back', async () => {
    await warmUp('loner')
    await change("update clients set resources = '{}' where client_id = 'loner'")
    const refused = await servers.one.clientCredentials('loner', wide)
    expect([refused.status, refused.body.error]).toEqual([400, 'invalid_target'])
    await change(`update clients set resources = '{${docs}}' where client_id = 'loner'`)
    expect((await servers.one.clientCredentials('loner', wide)).status).toBe(200)
  })

  test('narrows what a resource knows', async () => {
    await warmUp('loner')
    await change(`update resources set scopes_supported = '{docs:read}' where resource = '${docs}'`)
    expect((await servers.one.clientCredentials('loner', wide)).body.scope).toBe('docs:read')
    await change(
      `update resources set scopes_supported = '{docs:read,docs:write}' where resource = '${docs}'`,
    )
    expect((await servers.one.clientCredentials('loner', wide)).body.scope).toBe(wide.scope)
  })

  test('lowers the limits that its tokens say', async () => {
    await warmUp('loner')
    const limits = JSON.stringify({ cost_budget_usd: 1, allowed_actions: ['docs.read'] })
    await change(`update clients set agent_limits = '${limits}' where client_id = 'loner'`)
    const { body } = await servers.one.clientCredentials('loner', wide)
    expect(body.agent_limits?.cost_budget_usd).toBe(1)
  })

  test('replaces its secret: the old one is worth nothing, the new one is good', async () => {
    await warmUp('scraper')
    await servers.two.applyConfig({
      ...baseConfig,
      clients: [agent('scraper', { client_secret: 'another secret of 32 characters' })],
    })
    const { one } = servers
    const ask = (secret?: string) =>
      one.post(
        '/token',
        { grant_type: 'client_credentials', ...wide },
        { Authorization: basic('scraper', secret) },
      )
    expect((await ask()).status).toBe(401)
    expect((await ask('another secret of 32 characters')).status).toBe(200)
    await servers.two.applyConfig(baseConfig)
  })

  test('switches a tenant off and all its clients with it', async () => {
    await warmUp('loner')
    await change("update tenants set disabled = true where tenant_id = 'acme'")
    expect((await servers.one.clientCredentials('loner', wide)).status).toBe(401)
    await change("update tenants set disabled = false where tenant_id = 'acme'")
    expect((await servers.one.clientCredentials('loner', wide)).status).toBe(200)
  })

  test('revokes its root: the next token stands on a new one', async () => {
    const token = await warmUp('researcher')
    expect((await servers.two.revoke('researcher', token)).status).toBe(200)
    const { status, body } = await servers.one.clientCredentials('researcher', wide)
    expect(status).toBe(200)
    const rootOf = (text: string) => (decode(text).agent_lineage as string[])[0]
    expect(rootOf(body.access_token)).not.toBe(rootOf(token))
  })

  test('takes a rule away, and gives one', async () => {
    const { one } = servers
    const { subject } = await delegateOnce(one)
    const handOff = () => one.exchange('orchestrator', subject, { requested_actor: 'researcher' })
    expect((await handOff()).status).toBe(200)
    await change('update delegation_rules set enabled = false')
    const refused = await handOff()
    expect([refused.status, refused.body.error_detail]).toEqual([403, 'delegation_not_permitted'])
    await change('update delegation_rules set enabled = true')
    expect((await handOff()).status).toBe(200)
  })

  test('switches somebody off who stands in between, for exchanges and for introspection', async () => {
    const { one } = servers
    const { token } = await delegateOnce(one)
    const isActive = async () => (await one.introspect('docs-server', token)).body.active
    expect([await isActive(), await isActive()]).toEqual([true, true])
    expect((await one.exchange('researcher', token)).status).toBe(200)
    await change("update clients set disabled = true where client_id = 'orchestrator'")
    expect(await isActive()).toBe(false)
    const refused = await one.exchange('researcher', token)
    expect([refused.status, refused.body.error]).toEqual([400, 'invalid_request'])
    await change("update clients set disabled = false where client_id = 'orchestrator'")
    expect(await isActive()).toBe(true)
  })

  test('takes a resource from the server that asks about its tokens', async () => {
    const { one } = servers
    const { token } = await delegateOnce(one)
    const isActive = async () => (await one.introspect('docs-server', token)).body.active
    expect([await isActive(), await isActive()]).toEqual([true, true])
    await change(`update resources set client_id = 'mail-server' where resource = '${docs}'`)
    expect(await isActive()).toBe(false)
    await change(`update resources set client_id = 'docs-server' where resource = '${docs}'`)
  })

  test('revokes what an exchange stands on', async () => {
    const { one, two } = servers
    const { token } = await delegateOnce(one)
    expect((await one.exchange('researcher', token)).status).toBe(200)
    expect((await two.revoke('researcher', token)).status).toBe(200)
    const refused = await one.exchange('researcher', token)
    expect([refused.status, refused.body.error]).toEqual([400, 'invalid_request'])
  })

  test('revokes what an actor token stands on', async () => {
    const { one, two } = servers
    const { body } = await one.clientCredentials('orchestrator')
    const actor = (await one.clientCredentials('researcher', { resource: issuer })).body
    const push = () =>
      one.exchange('orchestrator', body.access_token, {
        actor_token: actor.access_token,
        actor_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      })
    expect([(await push()).status, (await push()).status]).toEqual([200, 200])
    expect((await two.revoke('researcher', actor.access_token)).status).toBe(200)
    const refused = await push()
    expect([refused.status, refused.body.error_detail]).toEqual([400, 'actor_token_revoked'])
  })

  test('is in no answer to what was asked after it, however many ask at once', async () => {
    const { one } = servers
    await warmUp('loner')
    let isOff = false
    const ask = async (): Promise<number[]> => {
      const late = isOff
      const { status } = await one.clientCredentials('loner', wide)
      return late ? [status] : []
    }
    const worker = async (index: number): Promise<number[]> => {
      const late: number[] = []
      for (let turn = 0; turn < 12; turn += 1) {
        late.push(...(await ask()))
        if (index !== 0 || turn !== 3) continue
        await change("update clients set disabled = true where client_id = 'loner'")
        isOff = true
      }
      return late
    }
    const late = (await Promise.all(Array.from({ length: 12 }, (_, index) => worker(index)))).flat()
    expect(late.length).toBeGreaterThan(50)
    expect(late).not.toContain(200)
    await change("update clients set disabled = false where client_id = 'loner'")
  })
})

/** Counts the statements of a database by what they are sent for. */
const counted = (database: Database) => {
  const count = { read: 0, write: 0 }
  const counting: Database = {
    ...database,
    read: (text, params) => {
      count.read += 1
      return database.read(text, params)
    },
    write: (text, params) => {
      count.write += 1
      return database.write(text, params)
    },
  }
  return { count, database: counting }
}

describe('a server that remembers', () => {
  let server: TestServer
  let count: { read: number; write: number }
  let drop: () => Promise<void>
  beforeAll(async () => {
    const created = await createDatabase()
    const opened = counted(await openTestDatabase(created.url))
    ;({ count } = opened)
    ;({ drop } = created)
    server = await openTestServer({ database: opened.database })
  })
  afterAll(async () => {
    await server.close()
    await drop()
  })

  const version = async (): Promise<unknown> =>
    (await server.database.read('select version::text from registry_version', []))[0]?.version

  test('reads nothing to issue a token, and writes it down', async () => {
    await server.clientCredentials('loner', wide)
    await server.clientCredentials('loner', wide)
    const before = { ...count }
    expect((await server.clientCredentials('loner', wide)).status).toBe(200)
    expect([count.read - before.read, count.write - before.write]).toEqual([0, 1])
  })

  test('reads nothing to exchange one', async () => {
    const { token } = await delegateOnce(server)
    await server.exchange('researcher', token)
    const before = count.read
    expect((await server.exchange('researcher', token)).status).toBe(200)
    expect(count.read - before).toBe(0)
  })

  test('looks a client up as often when it is not known as when its secret is wrong', async () => {
    await server.clientCredentials('loner', wide)
    const readsFor = async (clientId: string): Promise<number> => {
      const before = count.read
      const headers = { Authorization: basic(clientId, 'wrong') }
      const { status } = await server.post('/token', { grant_type: 'client_credentials' }, headers)
      expect(status).toBe(401)
      return count.read - before
    }
    expect([await readsFor('loner'), await readsFor('nobody')]).toEqual([1, 1])
  })

  test.each([
    ["update clients set client_name = 'Another' where client_id = 'loner'", true],
    ["update clients set last_used_at = now() where client_id = 'loner'", false],
    ["update clients set disabled = disabled where client_id = 'loner'", false],
    ["update tenants set name = 'Acme, Inc.' where tenant_id = 'acme'", true],
    [`update resources set client_id = 'docs-server' where resource = '${docs}'`, false],
    [`update resources set scopes_supported = '{docs:read}' where resource = '${docs}'`, true],
    [
      "insert into resources (resource, scopes_supported) values ('https://new.example', '{}')",
      true,
    ],
    ["delete from resources where resource = 'https://new.example'", true],
    ['update delegation_rules set enabled = false', true],
    ['delete from delegation_rules', true],
    ["update delegations set revoked_at = now() where subject = actor and actor = 'loner'", true],
    ["delete from clients where client_id = 'loner'", true],
  ])('tells what matters from what does not: %s (%s)', async (statement, moves) => {
    const before = await version()
    await server.database.write(statement, [])
    expect((await version()) !== before).toBe(moves)
  })

  test('does not take a new start with the same file for a change', async () => {
    await server.applyConfig(baseConfig)
    const before = await version()
    await server.applyConfig(baseConfig)
    expect(await version()).toBe(before)
  })
})
