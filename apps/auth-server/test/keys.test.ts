/** Signing keys: made, sealed, published, rotated and withdrawn. RFC 7515, RFC 7517, RFC 7638. */
import { createPrivateKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import { type SigningAlgorithm, signingAlgorithms } from '@behalf/protocol'
import fc from 'fast-check'
import {
  calculateJwkThumbprint,
  createLocalJWKSet,
  decodeProtectedHeader,
  type JSONWebKeySet,
  jwtVerify,
} from 'jose'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { createApp } from '../src/app.js'
import type { Deps } from '../src/deps.js'
import { derToRaw, rawToDer } from '../src/jws-signature.js'
import {
  activeKey,
  jwksMaxAgeSeconds,
  nextActivation,
  publishAheadSeconds,
  publishedKeys,
  rotationSeconds,
  type TimedKey,
} from '../src/key-timeline.js'
import { type Keys, openKeys } from '../src/keys.js'
import { startMaintenance } from '../src/maintenance.js'
import { createSeal } from '../src/seal.js'
import { signingKeys } from '../src/store/schema.js'
import {
  basic,
  createClock,
  docs,
  issuer,
  openTestServer,
  serverSecret,
  type TestServer,
  type TokenBody,
} from './harness.js'

const days = 24 * 3600

let server: TestServer
beforeAll(async () => {
  server = await openTestServer()
})
afterAll(() => server.close())

const rows = () => server.database.drizzle.select().from(signingKeys)

const maxTokenLifetimeSeconds = 900

/** A key store of its own clock, on the database of the file. */
const open = (alg: SigningAlgorithm, clock = createClock(), secret = serverSecret) =>
  openKeys({
    store: server.deps.store.signingKeys,
    seal: createSeal(secret),
    alg,
    maxTokenLifetimeSeconds,
    now: clock.now,
  })

const openFresh = async (alg: SigningAlgorithm, clock = createClock()): Promise<Keys> => {
  await server.database.drizzle.delete(signingKeys)
  return open(alg, clock)
}

const kids = (keys: Keys): string[] => keys.jwks().keys.map(({ kid }) => String(kid))
const signingKid = (keys: Keys) => decodeProtectedHeader(keys.sign('at+jwt', {})).kid
const keySet = (keys: Keys) => createLocalJWKSet(keys.jwks() as unknown as JSONWebKeySet)

const tokenWith = async (keys: Keys, clock = server.clock): Promise<string> => {
  const app = createApp({ ...server.deps, keys, now: clock.now })
  const response = await app.request(`${issuer}/token`, {
    method: 'POST',
    headers: { Authorization: basic('loner') },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  })
  return ((await response.json()) as TokenBody).access_token
}

describe('the timeline', () => {
  interface MadeKey extends TimedKey {
    createdAt: Date
  }
  const after = (date: Date, seconds: number): Date => new Date(date.getTime() + seconds * 1000)

  /** A server that looks at its keys at these moments, configured with these algorithms. */
  const history = fc.array(
    fc.record({
      wait: fc.oneof(fc.integer({ min: 0, max: 2000 }), fc.integer({ min: 0, max: 200 * days })),
      alg: fc.oneof(
        { weight: 6, arbitrary: fc.constant<SigningAlgorithm>('ES256') },
        { weight: 1, arbitrary: fc.constantFrom(...signingAlgorithms) },
      ),
    }),
    { minLength: 1, maxLength: 30 },
  )

  const replay = (
    steps: { wait: number; alg: SigningAlgorithm }[],
    look: (keys: MadeKey[], now: Date) => void,
  ): MadeKey[] => {
    const keys: MadeKey[] = []
    let now = new Date('2026-01-01T00:00:00Z')
    for (const { wait, alg } of steps) {
      now = after(now, wait)
      const activeFrom = nextActivation(keys, alg, now)
      if (activeFrom) keys.push({ kid: `${keys.length}`, alg, activeFrom, createdAt: now })
      look(keys, now)
    }
    return keys
  }

  test('no key but the first is used before it was published for its time', () => {
    expect(publishAheadSeconds).toBeGreaterThanOrEqual(jwksMaxAgeSeconds)
    fc.assert(
      fc.property(history, (steps) => {
        replay(steps, (keys, now) => {
          const active = activeKey(keys, now)
          const age = now.getTime() - (active?.createdAt.getTime() ?? 0)
          if (active !== keys[0]) expect(age).toBeGreaterThanOrEqual(publishAheadSeconds * 1000)
        })
      }),
    )
  })

  test('what is signed now can be verified until it expires, whatever happens to the keys', () => {
    fc.assert(
      fc.property(history, (steps) => {
        const signed: { kid: string | undefined; at: Date }[] = []
        const keys = replay(steps, (present, now) => {
          const kid = activeKey(present, now)?.kid
          expect(
            publishedKeys(present, now, maxTokenLifetimeSeconds).map((key) => key.kid),
          ).toContain(kid)
          signed.push({ kid, at: now })
        })
        for (const { kid, at } of signed) {
          const published = publishedKeys(
            keys,
            after(at, maxTokenLifetimeSeconds),
            maxTokenLifetimeSeconds,
          )
          expect(published.map((key) => key.kid)).toContain(kid)
        }
      }),
    )
  })

  test('a key is published before it is used, and no longer for ever', () => {
    fc.assert(
      fc.property(history, (steps) => {
        replay(steps, (keys, now) => {
          const published = publishedKeys(keys, now, maxTokenLifetimeSeconds)
          for (const key of keys) if (key.activeFrom >= now) expect(published).toContain(key)
          const later = publishedKeys(keys, after(now, 2 * days), maxTokenLifetimeSeconds)
          expect(later).toEqual([keys.toSorted((a, b) => +a.activeFrom - +b.activeFrom).at(-1)])
        })
      }),
    )
  })

  test('a new key is due when there is none, when it is time, and for another algorithm', () => {
    const now = new Date('2026-01-01T00:00:00Z')
    const key = (alg: SigningAlgorithm, activeFrom: Date): TimedKey => ({
      kid: 'k',
      alg,
      activeFrom,
    })
    const soon = after(now, publishAheadSeconds)
    expect(nextActivation([], 'ES256', now)).toEqual(now)
    expect(nextActivation([key('ES256', now)], 'ES256', now)).toBeUndefined()
    expect(nextActivation([key('ES256', now)], 'EdDSA', now)).toEqual(soon)
    const old = after(now, -rotationSeconds + publishAheadSeconds)
    expect(nextActivation([key('ES256', after(old, 1))], 'ES256', now)).toBeUndefined()
    expect(nextActivation([key('ES256', old)], 'ES256', now)).toEqual(soon)
  })
})

describe.each(signingAlgorithms)('%s', (alg) => {
  test('is what a stock JWT library verifies with the published keys', async () => {
    const keys = await openFresh(alg)
    const token = await tokenWith(keys)
    const { payload, protectedHeader } = await jwtVerify(token, keySet(keys), {
      issuer,
      audience: docs,
      typ: 'at+jwt',
      algorithms: [alg],
      currentDate: server.clock.now(),
    })
    expect(payload.sub).toBe('loner')
    expect(protectedHeader).toEqual({ alg, typ: 'at+jwt', kid: signingKid(keys) })
  })

  test('is published with the thumbprint of RFC 7638 as kid and without any private member', async () => {
    const [jwk] = (await openFresh(alg)).jwks().keys
    expect(jwk).toMatchObject({ alg, use: 'sig', kid: await calculateJwkThumbprint(jwk ?? {}) })
    for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'oth']) {
      expect(jwk).not.toHaveProperty(member)
    }
  })

  test('is sealed at rest: the table holds no PEM and no private number', async () => {
    await openFresh(alg)
    const [row] = await rows()
    const pem = createSeal(serverSecret).open(row?.privateKeySealed ?? '', row?.kid ?? '')
    const { d } = createPrivateKey(pem).export({ format: 'jwk' })
    const bytes = Buffer.from(String(d), 'base64url')
    const stored = JSON.stringify(row)
    expect(stored).not.toContain('PRIVATE KEY')
    for (const encoding of ['base64url', 'base64', 'hex', 'latin1'] as const) {
      expect(stored).not.toContain(bytes.toString(encoding).slice(0, 20))
    }
  })
})

describe('the signature of ES256', () => {
  test('gets through both conversions, leading zeros too, five thousand times', () => {
    const zeros = fc.oneof(fc.constantFrom(0, 1, 31, 32), fc.integer({ min: 0, max: 32 }))
    const coordinate = fc
      .tuple(fc.uint8Array({ minLength: 32, maxLength: 32 }), zeros)
      .map(([bytes, count]) => Buffer.concat([Buffer.alloc(count), bytes]).subarray(0, 32))
    fc.assert(
      fc.property(coordinate, coordinate, (r, s) => {
        const raw = Buffer.concat([r, s])
        const der = rawToDer(raw)
        expect(der && derToRaw(der).equals(raw)).toBe(true)
      }),
      { numRuns: 5000 },
    )
  })

  test('is the one that OpenSSL makes and takes in the other form', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const key = { key: publicKey, dsaEncoding: 'ieee-p1363' as const }
    for (let turn = 0; turn < 300; turn += 1) {
      const data = Buffer.from(`turn ${turn}`)
      const der = sign('sha256', data, privateKey)
      expect(rawToDer(derToRaw(der))).toEqual(der)
      expect(verify('sha256', data, key, derToRaw(der))).toBe(true)
      const raw = sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' })
      expect(verify('sha256', data, publicKey, rawToDer(raw) ?? Buffer.alloc(0))).toBe(true)
    }
  })

  test.each([0, 1, 63, 65, 72, 128])('of %d bytes is none', (length) => {
    expect(rawToDer(Buffer.alloc(length, 1))).toBeUndefined()
  })
})

describe('the seal', () => {
  const seal = createSeal(serverSecret)

  test('opens only under its own secret and name, and untouched', () => {
    const sealed = seal.seal('text', 'kid')
    expect(seal.open(sealed, 'kid')).toBe('text')
    expect(() => seal.open(sealed, 'other')).toThrow()
    expect(() => createSeal(`${serverSecret}!`).open(sealed, 'kid')).toThrow()
    const bytes = Buffer.from(sealed, 'base64url')
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(() => seal.open(changed.toString('base64url'), 'kid')).toThrow()
    }
  })

  test('of the same text is never the same', () => {
    expect(seal.seal('text', 'kid')).not.toBe(seal.seal('text', 'kid'))
  })

  test('of another secret is refused in one clear line', async () => {
    await openFresh('ES256')
    const wrong = open('ES256', createClock(), 'another secret of at least 32 characters')
    await expect(wrong).rejects.toThrow(
      /^BEHALF_SECRET does not open the signing keys in this database\. .*$/,
    )
    expect(await rows()).toHaveLength(1)
  })
})

describe('rotation', () => {
  test('publishes a new key ahead, switches, and keeps the old one until its tokens have expired', async () => {
    const clock = createClock()
    const keys = await openFresh('ES256', clock)
    const old = signingKid(keys)

    clock.advance(rotationSeconds - publishAheadSeconds - 1)
    await keys.refresh()
    expect(kids(keys)).toEqual([old])

    clock.advance(1)
    await keys.refresh()
    const next = kids(keys).find((kid) => kid !== old)
    expect(kids(keys)).toHaveLength(2)
    expect(signingKid(keys)).toBe(old)

    clock.advance(publishAheadSeconds - 1)
    expect(signingKid(keys)).toBe(old)
    const last = await tokenWith(keys, clock)
    clock.advance(1)
    expect(signingKid(keys)).toBe(next)

    clock.advance(maxTokenLifetimeSeconds - 2)
    await keys.refresh()
    await jwtVerify(last, keySet(keys), { currentDate: clock.now() })
    expect(keys.find(String(old))).toBeDefined()

    clock.advance(days)
    expect(kids(keys)).toEqual([next])
    expect(keys.find(String(old))).toBeUndefined()
  })

  test('by two servers at once makes one key, which both then have', async () => {
    const clock = createClock()
    const one = await openFresh('ES256', clock)
    const other = await open('ES256', clock)
    expect(kids(other)).toEqual(kids(one))
    clock.advance(rotationSeconds)
    await Promise.all([one.refresh(), other.refresh()])
    expect(await rows()).toHaveLength(2)
    expect(kids(one).toSorted()).toEqual(kids(other).toSorted())
    clock.advance(publishAheadSeconds)
    expect(signingKid(one)).toBe(signingKid(other))
  })

  test('two servers that start at once on an empty database make one key', async () => {
    await server.database.drizzle.delete(signingKeys)
    const [one, other] = await Promise.all([open('ES256'), open('ES256')])
    expect(await rows()).toHaveLength(1)
    expect(kids(one)).toEqual(kids(other))
  })

  test('to another algorithm overlaps too', async () => {
    const clock = createClock()
    const before = await openFresh('ES256', clock)
    const token = await tokenWith(before, clock)
    const changed = await open('EdDSA', clock)
    expect(
      changed
        .jwks()
        .keys.map(({ alg }) => alg)
        .toSorted(),
    ).toEqual(['ES256', 'EdDSA'])
    expect(signingKid(changed)).toBe(signingKid(before))
    clock.advance(publishAheadSeconds - 1)
    await jwtVerify(token, keySet(changed), { currentDate: clock.now() })
    clock.advance(1)
    expect(decodeProtectedHeader(changed.sign('at+jwt', {})).alg).toBe('EdDSA')
    // The other server has heard of it in time.
    await before.refresh()
    expect(kids(before)).toContain(signingKid(changed))
  })

  test('happens on its own every minute, and again after a failure', async () => {
    vi.useFakeTimers()
    const refresh = vi.fn().mockRejectedValueOnce(new Error('away')).mockResolvedValue(undefined)
    const warn = vi.fn()
    const store = {
      budgets: {
        overdue: () => Promise.resolve({ reservations: [], leases: [], escrows: [] }),
        forgetMinutes: () => Promise.resolve(),
      },
      authorizationRequests: { forget: () => Promise.resolve() },
      retention: { forget: () => Promise.resolve({ seen: 0, gone: 0, cursor: undefined }) },
    }
    const stop = startMaintenance({
      ...server.deps,
      store,
      keys: { refresh },
      log: { warn },
    } as unknown as Deps)
    await vi.advanceTimersByTimeAsync(59_000)
    expect(refresh).toHaveBeenCalledTimes(0)
    await vi.advanceTimersByTimeAsync(62_000)
    expect(refresh).toHaveBeenCalledTimes(2)
    expect(warn).toHaveBeenCalledExactlyOnceWith(
      { task: 'refresh keys', error: 'Error' },
      'will retry',
    )
    stop()
    await vi.advanceTimersByTimeAsync(120_000)
    expect(refresh).toHaveBeenCalledTimes(2)
    vi.useRealTimers()
  })
})
