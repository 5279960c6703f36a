/** A token with as many custom claims as an operator can allow is read by all who read tokens. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { protectMcp } from '@behalf/mcp/server'
import { createVerifier } from '@behalf/verifier'
import { getRequestListener } from '@hono/node-server'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { getTokens, openPeopleServer, type PeopleServer } from './browser.js'
import { decode, docs, issuer } from './harness.js'

const most = 8192
/** Many of them, and one that fills what is left. */
const claims: Record<string, unknown> = Object.fromEntries(
  Array.from({ length: 300 }, (_, n) => [`https://acme.test/${n}`, n]),
)
claims.rest = 'x'.repeat(most - JSON.stringify({ ...claims, rest: '' }).length)

let server: PeopleServer
let token: string
beforeAll(async () => {
  server = await openPeopleServer()
  server.people.who('usr_alice').person.claims = claims
  token = (await getTokens(server)).access_token
})
afterAll(() => server.close())

const now = (): number => server.clock.now().getTime()

test('it has them all, and is shorter than what is read at most', () => {
  expect(JSON.stringify(claims)).toHaveLength(most)
  expect(decode(token)).toMatchObject(claims)
  expect(token.length).toBeLessThan(16_384)
})

test('the server introspects it, and tells its person', async () => {
  const { body } = await server.introspect('docs-server', token)
  expect(body).toMatchObject({ active: true, ...claims })
})

test('the ledger takes it', async () => {
  const asked = { token, amount_usd: '0.1', action: 'docs.read' }
  expect((await server.ledger('docs-server', '/reservations', asked)).status).toBe(201)
})

test('the verifier reads it', async () => {
  const { fetch } = server
  const verifier = createVerifier({ issuer, audience: docs, revocation: 'off', fetch, now })
  expect((await verifier.verify(token)).subject).toBe('usr_alice')
})

test('the guard lets it in, at a server of Node as it is', async () => {
  const { fetch } = server
  const guard = protectMcp({
    issuer,
    resource: docs,
    scopes: 'docs:read',
    revocation: 'off',
    fetch,
    now,
  })
  const handler = guard.fetch(async () => Response.json('in'))
  const http = createServer(
    getRequestListener((request) => handler(request), { overrideGlobalObjects: false }),
  )
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const { port } = http.address() as AddressInfo
  const headers = { Authorization: `Bearer ${token}` }
  const answer = await globalThis.fetch(`http://127.0.0.1:${port}/mcp`, { headers })
  expect([answer.status, await answer.json()]).toEqual([200, 'in'])
  await new Promise((resolve) => http.close(resolve))
  await guard.close()
})
