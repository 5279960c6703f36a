/** Revocation of a token takes its delegation, and all that hangs below. RFC 7009. */
import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { decodeHeader, es256, jws, resign } from './forge.js'
import {
  basic,
  decode,
  delegateOnce,
  docs,
  openTestServer,
  secretOf,
  type TestServer,
} from './harness.js'

let server: TestServer
beforeAll(async () => {
  server = await openTestServer()
})
afterAll(() => server.close())

const isActive = async (token: string): Promise<unknown> =>
  (await server.introspect('docs-server', token)).body.active

const leafOf = (token: string): string => (decode(token).agent_lineage as string[]).at(-1) ?? ''

describe('a client', () => {
  test('revokes its own token and gets an empty 200, each time it asks', async () => {
    const { token } = await delegateOnce(server)
    for (const _ of ['first', 'again']) {
      const { status, headers, body } = await server.revoke('researcher', token)
      expect([status, body]).toEqual([200, ''])
      expect(headers.get('cache-control')).toBe('no-store')
      expect(await isActive(token)).toBe(false)
    }
  })

  test('revokes with a wrong or unknown token_type_hint all the same', async () => {
    for (const token_type_hint of ['refresh_token', 'nonsense']) {
      const { token } = await delegateOnce(server)
      const { status } = await server.post(
        '/revoke',
        { token, token_type_hint },
        { Authorization: basic('researcher') },
      )
      expect([status, await isActive(token)]).toEqual([200, false])
    }
  })

  test('takes back what it has handed off, accepted or not', async () => {
    const { handOff, token } = await delegateOnce(server)
    expect((await server.revoke('orchestrator', handOff.body.access_token)).status).toBe(200)
    expect(await isActive(token)).toBe(false)
    expect((await server.exchange('researcher', handOff.body.access_token)).status).toBe(400)
  })

  test('revokes every token of the delegation, not only the one it shows', async () => {
    const { handOff, token } = await delegateOnce(server)
    const again = await server.exchange('researcher', handOff.body.access_token)
    await server.revoke('researcher', token)
    expect(await isActive(again.body.access_token)).toBe(false)
  })

  test.each(['orchestrator', 'scraper', 'docs-server', 'globex-agent'])(
    'cannot revoke the token of another: %s',
    async (clientId) => {
      const { token } = await delegateOnce(server)
      const { status, body } = await server.revoke(clientId, token)
      // RFC 7009 §2.2: as for a token that there is not.
      expect([status, body]).toEqual([200, ''])
      expect(server.log.at(-1)).toContain('"why":"foreign_token"')
      expect(await isActive(token)).toBe(true)
    },
  )

  test('that does not authenticate revokes nothing', async () => {
    const { token } = await delegateOnce(server)
    const wrong = { Authorization: basic('researcher', secretOf('scraper')) }
    for (const headers of [{}, wrong, { Authorization: `Bearer ${token}` }]) {
      const { status, body } = await server.post<Record<string, string>>(
        '/revoke',
        { token },
        headers as Record<string, string>,
      )
      expect([status, body.error]).toEqual([401, 'invalid_client'])
    }
    expect(await isActive(token)).toBe(true)
  })

  test('without a token, or with two, is refused', async () => {
    for (const token of ['', [], ['one', 'two']]) {
      const { status, body } = await server.post<Record<string, string>>(
        '/revoke',
        { token },
        { Authorization: basic('researcher') },
      )
      expect([status, body.error]).toEqual([400, 'invalid_request'])
    }
  })
})

describe('a token that is no token of ours', () => {
  test.each(['garbage', 'a.b.c', 'x'.repeat(20_000)])(
    'is answered 200 (garbage of kind %#)',
    async (token) => {
      expect((await server.revoke('researcher', token)).status).toBe(200)
    },
  )

  test('is answered 200 and revokes nothing, whatever delegation it names', async () => {
    const { token } = await delegateOnce(server)
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    for (const other of [
      jws(decodeHeader(token), decode(token), es256(privateKey)),
      resign(server, token, {}, 'JWT'),
      resign(server, token, { exp: server.clock.seconds() }),
      resign(server, token, { agent_lineage: undefined }),
      resign(server, token, { agent_lineage: ['dlg_unknown'] }),
    ]) {
      expect((await server.revoke('researcher', other)).status).toBe(200)
    }
    expect(await isActive(token)).toBe(true)
  })
})

describe('what was revoked', () => {
  test('dies with its subtree, and its siblings live', async () => {
    const { subject, token } = await delegateOnce(server)
    const sibling = await delegateOnce(server, {}, 'orchestrator', 'researcher', subject)
    const children = await Promise.all(
      [1, 2, 3].map(() => delegateOnce(server, {}, 'researcher', 'scraper', token)),
    )
    const grandchild = await server.exchange('scraper', children[0]?.token ?? '')
    await server.revoke('researcher', token)
    const below = [...children.map((child) => child.token), grandchild.body.access_token]
    expect(await Promise.all(below.map(isActive))).toEqual([false, false, false, false])
    expect(await Promise.all([subject, sibling.token].map(isActive))).toEqual([true, true])
  })

  test('is one row, whatever hangs below', async () => {
    const { subject, token } = await delegateOnce(server)
    await delegateOnce(server, {}, 'researcher', 'scraper', token)
    await server.revoke('orchestrator', subject)
    const rows = await server.database.read(
      `select delegation_id, cause from revocations where delegation_id in ($1, $2)`,
      [leafOf(subject), leafOf(token)],
    )
    expect(rows).toEqual([{ delegation_id: leafOf(subject), cause: 'token_revoked' }])
  })

  test('as a root gives way to a new one, and the budget is not refilled', async () => {
    const own = async () => (await server.clientCredentials('loner', { resource: docs })).body
    const reserve = async (token: string, amount_usd: string) =>
      server.ledger('docs-server', '/reservations', { token, amount_usd, action: 'docs.read' })
    const first = (await own()).access_token
    const { body } = await reserve(first, '30')
    await server.ledger('docs-server', `/reservations/${body.id}/settle`, { amount_usd: '30' })
    await reserve(first, '15')
    await server.revoke('loner', first)

    const second = (await own()).access_token
    expect(leafOf(second)).not.toBe(leafOf(first))
    expect([await isActive(first), await isActive(second)]).toEqual([false, true])
    const refused = await reserve(second, '5.000001')
    expect(refused.status).toBe(402)
    expect(refused.body).toMatchObject({ remaining: '5', limited_by: 'agent:loner' })
    expect((await reserve(second, '5')).status).toBe(201)
  })

  test('stays revoked when the server is started again', async () => {
    const { token } = await delegateOnce(server)
    await server.revoke('researcher', token)
    const restarted = await openTestServer({ database: server.database, clock: server.clock })
    expect((await restarted.introspect('docs-server', token)).body).toEqual({ active: false })
  })
})
