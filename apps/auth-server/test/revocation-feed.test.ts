/** The signed feed of revocations: a follower learns of every one, in order, and soon. */
import { revocationFeedType } from '@behalf/protocol'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { revokeDelegations } from '../src/store/revocations.js'
import { decode, delegateOnce, issuer, type TestServer } from './harness.js'
import { openTwoServers, type TwoServers } from './two-servers.js'

let servers: TwoServers
let server: TestServer
beforeAll(async () => {
  servers = await openTwoServers()
  server = servers.one
})
afterAll(() => servers.close())

interface Feed {
  iss: string
  iat: number
  cursor: string
  ttl: number
  revoked: { id: string; exp: number }[]
  full: boolean
}

const get = (from: TestServer, after?: string) =>
  from.request(`/revocations${after === undefined ? '' : `?after=${after}`}`)

/** Verified as a stranger would, with a stock library. */
const read = async (after?: string, from = server): Promise<Feed> => {
  const response = await get(from, after)
  expect(response.status).toBe(200)
  const keys = createLocalJWKSet(from.deps.keys.jwks() as never)
  const { payload } = await jwtVerify(await response.text(), keys, {
    issuer,
    typ: revocationFeedType,
    algorithms: ['ES256'],
    currentDate: servers.clock.now(),
  })
  return payload as unknown as Feed
}

const leafOf = (token: string): string => (decode(token).agent_lineage as string[]).at(-1) ?? ''
const idsOf = ({ revoked }: Feed): string[] => revoked.map(({ id }) => id)

/** Makes a delegation and revokes it. */
const revokeOne = async (): Promise<string> => {
  const { token } = await delegateOnce(server)
  await server.revoke('researcher', token)
  return leafOf(token)
}

describe('the feed', () => {
  test('is a signed JWT of its own type, for anybody, that nobody keeps', async () => {
    const id = await revokeOne()
    const response = await get(server)
    expect(response.headers.get('content-type')).toBe('application/jwt')
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
    const feed = await read()
    const now = servers.clock.seconds()
    expect(feed).toEqual({
      iss: issuer,
      iat: now,
      cursor: expect.stringMatching(/^[1-9][0-9]*$/),
      ttl: 10,
      revoked: expect.arrayContaining([{ id, exp: now + 1020 }]),
      full: true,
    })
  })

  test('is no access token', async () => {
    const token = await (await get(server)).text()
    expect((await server.introspect('docs-server', token)).body).toEqual({ active: false })
    expect((await server.exchange('orchestrator', token)).status).toBe(400)
  })

  test('after a cursor holds what came later, and only that', async () => {
    const before = await revokeOne()
    const { cursor } = await read()
    expect(await read(cursor)).toMatchObject({ cursor, revoked: [], full: false })
    const later = [await revokeOne(), await revokeOne()]
    const delta = await read(cursor)
    expect(delta).toMatchObject({ full: false })
    expect(idsOf(delta)).toEqual(later)
    expect(BigInt(delta.cursor)).toBeGreaterThan(BigInt(cursor))
    expect(idsOf(await read())).toEqual(expect.arrayContaining([before, ...later]))
  })

  test('after a cursor that it never gave out starts over, so that nothing is missed', async () => {
    const id = await revokeOne()
    const { cursor } = await read()
    const feed = await read((BigInt(cursor) + 1n).toString())
    expect(feed).toMatchObject({ full: true, cursor })
    expect(idsOf(feed)).toContain(id)
    expect((await read('999999999999999999')).full).toBe(true)
  })

  test('from the beginning is a delta like any other', async () => {
    const feed = await read('0')
    expect(feed.full).toBe(false)
    expect(idsOf(feed)).toEqual(idsOf(await read()))
  })

  test.each(['', '-1', '01', '1.5', '1e3', 'abc', '0x1', '9223372036854775808', '%20', "1'--"])(
    'refuses what cannot be a cursor: "%s"',
    async (after) => {
      const response = await get(server, after)
      expect([response.status, (await response.json()).error]).toEqual([400, 'invalid_request'])
    },
  )

  test('says each revocation once, however often it is asked for', async () => {
    const { token } = await delegateOnce(server)
    const { cursor } = await read()
    await Promise.all(
      [servers.one, servers.two, servers.one].map((each) => each.revoke('researcher', token)),
    )
    expect(idsOf(await read(cursor))).toEqual([leafOf(token)])
  })

  test('drops an entry when nothing it kills can be alive, and keeps its cursor', async () => {
    const { subject, token } = await delegateOnce(server)
    await server.revoke('researcher', token)
    const { cursor, revoked } = await read()
    const entry = revoked.find(({ id }) => id === leafOf(token))
    expect(entry?.exp).toBeGreaterThan(Number(decode(subject).exp))
    servers.clock.advance(1019)
    expect(idsOf(await read())).toContain(leafOf(token))
    servers.clock.advance(1)
    expect(await read()).toMatchObject({ cursor, revoked: [], full: true })
    expect(await read('0')).toMatchObject({ cursor, revoked: [], full: false })
  })
})

describe('a follower', () => {
  test('misses none of a hundred revocations on two servers, polling while they happen', async () => {
    const { subject } = await delegateOnce(server)
    const tokens: string[] = []
    for (let made = 0; made < 100; made += 10) {
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => server.exchange('orchestrator', subject)),
      )
      tokens.push(...answers.map(({ body }) => body.access_token))
    }
    let { cursor } = await read()
    const seen: string[] = []
    const poll = async (from: TestServer): Promise<void> => {
      const delta = await read(cursor, from)
      expect(delta.full).toBe(false)
      cursor = delta.cursor
      seen.push(...idsOf(delta))
    }
    let running = true
    // Twenty at a time, so that polls come in between on one connection too.
    const worker = async (at: number): Promise<void> => {
      for (const token of tokens.slice(at * 5, at * 5 + 5)) {
        await (at % 2 === 0 ? servers.one : servers.two).revoke('orchestrator', token)
      }
    }
    const workers = Array.from({ length: 20 }, (_, at) => worker(at))
    const revoking = Promise.all(workers).finally(() => {
      running = false
    })
    let polls = 0
    while (running) {
      await poll(polls % 2 === 0 ? servers.two : servers.one)
      polls += 1
    }
    await revoking
    await poll(servers.one)
    expect(polls).toBeGreaterThan(1)
    expect(seen.toSorted()).toEqual(tokens.map(leafOf).toSorted())
  }, 60_000)

  // PGlite has one connection, on which a transaction lets nobody in between.
  test.skipIf(!inject('postgresUrl'))(
    'never sees a later cursor before an earlier one has committed',
    async () => {
      const first = await delegateOnce(server)
      const second = await delegateOnce(server)
      const { cursor } = await read()
      const { between, done } = await servers.two.database.drizzle.transaction(async (open) => {
        await revokeDelegations(open, [leafOf(first.token)], 'test', servers.clock.now())
        let settled = false
        const done = servers.one.revoke('researcher', second.token).finally(() => {
          settled = true
        })
        const waits = 'select from pg_locks where not granted'
        while (!settled && (await servers.one.database.read(waits, [])).length === 0);
        return { between: await read(cursor), done }
      })
      await done
      const after = await read(between.cursor)
      expect([...idsOf(between), ...idsOf(after)]).toEqual(
        [first, second].map((one) => leafOf(one.token)),
      )
    },
  )
})
