/** A yes to somebody who registered itself: for the address that the person was shown, and no other. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  authorizeQuery,
  createPKCE,
  getCode,
  openBrowser,
  openPeopleServer,
  type PeopleServer,
  peopleConfig,
} from './browser.js'
import { type DocumentHost, documentOf, openDocumentHost } from './document-host.js'
import { docs } from './harness.js'

const known = 'https://known.example.test/cb'
const evil = 'https://evil.example.test/cb'

const allowed = { scope: 'docs:read', resources: [docs], tenant_id: 'acme' }

let host: DocumentHost
let server: PeopleServer
beforeAll(async () => {
  host = await openDocumentHost()
  const registration = {
    dynamic: { mode: 'open', registrations_per_minute: 100, ...allowed },
    client_id_metadata_documents: allowed,
  }
  const config = { ...peopleConfig, registration }
  server = await openPeopleServer({ config, documentNetwork: host.network })
})
afterAll(async () => {
  await server.close()
  await host.close()
})

const register = async (more: object): Promise<string> => {
  const answer = await server.request('/register', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ client_name: 'Known', token_endpoint_auth_method: 'none', ...more }),
  })
  return ((await answer.json()) as { client_id: string }).client_id
}

/** Says yes where there is a page. @returns whether there was one, and a code in the end */
const go = async (client_id: string, redirect_uri: string, more: object = {}) => {
  const { asked, code } = await getCode(server, { query: { client_id, redirect_uri, ...more } })
  return { asked, code: code !== '' }
}

const asked = { asked: true, code: true }
const silent = { asked: false, code: true }

test('is remembered where all addresses of a registration are of one host', async () => {
  const id = await register({ redirect_uris: [known, 'https://known.example.test/other'] })
  expect(await go(id, known)).toEqual(asked)
  expect(await go(id, known)).toEqual(silent)
  expect(await go(id, 'https://known.example.test/other')).toEqual(silent)
})

test('is asked for anew where somebody has registered the address of another beside its own', async () => {
  const id = await register({ redirect_uris: [known, evil] })
  expect(await go(id, known)).toEqual(asked)
  expect(await go(id, evil, { prompt: 'none' })).toEqual({ asked: false, code: false })
  expect(await go(id, evil)).toEqual(asked)
})

test('is remembered for the own host of a document', async () => {
  const id = 'https://known.example.test/client.json'
  host.serve(id, documentOf(id, { redirect_uris: [known] }))
  expect(await go(id, known)).toEqual(asked)
  expect(await go(id, known)).toEqual(silent)
})

test('is asked for anew where a document names the address of another, and then its own', async () => {
  const id = 'https://evil.example.test/client.json'
  host.serve(id, documentOf(id, { redirect_uris: [known] }))
  expect(await go(id, known)).toEqual(asked)
  expect(await go(id, known)).toEqual(asked)
  host.serve(id, documentOf(id, { redirect_uris: ['https://evil2.example.test/cb'] }))
  server.clock.advance(4000)
  const other = 'https://evil2.example.test/cb'
  expect(await go(id, other, { prompt: 'none' })).toEqual({ asked: false, code: false })
  expect(await go(id, other)).toEqual(asked)
})

test('is asked for with the host of the document beside the one that the answer goes to', async () => {
  const id = 'https://evil.example.test/shown.json'
  host.serve(id, documentOf(id, { redirect_uris: [known] }))
  const query = { client_id: id, redirect_uri: known }
  const { text: html } = await openBrowser(server, 'usr_alice').authorize(
    authorizeQuery(createPKCE(), query),
  )
  expect(html).toMatch(/answer goes to<\/dt><dd><strong>known\.example\.test</)
  expect(html).toMatch(/describes itself at<\/dt><dd>evil\.example\.test</)
  const registered = await register({ redirect_uris: [known] })
  const page = await openBrowser(server, 'usr_alice').authorize(
    authorizeQuery(createPKCE(), { client_id: registered, redirect_uri: known }),
  )
  expect(page.text).not.toContain('describes itself at')
})

test.each(['Kn\u202eown', '\u2066Known', 'Known\u200f', 'Kn\u061cown'])(
  'is asked for by no name that turns our words around: %j',
  async (client_name) => {
    const answer = await server.request('/register', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ client_name, redirect_uris: [known] }),
    })
    expect(answer.status).toBe(400)
    const id = `https://known.example.test/${encodeURIComponent(client_name)}`
    host.serve(id, documentOf(id, { redirect_uris: [known], client_name }))
    expect(await go(id, known)).toEqual({ asked: false, code: false })
  },
)
