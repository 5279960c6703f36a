/** Limits that several servers share by a real Redis, and what holds when it goes. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type RedisServer, startRedis, withoutRedis } from '../../../scripts/redis.mjs'
import type { Counter } from '../src/rate-limits/counters.js'
import { openRedisCounters } from '../src/rate-limits/redis-counters.js'
import { baseConfig, basic, createClock, openTestServer, type TestServer } from './harness.js'

const config = {
  ...baseConfig,
  rate_limits: {
    client_requests_per_minute: { token: 10 },
    failed_authentications_per_minute: { client_and_address: 4 },
  },
}

/** Between a server and Redis. What is lost stays open on both sides, and carries nothing any more. */
const openWire = async (port: number) => {
  const ends: Socket[] = []
  const wire = createServer((socket) => {
    const other = connect(port, '127.0.0.1')
    for (const end of [socket, other]) ends.push(end.on('error', () => {}))
    socket.pipe(other).pipe(socket)
  })
  await new Promise<void>((resolve) => wire.listen(0, '127.0.0.1', resolve))
  return {
    url: `redis://127.0.0.1:${(wire.address() as AddressInfo).port}`,
    lose: (): void => {
      for (const end of ends) end.unpipe().pause()
    },
    close: (): void => {
      for (const end of ends) end.destroy()
      wire.close()
    },
  }
}

/** Nobody waits for Redis longer than this, in milliseconds, on a busy machine too. */
const patienceMs = 5_000

const openLog = () => {
  const lines: string[] = []
  return { lines, log: pino({ level: 'info' }, { write: (line: string) => lines.push(line) }) }
}

const until = async (isSo: () => boolean): Promise<void> => {
  const end = performance.now() + 20_000
  while (!isSo()) {
    if (performance.now() > end) throw new Error('it did not come')
    await sleep(20)
  }
}

const times = <T>(n: number, run: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: n }, (_, index) => run(index)))

const aboutRedis = (lines: readonly string[]): string[] =>
  lines.filter((line) => line.includes('Redis')).map((line) => JSON.parse(line).msg)

/** Whoever counts finds out. */
const countUntilBack = async (lines: readonly string[], counter: Counter): Promise<void> => {
  for (let n = 0; aboutRedis(lines).length < 2 && n < 400; n += 1) {
    await counter.count(`somebody-${n}`)
    await sleep(20)
  }
  expect(aboutRedis(lines)).toEqual([awayLine, backLine])
}

const awayLine = 'Redis does not count: each server limits by itself'
const backLine = 'Redis counts again'

describe.skipIf(withoutRedis)('with a real Redis', () => {
  let redis: RedisServer
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis?.stop())

  let one: TestServer
  let two: TestServer
  beforeAll(async () => {
    const clock = createClock()
    one = await openTestServer({ config, clock, redisUrl: redis.url })
    two = await openTestServer({ config, clock, redisUrl: redis.url })
  })
  afterAll(async () => {
    await two?.close()
    await one?.close()
  })
  const either = (n: number): TestServer => (n % 2 === 0 ? one : two)

  const openCounter = async (limit: number, url = redis.url) => {
    const { lines, log } = openLog()
    const counters = await openRedisCounters({ url, log })
    onTestFinished(() => counters.close())
    return { lines, counter: counters.under('https://as.example')(`limit-${limit}`, limit) }
  }

  test('two servers share a count, and of those that come at once exactly so many pass', async () => {
    const answers = await times(40, (n) => either(n).clientCredentials('orchestrator'))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(10)
    const refused = answers.filter(({ status }) => status === 429)
    expect(refused).toHaveLength(30)
    expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(refused[0]?.headers.get('ratelimit-policy')).toBe('"token-per-client";q=10;w=60')
    for (const server of [one, two]) {
      expect((await server.clientCredentials('orchestrator')).status).toBe(429)
      expect((await server.clientCredentials('researcher')).status).toBe(200)
    }
  })

  test('wrong secrets count over both, and lock nobody out elsewhere', async () => {
    const guess = (n: number) =>
      either(n).post(
        '/token',
        { grant_type: 'client_credentials' },
        { Authorization: basic('scraper', 'a wrong secret of 32 characters.') },
        '203.0.113.1',
      )
    const answers = await times(20, guess)
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(4)
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(16)
    expect((await two.clientCredentials('scraper')).status).toBe(200)
  })

  test('neither clients nor addresses are written down there', async () => {
    const { createClient } = await import('@redis/client')
    const client = await createClient({ url: redis.url }).connect()
    onTestFinished(() => client.close())
    const keys = await client.keys('*')
    expect(keys.length).toBeGreaterThan(0)
    expect(keys.every((key) => key.startsWith('behalf:http://127.0.0.1:4000:'))).toBe(true)
    expect(keys.join()).not.toMatch(/orchestrator|scraper|203\.0\.113/)
    const left = await Promise.all(keys.map((key) => client.ttl(key)))
    expect(left.every((seconds) => seconds > 0 && seconds <= 60)).toBe(true)
  })

  test('is asked no more about who has had too much', async () => {
    const { counter } = await openCounter(2)
    for (let n = 0; n < 20; n += 1) await counter.count('x')
    const { createClient } = await import('@redis/client')
    const client = await createClient({ url: redis.url }).connect()
    onTestFinished(() => client.close())
    const keys = await client.keys('behalf:https://as.example:limit-2:*')
    expect(await Promise.all(keys.map((key) => client.get(key)))).toEqual(['3'])
  })

  test('a connection that was lost without a word is given up', async () => {
    const { url, lose, close } = await openWire(redis.port)
    onTestFinished(close)
    const { lines, counter } = await openCounter(1, url)
    expect(await counter.count('x')).toBeUndefined()
    lose()
    // Of its own now: it begins anew.
    expect(await counter.count('x')).toBeUndefined()
    expect(aboutRedis(lines)).toEqual([awayLine])
    await countUntilBack(lines, counter)
    expect(await counter.count('x')).toBeGreaterThan(0)
  })

  test('issuers that share a Redis share no count', async () => {
    const { log } = openLog()
    const counters = await openRedisCounters({ url: redis.url, log })
    onTestFinished(() => counters.close())
    const [a, b] = ['https://a.example', 'https://b.example'].map((issuer) =>
      counters.under(issuer)('shared-name', 1),
    )
    expect([await a?.count('x'), await b?.count('x')]).toEqual([undefined, undefined])
    expect(await a?.count('x')).toBeGreaterThan(0)
  })

  test('one that hangs keeps nobody waiting, and counts again when it is back', async () => {
    const { lines, counter } = await openCounter(3)
    expect(await counter.count('x')).toBeUndefined()
    redis.pause()
    try {
      const begun = performance.now()
      // By itself now, and not without end: the server's own count starts here.
      const waits = await times(5, () => counter.count('x'))
      expect(waits.filter((wait) => wait === undefined)).toHaveLength(3)
      expect(performance.now() - begun).toBeLessThan(patienceMs)
    } finally {
      redis.resume()
    }
    expect(aboutRedis(lines)).toEqual([awayLine])
    await countUntilBack(lines, counter)
  })

  test('one that dies in the middle of requests fails none of them, and is used again', async () => {
    const running = times(300, async (n) => {
      await sleep(n)
      return either(n).clientCredentials('cc-only')
    })
    await sleep(100)
    await redis.stop()
    const answers = await running
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 429]))
    // What was left of Redis' count, and then each server's own.
    const passed = answers.filter(({ status }) => status === 200).length
    expect(passed).toBeGreaterThanOrEqual(10)
    expect(passed).toBeLessThanOrEqual(30)
    await until(() => aboutRedis(one.log).length > 0 && aboutRedis(two.log).length > 0)
    expect((await one.request('/readyz')).status).toBe(200)
    await redis.restart()
    const poll = async (n: number) => void (await either(n).introspect('docs-server', 'x'))
    for (let n = 0; aboutRedis(two.log).length < 2 && n < 400; n += 1) {
      await times(2, poll)
      await sleep(20)
    }
    expect(aboutRedis(one.log)).toEqual([awayLine, backLine])
    expect(aboutRedis(two.log)).toEqual([awayLine, backLine])
  })

  test('one that is not there yet is waited for, and limits hold meanwhile', async () => {
    await redis.stop()
    const { lines, counter } = await openCounter(2)
    const waits = await times(5, () => counter.count('x'))
    expect(waits.filter((wait) => wait === undefined)).toHaveLength(2)
    expect(aboutRedis(lines)).toEqual([awayLine])
    await redis.restart()
    await countUntilBack(lines, counter)
  })
})

describe.skipIf(withoutRedis)('a Redis with a password', () => {
  const password = 'a%20password-of-redis'
  let redis: RedisServer
  beforeAll(async () => {
    redis = await startRedis({ flags: ['--requirepass', decodeURIComponent(password)] })
  })
  afterAll(() => redis?.stop())
  const urlWith = (credentials: string): string => `redis://${credentials}127.0.0.1:${redis.port}`

  test('is used with it', async () => {
    const { log, lines } = openLog()
    const counters = await openRedisCounters({ url: urlWith(`:${password}@`), log })
    onTestFinished(() => counters.close())
    expect(await counters.under('https://as.example')('any', 1).count('x')).toBeUndefined()
    expect(lines).toEqual([])
  })

  test.each(['', ':wrong-password@', 'nobody:wrong-password@'])(
    'refuses to start with "%s", and does not say what was tried',
    async (credentials) => {
      const { log, lines } = openLog()
      const opening = openRedisCounters({ url: urlWith(credentials), log })
      await expect(opening).rejects.toThrow(
        'REDIS_URL: Redis refuses the user name or the password',
      )
      expect(lines.join()).not.toContain('wrong-password')
    },
  )

  test('that is changed later stops nobody', async () => {
    const { log, lines } = openLog()
    const counters = await openRedisCounters({ url: urlWith(`:${password}@`), log })
    onTestFinished(() => counters.close())
    const counter = counters.under('https://as.example')('later', 2)
    expect(await counter.count('x')).toBeUndefined()
    const { createClient } = await import('@redis/client')
    const admin = await createClient({ url: urlWith(`:${password}@`) }).connect()
    await admin.configSet('requirepass', 'another')
    await admin.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'])
    admin.destroy()
    await until(() => lines.length > 0)
    const waits = await times(4, () => counter.count('x'))
    expect(waits.filter((wait) => wait === undefined)).toHaveLength(2)
    expect(aboutRedis(lines)).toEqual([awayLine])
    expect(lines.join()).not.toContain('a password-of-redis')
  })
})
