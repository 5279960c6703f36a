/** Somebody makes up clients without end, each with a document of its own. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { reapClients } from '../../src/registration/reap-clients.js'
import { authorizeQuery, createPKCE } from '../browser.js'
import { type DocumentHost, documentOf, openDocumentHost, redirectUri } from '../document-host.js'
import { baseConfig, docs, openTestServer, type TestServer } from '../harness.js'
import { allAtOnce } from './pace.js'

const count = 10_000
/** All documents that are read within a minute, of whatever site. */
const perMinute = 600
/** However busy the machine is: what is in time is not the question here. */
const timeLimitMs = 10_000

const unlimited = 1_000_000_000
const config = {
  ...baseConfig,
  rate_limits: {
    address_requests_per_minute: { authorize: unlimited, without_address: unlimited },
  },
  registration: {
    client_id_metadata_documents: { scope: 'docs:read', resources: [docs], tenant_id: 'acme' },
  },
}

let host: DocumentHost
let server: TestServer
beforeAll(async () => {
  host = await openDocumentHost(timeLimitMs)
  server = await openTestServer({ config, documentNetwork: host.network })
})
afterAll(async () => {
  await server.close()
  await host.close()
})

const kept = async (): Promise<number> => {
  const [row] = await server.database.read(
    `select count(*)::int as n from clients where registered_by = 'metadata_document'`,
    [],
  )
  return Number(row?.n)
}

test('ten thousand clients that nobody knows leave behind a few, and after an hour none', async () => {
  const statuses = new Map<number, number>()
  const startedAt = Date.now()
  await allAtOnce(count, 8, async (index) => {
    // Each a site of its own, so that no site is asked for too much.
    const client_id = `https://n${index}.github.io/client.json`
    host.serve(client_id, documentOf(client_id))
    const query = { client_id, redirect_uri: redirectUri, scope: 'docs:read' }
    const { status } = await server.request(`/authorize?${authorizeQuery(createPKCE(), query)}`)
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
  })
  const minutes = Math.ceil((Date.now() - startedAt) / 60_000) + 1
  const rows = await kept()
  console.log(`${rows} kept of ${count};`, Object.fromEntries(statuses))
  expect([...statuses.keys()].toSorted()).toEqual([303, 429])
  expect(rows).toBe(host.requests.length)
  expect(rows).toBeLessThanOrEqual(perMinute * minutes)
  server.clock.advance(3601)
  await reapClients(server.deps)
  expect(await kept()).toBe(0)
}, 600_000)
