/** Metadata documents over time: how long they are believed, by whom, and when they are forgotten. */
import { isOAuthError, type OAuthError } from '@behalf/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findClient } from '../src/registration/find-client.js'
import { noteUse } from '../src/registration/note-use.js'
import { reapClients } from '../src/registration/reap-clients.js'
import type { Client } from '../src/store/clients.js'
import { delegations } from '../src/store/schema.js'
import { authorizeQuery, createPKCE } from './browser.js'
import {
  type DocumentHost,
  documentOf,
  json,
  openDocumentHost,
  redirectUri,
} from './document-host.js'
import { baseConfig, docs, openTestServer, type TestServer } from './harness.js'

const configWith = (documents: object) => ({
  ...baseConfig,
  registration: { client_id_metadata_documents: documents },
})
const generous = { scope: 'docs:read docs:write', resources: [docs], tenant_id: 'acme' }

let host: DocumentHost
let server: TestServer
beforeAll(async () => {
  host = await openDocumentHost()
  server = await openTestServer({ config: configWith(generous), documentNetwork: host.network })
})
afterAll(async () => {
  await server.close()
  await host.close()
})

/** Another process on the same database. */
const openBeside = (documents: object = generous) =>
  openTestServer({
    database: server.database,
    clock: server.clock,
    config: configWith(documents),
    documentNetwork: host.network,
  })

// Below a public suffix, so that each is a site of its own. Nobody leaves this machine.
let made = 0
const freshUrl = (): string => {
  made += 1
  return `https://k${made}.github.io/client.json`
}

const serveFresh = (headers: Record<string, string> = {}): string => {
  const id = freshUrl()
  return host.serve(id, json(documentOf(id), headers))
}

const find = (id: string, allowStale = false, at = server): Promise<Client | undefined> =>
  findClient(id, at.deps, { allowStale })

const refusal = async (id: string, allowStale = false, at = server): Promise<OAuthError> => {
  const outcome = await find(id, allowStale, at).catch((error: unknown) => error)
  if (!isOAuthError(outcome)) throw new Error(`${id} was not refused`)
  return outcome
}

const hour = 3600
const day = 24 * hour

describe('a document is believed', () => {
  const cases: [string, Record<string, string>, number][] = [
    ['as long as max-age says', { 'Cache-Control': 'public, max-age=600' }, 600],
    ['less what it spent in caches', { 'Cache-Control': 'max-age=600', Age: '200' }, 400],
    ['an hour when nothing is said', {}, hour],
    ['an hour when it is not to be understood', { 'Cache-Control': 'max-age=soon' }, hour],
    ['a minute at least', { 'Cache-Control': 'no-store' }, 60],
    ['a minute at least, for no-cache', { 'Cache-Control': 'No-Cache' }, 60],
    ['a minute at least, for max-age=0', { 'Cache-Control': 'max-age=0' }, 60],
    ['a day at most', { 'Cache-Control': 'max-age=31536000' }, day],
  ]
  test.each(cases)('%s', async (_, headers, seconds) => {
    const id = serveFresh(headers)
    await find(id)
    host.serve(id, json(documentOf(id, { client_name: 'Renamed' }), headers))
    server.clock.advance(seconds - 1)
    expect([(await find(id))?.client_name, host.reads(id)]).toEqual(['Example App', 1])
    server.clock.advance(1)
    expect([(await find(id))?.client_name, host.reads(id)]).toEqual(['Renamed', 2])
  })

  test('by every process on the database', async () => {
    const id = serveFresh()
    await find(id)
    const beside = await openBeside()
    expect((await find(id, false, beside))?.client_id).toBe(id)
    expect(host.reads(id)).toBe(1)
  })

  test('and read once for a hundred who ask at the same time', async () => {
    const id = serveFresh()
    const found = await Promise.all(Array.from({ length: 100 }, () => find(id)))
    expect(new Set(found.map((client) => client?.client_id))).toEqual(new Set([id]))
    expect(host.reads(id)).toBe(1)
  })
})

test('a hundred people whom one new client sends here at once have its document read once', async () => {
  const id = serveFresh()
  const query = { client_id: id, redirect_uri: redirectUri, scope: 'docs:read' }
  const send = () => server.request(`/authorize?${authorizeQuery(createPKCE(), query)}`)
  const answers = await Promise.all(Array.from({ length: 100 }, send))
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([303]))
  expect(host.reads(id)).toBe(1)
})

describe('a document that cannot be read any more', () => {
  const ways: [string, Parameters<DocumentHost['serve']>[1]][] = [
    ['its host is down', (_, response) => response.socket?.destroy()],
    ['its host fails', json({}, {}, 503)],
  ]
  test.each(ways)('is still good for tokens, and not for a consent, when %s', async (_, broken) => {
    const id = serveFresh()
    await find(id)
    host.serve(id, broken)
    server.clock.advance(2 * hour)
    expect((await find(id, true))?.client_id).toBe(id)
    expect((await refusal(id)).reason).toBe('metadata_document_unavailable')
    // The token endpoint asks as those do who may go on.
    const fields = { grant_type: 'client_credentials', client_id: id }
    const { body } = await server.post<Record<string, unknown>>('/token', fields, {})
    expect(body.error).toBe('unauthorized_client')
  })

  test('is good for seven days after it was read', async () => {
    const id = serveFresh()
    await find(id)
    host.serve(id, json({}, {}, 500))
    server.clock.advance(7 * day - 1)
    expect((await find(id, true))?.client_id).toBe(id)
    server.clock.advance(1)
    expect((await refusal(id, true)).reason).toBe('metadata_document_unavailable')
  })

  test('is asked for once a minute by those who can do without', async () => {
    const id = serveFresh()
    await find(id)
    host.serve(id, json({}, {}, 500))
    server.clock.advance(2 * hour)
    await find(id, true)
    await find(id, true)
    expect(host.reads(id)).toBe(2)
    server.clock.advance(60)
    await find(id, true)
    expect(host.reads(id)).toBe(3)
  })

  test.each([
    ['404', json({}, {}, 404)],
    ['another client', json(documentOf('https://else.example.test/client.json'))],
  ])('is withdrawn when its host answers with %s', async (_, answer) => {
    const id = serveFresh()
    await find(id)
    host.serve(id, answer)
    server.clock.advance(2 * hour)
    expect((await refusal(id, true)).reason).toBe('metadata_document_unavailable')
  })
})

describe('the operator', () => {
  test('names the hosts that may', async () => {
    const allowed_hosts = ['exact.example.test', '*.apps.example.test', 'port.example.test:22']
    const narrow = await openBeside({ ...generous, allowed_hosts })
    const reason = async (id: string) => {
      host.serve(id, documentOf(id))
      return find(id, false, narrow).then(
        () => 'found',
        (error: OAuthError) => error.reason,
      )
    }
    expect(await reason('https://exact.example.test/client.json')).toBe('found')
    const lookups = host.lookups.length
    for (const id of [
      'https://exact.example.test:8443/client.json',
      'https://a.exact.example.test/client.json',
      'https://evilexact.example.test/client.json',
      'https://apps.example.test/client.json',
      'https://evilapps.example.test/client.json',
      'https://port.example.test/client.json',
    ]) {
      expect([id, await reason(id)]).toEqual([id, 'client_host_not_allowed'])
    }
    expect(host.lookups.length).toBe(lookups)
  })

  test('takes a host off the list, and its clients are no longer known', async () => {
    const id = serveFresh()
    await find(id)
    const narrow = await openBeside({ ...generous, allowed_hosts: ['else.example.test'] })
    expect((await refusal(id, true, narrow)).reason).toBe('client_host_not_allowed')
  })

  test('switches documents off, and with them the clients that are known by one', async () => {
    const id = serveFresh()
    await find(id)
    const off = await openBeside({ ...generous, enabled: false })
    expect(await find(id, true, off)).toBeUndefined()
    const fields = { grant_type: 'client_credentials', client_id: id }
    const { status, body } = await off.post<Record<string, unknown>>('/token', fields, {})
    expect([status, body.error]).toEqual([401, 'invalid_client'])
    const metadata = async (at: TestServer) =>
      (await at.request('/.well-known/oauth-authorization-server')).json()
    expect(await metadata(off)).not.toHaveProperty('client_id_metadata_document_supported')
    expect(await metadata(server)).toHaveProperty('client_id_metadata_document_supported', true)
  })

  test('takes back scope and resources from the next start on, also from those who are known', async () => {
    const asking = freshUrl()
    host.serve(asking, documentOf(asking, { scope: 'docs:write docs:read' }))
    const silent = serveFresh()
    await find(asking)
    await find(silent)
    const less = await openBeside({ scope: 'docs:read mail:send' })
    expect((await find(asking, false, less))?.scope).toEqual(['docs:read'])
    expect((await find(silent, false, less))?.scope).toEqual(['docs:read', 'mail:send'])
    expect((await find(silent, false, less))?.resources).toEqual([])
    const again = await openBeside()
    expect((await find(asking, false, again))?.scope).toEqual(['docs:read', 'docs:write'])
    expect((await find(asking, false, again))?.resources).toEqual([docs])
  })
})

describe('a client that nobody uses', () => {
  const isKnown = async (id: string) => (await server.deps.store.clients.find(id)) !== undefined

  test('is forgotten after an hour, unless it got a token or somebody’s consent', async () => {
    const [unused, used, consented] = [serveFresh(), serveFresh(), serveFresh()]
    for (const id of [unused, used, consented]) await find(id)
    const client = await find(used)
    if (client) await noteUse(client, server.deps)
    const row = { scope: ['docs:read'], resources: [docs], limits: {}, budgetIds: [] }
    await server.database.drizzle.insert(delegations).values({
      ...row,
      id: 'dlg_consent',
      lineage: ['dlg_consent'],
      subject: 'usr_alice',
      actor: consented,
      createdAt: server.clock.now(),
    })
    server.clock.advance(hour)
    await reapClients(server.deps)
    expect(await isKnown(unused)).toBe(true)
    server.clock.advance(1)
    await reapClients(server.deps)
    expect([await isKnown(unused), await isKnown(used), await isKnown(consented)]).toEqual([
      false,
      true,
      true,
    ])
    // Whoever comes back with its URL is met as if for the first time.
    expect((await find(unused))?.client_id).toBe(unused)
    server.clock.advance(90 * day)
    await reapClients(server.deps)
    expect([await isKnown(used), await isKnown(consented)]).toEqual([false, true])
  })
})

test('one site cannot have documents read without end, whatever it calls its hosts', async () => {
  const id = (n: number) => {
    const url = `https://h${n % 300}.example.test/${n}`
    return host.serve(url, documentOf(url))
  }
  const outcomes: string[] = []
  // More than all sites together may have in a minute: what is refused takes nothing from the others.
  for (let n = 0; n < 620; n += 1) {
    outcomes.push(
      await find(id(n)).then(
        () => 'found',
        (error: OAuthError) => `${error.code} ${error.headers['Retry-After'] !== undefined}`,
      ),
    )
  }
  expect(outcomes.filter((one) => one === 'found')).toHaveLength(60)
  expect(new Set(outcomes.slice(60))).toEqual(new Set(['temporarily_unavailable true']))
  expect((await find(serveFresh()))?.client_name).toBe('Example App')
})

const hanging = (url: string): string => host.serve(url, () => {})

test('one site that hangs leaves room for the others', async () => {
  const ids = Array.from({ length: 60 }, (_, n) =>
    hanging(`https://hang${n}.rebind.test/client.json`),
  )
  const all = Promise.all(ids.map(async (id) => (await refusal(id)).reason))
  expect((await find(serveFresh()))?.client_name).toBe('Example App')
  const reasons = await all
  const count = (reason: string) => reasons.filter((one) => one === reason).length
  expect(count('metadata_document_unavailable')).toBe(10)
  expect(count('too_many_metadata_documents')).toBe(50)
})

test('so many are read at the same time, and no more', async () => {
  const ids = Array.from({ length: 60 }, () => hanging(freshUrl()))
  const reasons = await Promise.all(ids.map(async (id) => (await refusal(id)).reason))
  const count = (reason: string) => reasons.filter((one) => one === reason).length
  expect(count('metadata_document_unavailable')).toBe(50)
  expect(count('too_many_metadata_documents')).toBe(10)
})
