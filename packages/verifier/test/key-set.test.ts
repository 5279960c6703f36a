import { encodeBase64url } from '@behalf/protocol'
import { exportJWK, generateKeyPair } from 'jose'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  bearer,
  createIssuer,
  type Issuer,
  issuerUrl,
  makeKey,
  refusal,
  silent,
  verifierFor,
} from './issuer.js'

let issuer: Issuer

beforeEach(async () => {
  issuer = await createIssuer()
})
afterEach(() => {
  vi.useRealTimers()
})

const offline = (options: Parameters<typeof verifierFor>[1] = {}) =>
  verifierFor(issuer, { revocation: 'off', ...options })

const jwks = () => issuer.count('/jwks')

describe('an unknown key id', () => {
  it('causes one fetch in a cooldown, however many come, and evicts no good key', async () => {
    const verifier = offline()
    const stranger = await makeKey('stranger')
    await verifier.verify(await issuer.token())
    issuer.clock.seconds += 60
    for (let index = 0; index < 1000; index += 1) {
      const token = await issuer.token({ jti: `at_${index}` }, { kid: `kid-${index}` }, stranger)
      expect(await refusal(verifier.verify(bearer(token)))).toMatchObject({
        status: 401,
        reason: 'unknown_key',
      })
      if (index % 100 === 0) await verifier.verify(await issuer.token({ jti: `good_${index}` }))
    }
    expect(jwks()).toBe(2)
  }, 60_000)

  it('shares one fetch among those that come at once', async () => {
    const verifier = offline()
    const tokens = await Promise.all([1, 2, 3, 4].map((n) => issuer.token({}, { kid: `k${n}` })))
    await Promise.all(tokens.map((token) => refusal(verifier.verify(token))))
    expect(jwks()).toBe(1)
  })

  it.each([
    ['an empty set', { keys: [] }],
    ['no usable key', { keys: [{ kty: 'oct', k: 'AAAA', kid: 'key-1', alg: 'HS256' }] }],
  ])('is bounded with %s too', async (_title, body) => {
    issuer.state.overrides.set('/jwks', () => Response.json(body))
    const verifier = offline()
    for (let index = 0; index < 50; index += 1) {
      const error = await refusal(verifier.verify(await issuer.token({}, { kid: `k${index}` })))
      expect(error).toMatchObject({ status: 401, reason: 'unknown_key' })
    }
    expect(jwks()).toBe(1)
  })

  it('finds a new key once the cooldown is over', async () => {
    const verifier = offline()
    await verifier.verify(await issuer.token())
    const next = await makeKey('key-2')
    issuer.state.keys.push(next)
    issuer.clock.seconds += 29
    expect(await refusal(verifier.verify(await issuer.token({}, {}, next)))).toMatchObject({
      status: 401,
    })
    issuer.clock.seconds += 1
    await expect(verifier.verify(await issuer.token({}, {}, next))).resolves.toBeTruthy()
  })
})

it('accepts old and new tokens through a rotation that publishes ahead', async () => {
  const verifier = offline()
  const old = await issuer.token({ exp: issuer.clock.seconds + 900 })
  await verifier.verify(old)
  const next = await makeKey('key-2')
  issuer.state.keys.push(next)
  issuer.clock.seconds += 301
  await verifier.verify(old)
  await expect(verifier.verify(await issuer.token({}, {}, next))).resolves.toBeTruthy()
  expect(jwks()).toBe(2)
})

describe('a key set that cannot be had', () => {
  const hang = () => new Promise<Response>(() => undefined)
  const isAsked = async () => {
    while (jwks() === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  const goodKeys = () => ({ keys: issuer.state.keys.map(({ jwk }) => jwk) })
  const redirected = (response: Response) =>
    Object.defineProperty(response, 'redirected', { value: true })
  const failures: [string, () => Response | Promise<Response>][] = [
    ['is down', () => Promise.reject(new TypeError('fetch failed'))],
    ['answers 500', () => Response.json(goodKeys(), { status: 500 })],
    ['answers HTML', () => new Response('<html>')],
    ['answers a list', () => Response.json([])],
    ['answers no keys', () => Response.json({})],
    ['redirects', () => Response.redirect('http://169.254.169.254/', 302)],
    ['was redirected', () => redirected(Response.json(goodKeys()))],
    ['is huge', () => Response.json({ ...goodKeys(), more: 'x'.repeat(262_144) })],
  ]

  it.each(failures)('that %s accepts nothing without a cache', async (_title, answer) => {
    issuer.state.overrides.set('/jwks', answer)
    const error = await refusal(offline().verify(await issuer.token()))
    expect(error).toMatchObject({
      code: 'temporarily_unavailable',
      status: 503,
      reason: 'keys_unavailable',
      headers: { 'Retry-After': '1' },
    })
    expect(issuer.state.requests.join()).not.toContain('169.254')
    expect([...issuer.state.redirects]).toEqual(['manual'])
  })

  it.each(failures)('that %s leaves the cached keys, up to their limit', async (_title, answer) => {
    const verifier = offline()
    const token = await issuer.token({ exp: issuer.clock.seconds + 9000 })
    await verifier.verify(token)
    issuer.state.overrides.set('/jwks', answer)
    issuer.clock.seconds += 3600
    await expect(verifier.verify(token)).resolves.toBeTruthy()
    issuer.clock.seconds += 1
    expect(await refusal(verifier.verify(token))).toMatchObject({ status: 503 })
  })

  it('does not wait for a server that hangs, nor take more than one flight', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    issuer.state.overrides.set('/jwks', hang)
    const verifier = offline()
    const tokens = await Promise.all([issuer.token(), issuer.token({ jti: 'at_2' })])
    const refused = Promise.all(tokens.map((token) => refusal(verifier.verify(token))))
    await isAsked()
    await vi.advanceTimersByTimeAsync(5000)
    for (const error of await refused) expect(error).toMatchObject({ status: 503 })
    expect(jwks()).toBe(1)
  })

  it('is waited for once in an outage while there are keys, and is one line in the log', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const warn = vi.fn()
    const verifier = offline({ logger: { ...silent, warn } })
    const token = await issuer.token({ exp: issuer.clock.seconds + 9000 })
    await verifier.verify(token)
    issuer.state.overrides.set('/jwks', () => new Response('', { status: 500 }))
    for (const [index, seconds] of [301, 2, 2].entries()) {
      issuer.clock.seconds += seconds
      await verifier.verify(token)
      // All but the first have asked without waiting. What they asked is answered before the next asks.
      for (let turn = 0; jwks() < index + 2 || turn < 20; turn += 1) {
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    issuer.state.overrides.set('/jwks', hang)
    issuer.clock.seconds += 2
    await expect(verifier.verify(token)).resolves.toBeTruthy()
    await isAsked()
    expect(warn).toHaveBeenCalledTimes(1)
  })

  it('is asked for again by a clock that was set back', async () => {
    issuer.state.overrides.set('/jwks', () => new Response('', { status: 500 }))
    const verifier = offline()
    const token = await issuer.token({ iat: issuer.clock.seconds - 9000 })
    await refusal(verifier.verify(token))
    issuer.state.overrides.delete('/jwks')
    issuer.clock.seconds -= 3600
    await expect(verifier.verify(token)).resolves.toBeTruthy()
  })

  it('does not wait for a body that never ends', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    issuer.state.overrides.set('/jwks', () => new Response(new ReadableStream({})))
    const refused = refusal(offline().verify(await issuer.token()))
    await isAsked()
    await vi.advanceTimersByTimeAsync(5000)
    expect(await refused).toMatchObject({ status: 503 })
  })

  it('is asked for again no sooner than a second after a failure', async () => {
    issuer.state.overrides.set('/jwks', () => new Response('', { status: 500 }))
    const verifier = offline()
    const token = await issuer.token()
    for (let index = 0; index < 20; index += 1) await refusal(verifier.verify(token))
    expect(jwks()).toBe(1)
    issuer.state.overrides.delete('/jwks')
    issuer.clock.seconds += 1
    await expect(verifier.verify(token)).resolves.toBeTruthy()
  })

  it('says 503 and not 401 of a new key while no newer keys can be fetched', async () => {
    const verifier = offline()
    await verifier.verify(await issuer.token())
    issuer.state.overrides.set('/jwks', () => new Response('', { status: 500 }))
    issuer.clock.seconds += 31
    const token = await issuer.token({}, { kid: 'key-2' })
    expect(await refusal(verifier.verify(token))).toMatchObject({ status: 503 })
    await expect(verifier.verify(await issuer.token())).resolves.toBeTruthy()
  })
})

describe('the metadata', () => {
  it.each([
    ['of another issuer', { issuer: 'https://evil.example' }],
    ['with keys over plain http', { jwks_uri: 'http://auth.example/jwks' }],
    ['without keys', { jwks_uri: undefined }],
  ])('%s accepts nothing', async (_title, metadata) => {
    issuer.state.metadata = metadata
    expect(await refusal(offline().verify(await issuer.token()))).toMatchObject({ status: 503 })
    expect(jwks()).toBe(0)
  })

  it('with a member twice accepts nothing', async () => {
    const path = '/.well-known/oauth-authorization-server'
    const rest = `"token_endpoint":"${issuerUrl}/token","jwks_uri":"${issuerUrl}/jwks"`
    const text = `{"issuer":"https://evil.example","issuer":"${issuerUrl}",${rest}}`
    issuer.state.overrides.set(path, () => new Response(text))
    expect(await refusal(offline().verify(await issuer.token()))).toMatchObject({ status: 503 })
  })

  it('is used when it is old and the server that has a newer one hangs', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const verifier = offline()
    await verifier.verify(await issuer.token())
    const path = '/.well-known/oauth-authorization-server'
    issuer.state.overrides.set(path, () => new Promise(() => undefined))
    issuer.clock.seconds += 3601
    await expect(verifier.verify(await issuer.token())).resolves.toBeTruthy()
    expect(issuer.count(path)).toBe(2)
  })

  it('is fetched once', async () => {
    const verifier = offline()
    await verifier.verify(await issuer.token())
    issuer.clock.seconds += 301
    await verifier.verify(await issuer.token())
    expect(jwks()).toBe(2)
    expect(issuer.count('/.well-known/oauth-authorization-server')).toBe(1)
  })
})

describe('a published key', () => {
  const publish = async (jwk: Record<string, unknown>) => {
    issuer.state.overrides.set('/jwks', () => Response.json({ keys: [jwk] }))
    return refusal(offline().verify(await issuer.token()))
  }
  it.each<[string, Record<string, unknown>]>([
    ['for encryption', { use: 'enc' }],
    ['for another algorithm', { alg: 'ES384' }],
    ['on another curve by name', { crv: 'P-384' }],
    ['for signing and not verifying', { key_ops: ['sign'] }],
    ['with a private member', { d: 'AAAA' }],
    ['off its curve', { y: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' }],
    ['without an id', { kid: undefined }],
    ['with an id that is no text', { kid: 7 }],
  ])('is not used %s', async (_title, members) => {
    expect(await publish({ ...issuer.key.jwk, ...members })).toMatchObject({
      reason: 'unknown_key',
    })
  })

  it('is not used when it is RSA and short', async () => {
    const { subtle } = crypto
    const short = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 1024 }
    const parameters = { ...short, publicExponent: new Uint8Array([1, 0, 1]) }
    const pair = await subtle.generateKey(parameters, true, ['sign', 'verify'])
    const jwk = { ...(await exportJWK(pair.publicKey)), kid: 'key-1' }
    const key = { kid: 'key-1', alg: 'RS256', privateKey: pair.privateKey, jwk } as const
    issuer = await createIssuer(key)
    expect(await publish(jwk)).toMatchObject({ reason: 'unknown_key' })
  })

  it('is not used when it is RSA and so long that checking it is an attack', async () => {
    const modulus = crypto.getRandomValues(new Uint8Array(1025)).fill(0xff, 0, 1).fill(1, 1024)
    const jwk = { kty: 'RSA', n: encodeBase64url(modulus), e: 'AQAB', kid: 'key-1' }
    issuer.state.overrides.set('/jwks', () => Response.json({ keys: [jwk] }))
    const token = await issuer.token({}, { alg: 'RS256' })
    expect(await refusal(offline().verify(token))).toMatchObject({ reason: 'unknown_key' })
  })

  it('is not looked for among more than a set may hold', async () => {
    const keys = [...Array.from({ length: 50 }, () => ({})), issuer.key.jwk]
    issuer.state.overrides.set('/jwks', () => Response.json({ keys }))
    const error = await refusal(offline().verify(await issuer.token()))
    expect(error).toMatchObject({ reason: 'unknown_key' })
  })

  it('is used without alg and use, beside keys of other kinds', async () => {
    const { kty, crv, x, y, kid } = issuer.key.jwk
    const other = await exportJWK((await generateKeyPair('ES384')).publicKey)
    const keys = [null, 'x', { kty: 'unknown', kid }, { ...other, kid }, { kty, crv, x, y, kid }]
    issuer.state.overrides.set('/jwks', () => Response.json({ keys }))
    await expect(offline().verify(await issuer.token())).resolves.toBeTruthy()
  })
})
