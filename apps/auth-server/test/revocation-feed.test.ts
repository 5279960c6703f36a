/** The signed feed of revocations: a follower learns of every one, in order, and soon. */
import { revocationFeedType } from '@behalf/protocol'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { revokeStandingOf } from '../src/store/revocations.js'
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
  after?: string
  iss: string
  iat: number
  cursor: string
  ttl: number
  revoked: { id: string; exp: number }[]
  full: boolean
}

const get = (from: TestServer, after?: string) =>
  from.request(`/revocations${after === undefined ? '' : `?after=${after}`}`)

const read = async (after?: string, from = server): Promise<Feed> => verify(await get(from, after))

/** Verified as a stranger would, with a stock library. */
const verify = async (response: Response): Promise<Feed> => {
  expect(response.status).toBe(200)
  const keys = createLocalJWKSet(server.deps.keys.jwks() as never)
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
    expect(response.headers.get('cdn-cache-control')).toBe('max-age=1')
    const waited = await server.request('/revocations?wait=1')
    expect(waited.headers.get('cdn-cache-control')).toBe('no-store')
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

describe('a cache', () => {
  const ask = (after: string | undefined, etag?: string) =>
    server.request(`/revocations${after === undefined ? '' : `?after=${after}`}`, {
      headers: etag === undefined ? {} : { 'If-None-Match': etag },
    })

  test.each(['the whole', 'a delta'])(
    'of %s is told that nothing is new, until it is',
    async (what) => {
      await revokeOne()
      const after = what === 'the whole' ? undefined : (await read()).cursor
      const first = await ask(after)
      const etag = first.headers.get('etag') ?? ''
      expect(etag).toMatch(/^W\/".+"$/)
      const same = await ask(after, etag)
      expect([same.status, await same.text(), same.headers.get('etag')]).toEqual([304, '', etag])
      expect(same.headers.get('cache-control')).toBe('no-store')
      expect(same.headers.get('access-control-allow-origin')).toBe('*')
      // What it keeps grows old, and says so: it has to come for another one.
      servers.clock.advance(1)
      expect((await ask(after, etag)).status).toBe(200)
      const id = await revokeOne()
      const changed = await ask(after, etag)
      expect(changed.headers.get('etag')).not.toBe(etag)
      expect(idsOf(await verify(changed))).toContain(id)
    },
  )

  test('of the whole does not pass for one of a delta, nor of another delta', async () => {
    await revokeOne()
    const { cursor } = await read()
    const etags = new Set<string | null>()
    for (const after of [undefined, '0', cursor]) {
      etags.add((await ask(after)).headers.get('etag'))
    }
    expect(etags.size).toBe(3)
  })
})

describe('a delta', () => {
  test('says which question it answers; the whole list answers none', async () => {
    await revokeOne()
    const { cursor, ...whole } = await read()
    expect(whole).not.toHaveProperty('after')
    expect(await read('0')).toMatchObject({ after: '0', full: false })
    expect(await read(cursor)).toMatchObject({ after: cursor, full: false, cursor })
    expect(await read('999999999999999999')).not.toHaveProperty('after')
  })
})

describe('who waits', () => {
  const wait = (from: TestServer, after: string, seconds: number | string) =>
    from.request(`/revocations?after=${after}&wait=${seconds}`)

  test('is answered as soon as something is revoked through another server', async () => {
    const { cursor } = await read()
    const { token } = await delegateOnce(server)
    const began = performance.now()
    const waiting = wait(servers.one, cursor, 5)
    await servers.two.revoke('researcher', token)
    const feed = await verify(await waiting)
    expect(performance.now() - began).toBeLessThan(4000)
    expect(feed).toMatchObject({ after: cursor, full: false })
    expect(idsOf(feed)).toEqual([leafOf(token)])
  })

  test('is one of many, and all are answered by the same revocation', async () => {
    const { cursor } = await read()
    const { token } = await delegateOnce(server)
    const waiting = Array.from({ length: 100 }, (_, index) =>
      wait(index % 2 ? servers.one : servers.two, cursor, 5),
    )
    await servers.one.revoke('researcher', token)
    for (const response of await Promise.all(waiting)) {
      expect(idsOf(await verify(response))).toEqual([leafOf(token)])
    }
  })

  test('is told after its time that there is nothing, freshly signed', async () => {
    const { cursor } = await read()
    const began = performance.now()
    const response = await wait(server, cursor, 1)
    expect(performance.now() - began).toBeGreaterThan(900)
    expect(await verify(response)).toMatchObject({ after: cursor, cursor, revoked: [] })
  })

  test('for longer than the list may grow old is answered in time all the same', async () => {
    const { cursor } = await read()
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      let waited = 0
      let answer: Response | undefined
      wait(server, cursor, 9999).then((response) => {
        answer = response
      })
      while (!answer && waited < 20_000) {
        await server.database.read('select 1', [])
        await vi.advanceTimersByTimeAsync(100)
        waited += 100
      }
      // On a busy machine the answer comes a few turns after its time.
      expect(answer).toBeDefined()
      expect(waited).toBeGreaterThan(4000)
    } finally {
      vi.useRealTimers()
    }
  })

  test('does not wait for what is there already, nor for the whole list', async () => {
    const { cursor } = await read()
    const id = await revokeOne()
    const began = performance.now()
    expect(idsOf(await verify(await wait(server, cursor, 5)))).toEqual([id])
    expect((await verify(await server.request('/revocations?wait=5'))).full).toBe(true)
    expect((await verify(await wait(server, '999999999999999999', 5))).full).toBe(true)
    expect((await verify(await wait(server, (await read()).cursor, 0))).revoked).toEqual([])
    expect(performance.now() - began).toBeLessThan(4000)
  })

  test.each(['', '-1', '1.5', 'x', '1e1', '0x1', '10000', '%20', '1s'])(
    'for what is no time is refused: "%s"',
    async (seconds) => {
      const response = await wait(server, '0', seconds)
      expect([response.status, (await response.json()).error_detail]).toEqual([
        400,
        'malformed_wait',
      ])
    },
  )
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
        const target = { delegation_id: leafOf(first.token) }
        await revokeStandingOf(open, target, undefined, 'test', servers.clock.now())
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
