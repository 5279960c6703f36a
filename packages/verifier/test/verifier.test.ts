import { inspect } from 'node:util'
import { beforeEach, describe, expect, it } from 'vitest'
import { createVerifier, type VerifierOptions } from '../src/index.js'
import { createVerifiedCache, type Verified } from '../src/verified-cache.js'
import {
  audience,
  bearer,
  createIssuer,
  delegated,
  type Issuer,
  issuerUrl,
  makeKey,
  refusal,
  verifierFor,
} from './issuer.js'

let issuer: Issuer

beforeEach(async () => {
  issuer = await createIssuer()
})

describe('a good token', () => {
  it('names the caller, the actor, the chain and the limits', async () => {
    const token = await issuer.token()
    const caller = await verifierFor(issuer).verify(bearer(token))
    expect(caller).toMatchObject({
      subject: 'usr_alice',
      actor: 'researcher',
      tenantId: 'acme',
      clientId: 'researcher',
      role: 'agent',
      agentType: 'researcher',
      scope: ['docs:read', 'docs:write'],
      limits: { allowedActions: ['docs.*'] },
      lineage: ['dlg_1', 'dlg_2', 'dlg_3'],
      expiresAt: new Date((issuer.clock.seconds + 300) * 1000),
    })
    expect(caller.chain.map(({ sub }) => sub)).toEqual(['researcher', 'orchestrator'])
    expect(caller.claims.jti).toBe('at_1')
    expect(caller.token).toBe(token)
  })

  it.each(['ES256', 'EdDSA', 'RS256'] as const)('may be signed with %s', async (alg) => {
    const other = await createIssuer(await makeKey('key-1', alg))
    await expect(verifierFor(other).verify(await other.token())).resolves.toBeTruthy()
  })

  it.each(['at+jwt', 'application/at+jwt', 'AT+JWT'])('may be of type %s', async (typ) => {
    const token = await issuer.token({}, { typ })
    await expect(verifierFor(issuer).verify(bearer(token))).resolves.toBeTruthy()
  })

  it('may name us among several audiences, and we may have several', async () => {
    const token = await issuer.token({ aud: ['https://other.example', audience] })
    const verifier = verifierFor(issuer, { audience: ['https://mine.example', audience] })
    await expect(verifier.verify(token)).resolves.toBeTruthy()
  })

  it('may be of a client that acts for itself, plain, without limits or lineage', async () => {
    const plain = { sub: 'app', client_id: 'app' }
    const none = Object.fromEntries(Object.keys(delegated).map((name) => [name, undefined]))
    const caller = await verifierFor(issuer).verify(await issuer.token({ ...none, ...plain }))
    expect(caller).toMatchObject({ actor: 'app', chain: [], lineage: [] })
  })

  it('does not show its text when the caller is logged, and cannot be changed', async () => {
    const token = await issuer.token()
    const caller = await verifierFor(issuer).verify(token)
    expect(inspect(caller) + JSON.stringify(caller)).not.toContain(token)
    expect(() => Object.assign(caller.claims, { sub: 'root' })).toThrow(TypeError)
    expect(() => Object.assign(caller.limits, { costBudget: 1n })).toThrow(TypeError)
    expect(() => Object.assign(caller.chain[0] ?? {}, { sub: 'root' })).toThrow(TypeError)
    caller.expiresAt.setTime(0)
    expect(caller.expiresAt.getTime()).not.toBe(0)
  })
})

describe('a token seen before', () => {
  it('costs no request', async () => {
    const verifier = verifierFor(issuer)
    const token = await issuer.token()
    const caller = await verifier.verify(token)
    const requests = issuer.state.requests.length
    expect(await verifier.verify(token)).toBe(caller)
    expect(issuer.state.requests).toHaveLength(requests)
  })

  it('is refused once it has expired', async () => {
    const verifier = verifierFor(issuer, { revocation: 'off' })
    const token = await issuer.token()
    await verifier.verify(token)
    issuer.clock.seconds += 300 + 5
    expect(await refusal(verifier.verify(token))).toMatchObject({ reason: 'token_expired' })
  })

  it('is refused in any other spelling of the same bytes', async () => {
    const verifier = verifierFor(issuer)
    const token = await issuer.token()
    await verifier.verify(token)
    for (const other of [`${token}=`, `${token}==`, `${token} `, `${token}\n`, ` ${token}`]) {
      expect(await refusal(verifier.verify(other))).toMatchObject({ code: 'invalid_token' })
    }
  })

  it('is refused once the key that signed it is withdrawn', async () => {
    const verifier = verifierFor(issuer, { revocation: 'off' })
    const token = await issuer.token()
    await verifier.verify(token)
    issuer.state.keys = [await makeKey('key-2')]
    await verifier.verify(token)
    issuer.clock.seconds += 299
    await verifier.verify(token)
    issuer.clock.seconds += 2
    expect(await refusal(verifier.verify(token))).toMatchObject({ reason: 'unknown_key' })
  })

  it('is refused once its key id stands for another key', async () => {
    const verifier = verifierFor(issuer, { revocation: 'off' })
    const token = await issuer.token({ exp: issuer.clock.seconds + 900 })
    await verifier.verify(token)
    issuer.state.keys = [await makeKey('key-1')]
    issuer.clock.seconds += 301
    expect(await refusal(verifier.verify(token))).toMatchObject({ reason: 'bad_signature' })
  })
})

describe('the memory of verified tokens', () => {
  const verified = (token: string) => ({ caller: { token } }) as Verified

  it('is bounded, and keeps what is used', () => {
    const cache = createVerifiedCache(10)
    const first = verified('token-0')
    cache.set(first)
    for (let index = 1; index < 1000; index += 1) {
      cache.set(verified(`token-${index}`))
      expect(cache.get('token-0')).toBe(first)
    }
    expect(cache.size()).toBeLessThanOrEqual(10)
    expect(cache.get('token-998')?.caller.token).toBe('token-998')
    expect(cache.get('token-500')).toBeUndefined()
  })

  it('finds the very text, and no other with the same end', () => {
    const cache = createVerifiedCache(10)
    const end = 'x'.repeat(500)
    cache.set(verified(`one.${end}`))
    expect(cache.get(`two.${end}`)).toBeUndefined()
    expect(cache.get(end)).toBeUndefined()
    cache.set(verified(`two.${end}`))
    expect(cache.get(`two.${end}`)?.caller.token).toBe(`two.${end}`)
    expect(cache.get(`one.${end}`)).toBeUndefined()
  })
})

describe('createVerifier', () => {
  const good: VerifierOptions = { issuer: issuerUrl, audience }

  it('fetches nothing until it is used', () => {
    verifierFor(issuer)
    expect(issuer.state.requests).toEqual([])
  })

  it.each<[string, Record<string, unknown>]>([
    ['no issuer', { issuer: undefined }],
    ['an issuer with a slash at its end', { issuer: `${issuerUrl}/` }],
    ['an issuer over plain http', { issuer: 'http://auth.example' }],
    ['no audience', { audience: undefined }],
    ['an empty list of audiences', { audience: [] }],
    ['an audience that is no URI', { audience: ['mcp'] }],
    ['an empty audience', { audience: '' }],
    ['an unknown way of revocation', { revocation: 'maybe' }],
    ['a staleness that is no number', { maxStalenessSeconds: Number.NaN }],
    ['no staleness at all', { maxStalenessSeconds: 0 }],
    ['an endless staleness', { maxStalenessSeconds: Number.POSITIVE_INFINITY }],
    ['a budget without a secret', { budget: { clientId: 'me', clientSecret: '' } }],
    ['an unknown budget', { budget: 'none' }],
    ['another status for money', { budgetStatus: 200 }],
    ['another status for requests', { requestsStatus: 200 }],
    ['a metadata URL that is none', { resourceMetadataUrl: '/x' }],
    ['no algorithm', { algorithms: [] }],
    ['an algorithm that is not ours', { algorithms: ['HS256'] }],
    ['no cooldown', { jwks: { cooldownSeconds: 0 } }],
    ['a fetch that is none', { fetch: 'x' }],
    ['a clock that is none', { now: 1 }],
    ['a timeout of nothing', { timeoutMs: 0 }],
    ['a monotonic clock that is none', { monotonic: 5 as unknown as () => number }],
  ])('refuses %s', (_title, wrong) => {
    expect(() => createVerifier({ ...good, ...wrong } as VerifierOptions)).toThrow(TypeError)
  })

  it('shows no secret when it is logged', () => {
    const budget = { clientId: 'docs', clientSecret: 'very-secret' }
    const verifier = createVerifier({ ...good, budget })
    expect(inspect(verifier, { depth: 9, showHidden: true })).not.toContain('very-secret')
  })

  it('takes only the algorithms that it is told to', async () => {
    const verifier = verifierFor(issuer, { algorithms: ['EdDSA'], revocation: 'off' })
    expect(await refusal(verifier.verify(await issuer.token()))).toMatchObject({
      reason: 'unacceptable_algorithm',
    })
  })
})
