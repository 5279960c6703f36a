import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Verifier } from '../src/index.js'
import {
  createIssuer,
  encode,
  type Issuer,
  makeKey,
  refusal,
  signRaw,
  silent,
  verifierFor,
} from './issuer.js'

let issuer: Issuer
let verifier: Verifier
let token: string

beforeEach(async () => {
  issuer = await createIssuer()
  verifier = verifierFor(issuer)
  token = await issuer.token({ exp: issuer.clock.seconds + 90_000 })
})
afterEach(() => {
  verifier.close()
  vi.useRealTimers()
})

const feeds = () => issuer.count('/revocations')
const down = () => new Response('', { status: 500 })
const stale = { code: 'temporarily_unavailable', status: 503, reason: 'revocation_feed_stale' }
const answerWith = (claims: object, header: object = {}) =>
  issuer.state.overrides.set(
    '/revocations',
    async () => new Response(await issuer.signFeed({ ...claims }, { ...header })),
  )
/** Past the bound, so that the next use must ask. */
const later = (seconds = 11) => {
  issuer.clock.seconds += seconds
}

/** Lets the background ask once, and waits for what comes of it. */
const poll = async (isDone: () => boolean) => {
  await vi.advanceTimersByTimeAsync(1000)
  // Signatures are made and checked on other threads, which no fake timer knows.
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  while (!isDone()) await turn()
  await turn()
}

describe('a revoked delegation', () => {
  it.each(['dlg_1', 'dlg_2', 'dlg_3', 'at_1'])('takes the token with it: %s', async (id) => {
    issuer.revoke(id)
    expect(await refusal(verifier.verify(token))).toMatchObject({
      code: 'invalid_token',
      status: 401,
      reason: 'token_revoked',
    })
  })

  it('takes a token with it that was seen before, and spares its siblings', async () => {
    const sibling = await issuer.token({ agent_lineage: ['dlg_1', 'dlg_9'], jti: 'at_9' })
    await verifier.verify(token)
    issuer.revoke('dlg_2')
    later()
    expect(await refusal(verifier.verify(token))).toMatchObject({ reason: 'token_revoked' })
    await expect(verifier.verify(sibling)).resolves.toBeTruthy()
  })

  it('is asked for after the cursor, and what came before stays', async () => {
    issuer.revoke('dlg_2')
    await refusal(verifier.verify(token))
    issuer.revoke('dlg_8')
    later()
    expect(await refusal(verifier.verify(token))).toMatchObject({ reason: 'token_revoked' })
    expect(issuer.state.requests.filter((one) => one.startsWith('/revocations'))).toEqual([
      '/revocations',
      '/revocations?after=1',
    ])
    expect(verifier.revocation()).toEqual({ mode: 'feed', stalenessSeconds: 0, size: 2 })
  })

  it('leaves once nothing that it kills can be alive', async () => {
    issuer.revoke('dlg_2', issuer.clock.seconds + 100)
    await refusal(verifier.verify(token))
    later(159)
    await refusal(verifier.verify(token))
    expect(verifier.revocation().size).toBe(1)
    later(12)
    await verifier.verify(token)
    expect(verifier.revocation().size).toBe(0)
  })

  it('is replaced as a whole by a full answer', async () => {
    issuer.revoke('dlg_8')
    await verifier.verify(token)
    answerWith({ full: true, cursor: '1', revoked: [{ id: 'dlg_9', exp: 1_900_000_000 }] })
    later()
    await verifier.verify(token)
    expect(verifier.revocation().size).toBe(1)
    issuer.state.overrides.delete('/revocations')
    issuer.state.feed.revoked = [{ id: 'x', exp: 0 }]
    issuer.revoke('dlg_3')
    later()
    expect(await refusal(verifier.verify(token))).toMatchObject({ reason: 'token_revoked' })
  })
})

describe('a list that is too old', () => {
  it('refuses every token, with the time to come back', async () => {
    await verifier.verify(token)
    issuer.state.overrides.set('/revocations', down)
    later(10)
    await expect(verifier.verify(token)).resolves.toBeTruthy()
    later(1)
    const error = await refusal(verifier.verify(token))
    expect(error).toMatchObject({ ...stale, headers: { 'Retry-After': '1' } })
  })

  it('is asked for once more, in one flight, before anything is refused', async () => {
    await verifier.verify(token)
    later()
    await Promise.all([verifier.verify(token), verifier.verify(token), verifier.verify(token)])
    expect(feeds()).toBe(2)
  })

  it('is not asked for again at once after a failure', async () => {
    issuer.state.overrides.set('/revocations', down)
    for (let index = 0; index < 20; index += 1) await refusal(verifier.verify(token))
    expect(feeds()).toBe(1)
    issuer.state.overrides.delete('/revocations')
    later(1)
    await expect(verifier.verify(token)).resolves.toBeTruthy()
  })

  it('keeps a route reading that can bear it, and still refuses what is known', async () => {
    issuer.revoke('dlg_9')
    await verifier.verify(token)
    issuer.state.overrides.set('/revocations', down)
    later(1000)
    await expect(verifier.verify(token, { allowStale: true })).resolves.toBeTruthy()
    const dead = await issuer.token({ agent_lineage: ['dlg_9'] })
    expect(await refusal(verifier.verify(dead, { allowStale: true }))).toMatchObject({
      reason: 'token_revoked',
    })
    expect(await refusal(verifier.verify(token))).toMatchObject(stale)
  })

  it('keeps no route reading that never had one', async () => {
    issuer.state.overrides.set('/revocations', down)
    expect(await refusal(verifier.verify(token, { allowStale: true }))).toMatchObject(stale)
  })

  it('has its age by the clock of the server, so a cache in between makes it no fresher', async () => {
    answerWith({ iat: issuer.clock.seconds - 8 })
    await verifier.verify(token)
    expect(verifier.revocation().stalenessSeconds).toBe(8)
    issuer.state.overrides.set('/revocations', down)
    later(3)
    expect(await refusal(verifier.verify(token))).toMatchObject(stale)
  })

  it('is no fresher than our question, whatever the clock of the server says', async () => {
    answerWith({ iat: issuer.clock.seconds + 5 })
    await verifier.verify(token)
    expect(verifier.revocation().stalenessSeconds).toBe(0)
  })

  it('is believed no longer than it says itself', async () => {
    answerWith({ ttl: 3 })
    await verifier.verify(token)
    issuer.state.overrides.set('/revocations', down)
    later(4)
    expect(await refusal(verifier.verify(token))).toMatchObject(stale)
  })

  it('does not become fresh by a clock that is set back', async () => {
    await verifier.verify(token)
    issuer.state.overrides.set('/revocations', down)
    const earlier = await issuer.token({ iat: issuer.clock.seconds - 4000 })
    later(-3000)
    expect(await refusal(verifier.verify(earlier))).toMatchObject({ status: 503 })
  })

  it('comes after the checks of the token itself: a bad one is refused as that', async () => {
    issuer.state.overrides.set('/revocations', down)
    const other = await issuer.token({ aud: 'https://other.example' })
    expect(await refusal(verifier.verify(other))).toMatchObject({ reason: 'wrong_audience' })
    expect(feeds()).toBe(0)
  })
})

describe('an answer that is refused', () => {
  const refusesFeed = async () => {
    expect(await refusal(verifier.verify(token))).toMatchObject(stale)
    expect(await refusal(verifier.verify(token, { allowStale: true }))).toMatchObject(stale)
    expect(verifier.revocation().size).toBe(0)
  }
  it.each<[string, object, object]>([
    ['of another issuer', { iss: 'https://evil.example' }, {}],
    ['from the future', { iat: 1_800_000_006 }, {}],
    ['too old', { iat: 1_799_999_989 }, {}],
    ['a delta that nobody asked for', { full: false }, {}],
    ['for another cursor', { after: '7' }, {}],
    ['out of shape', { revoked: 'all' }, {}],
    ['without ttl', { ttl: undefined }, {}],
    ['of the type of a token', {}, { typ: 'at+jwt' }],
    ['of no type', {}, { typ: undefined }],
    ['with crit', {}, { crit: ['b64'] }],
    ['with alg none', {}, { alg: 'none' }],
    ['of an unknown key', {}, { kid: 'key-7' }],
  ])('%s', async (_title, claims, header) => {
    answerWith(claims, header)
    await refusesFeed()
  })

  it('one that is signed in a way that we do not accept', async () => {
    issuer = await createIssuer(await makeKey('key-1', 'EdDSA'))
    const other = await makeKey('key-2')
    issuer.state.keys.push(other)
    const claims = { iss: 'https://auth.example', iat: issuer.clock.seconds, cursor: '0', ttl: 10 }
    const header = { alg: 'ES256', kid: 'key-2', typ: 'revocation-feed+jwt' }
    const text = await signRaw(header, { ...claims, revoked: [], full: true }, other)
    issuer.state.overrides.set('/revocations', () => new Response(text))
    verifier = verifierFor(issuer, { algorithms: ['EdDSA'] })
    token = await issuer.token()
    await refusesFeed()
  })

  it('an access token of the same issuer', async () => {
    const claims = { iat: 1_800_000_000, cursor: '0', ttl: 10, revoked: [], full: true }
    issuer.state.overrides.set('/revocations', async () => new Response(await issuer.token(claims)))
    await refusesFeed()
  })

  it('with a status that is no success, however good it looks', async () => {
    issuer.state.overrides.set(
      '/revocations',
      async () => new Response(await issuer.signFeed(), { status: 500 }),
    )
    await refusesFeed()
  })

  it('with a payload that was changed', async () => {
    const [header, payload, signature] = (await issuer.signFeed()).split('.')
    const claims = JSON.parse(atob(String(payload)))
    const changed = `${header}.${encode({ ...claims, ttl: 99 })}.${signature}`
    issuer.state.overrides.set('/revocations', () => new Response(changed))
    await refusesFeed()
  })

  it('a replay of an older one, which would bring back what was revoked', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const warn = vi.fn()
    verifier = verifierFor(issuer, { pollSeconds: 1, logger: { ...silent, warn } })
    const old = await issuer.signFeed()
    issuer.clock.seconds += 1
    issuer.revoke('dlg_2')
    await refusal(verifier.verify(token))
    issuer.state.overrides.set('/revocations', () => new Response(old))
    await poll(() => warn.mock.calls.length === 1)
    expect(warn.mock.calls[0]?.[1]).toMatchObject({ reason: 'feed_replayed' })
    expect(feeds()).toBe(2)
    expect(await refusal(verifier.verify(token))).toMatchObject({ reason: 'token_revoked' })
  })

  it('one that is larger than a list may be', async () => {
    issuer.state.overrides.set('/revocations', () => new Response('a'.repeat(8_388_609)))
    await refusesFeed()
  })
})

it('holds no more than its bound, and then refuses rather than forgets', async () => {
  const exp = issuer.clock.seconds + 1000
  answerWith({ revoked: Array.from({ length: 100_001 }, (_, index) => ({ id: `d${index}`, exp })) })
  expect(await refusal(verifier.verify(token))).toMatchObject(stale)
})

it('takes a list that is longer than any token', async () => {
  for (let index = 0; index < 2000; index += 1) issuer.revoke(`dlg_other_${index}`)
  await verifier.verify(token)
  expect(verifier.revocation().size).toBe(2000)
})

it('learns a new key from the list, whatever the cooldown that strangers have caused', async () => {
  await verifier.verify(token)
  const stranger = await issuer.token({}, { kid: 'stranger' })
  issuer.clock.seconds += 31
  await refusal(verifier.verify(stranger))
  const next = await makeKey('key-2')
  issuer.state.keys.push(next)
  issuer.clock.seconds += 11
  const claims = { iss: 'https://auth.example', iat: issuer.clock.seconds, cursor: '0', ttl: 10 }
  const header = { alg: 'ES256', kid: 'key-2', typ: 'revocation-feed+jwt' }
  const text = await signRaw(header, { ...claims, revoked: [], full: true }, next)
  issuer.state.overrides.set('/revocations', () => new Response(text))
  await verifier.verify(token)
  await expect(verifier.verify(await issuer.token({}, {}, next))).resolves.toBeTruthy()
})

describe('an issuer without a list', () => {
  it('is a configuration error that says so', async () => {
    issuer.state.metadata = { agent_revocation_feed_endpoint: undefined }
    expect(await refusal(verifier.verify(token))).toMatchObject({
      code: 'server_error',
      status: 503,
      reason: 'no_revocation_feed',
    })
  })

  it('is fine for those who say that tokens live until they expire', async () => {
    issuer.state.metadata = { agent_revocation_feed_endpoint: undefined }
    const without = verifierFor(issuer, { revocation: 'off' })
    await expect(without.verify(token)).resolves.toBeTruthy()
    expect(without.revocation()).toEqual({ mode: 'off', stalenessSeconds: undefined, size: 0 })
    without.close()
  })
})

describe('in the background', () => {
  it('is asked for every second from the first use until it is closed', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    verifier = verifierFor(issuer, { pollSeconds: 1 })
    await vi.advanceTimersByTimeAsync(5000)
    expect(feeds()).toBe(0)
    await verifier.verify(token)
    expect(feeds()).toBe(1)
    const isFollowed = () => verifier.revocation().stalenessSeconds === 0
    for (let second = 1; second <= 3; second += 1) {
      issuer.clock.seconds += 1
      expect(isFollowed()).toBe(false)
      await poll(isFollowed)
      expect(feeds()).toBe(1 + second)
    }
    issuer.revoke('dlg_1')
    await poll(() => verifier.revocation().size === 1)
    verifier.close()
    const before = feeds()
    await vi.advanceTimersByTimeAsync(5000)
    expect(feeds()).toBe(before)
  })

  it('does not keep the process alive', async () => {
    const timers = vi.spyOn(globalThis, 'setTimeout')
    await verifier.verify(token)
    const at = timers.mock.calls.findIndex(([, ms]) => ms === 3_600_000)
    const timer = timers.mock.results[at]?.value as NodeJS.Timeout
    timers.mockRestore()
    expect(timer.hasRef()).toBe(false)
  })
})
