/** The ID token says who signed in, to the one client that asked. OpenID Connect Core §2. */
import { createHash } from 'node:crypto'
import type { SigningAlgorithm } from '@behalf/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { accessTokenHash, type IdTokenRequest, idTokenFor } from '../src/id-token.js'
import { isReservedClaim } from '../src/people/reserved-claims.js'
import { readIdTokenHint } from '../src/verify-id-token.js'
import { decodeHeader } from './forge.js'
import { basic, decode, issuer, openTestServer, type TestServer } from './harness.js'
import { membership, standIn } from './stand-in-people.js'

let server: TestServer
beforeAll(async () => {
  server = await openTestServer()
})
afterAll(() => server.close())

const person = {
  ...standIn('alice', []).person,
  emailVerified: false,
  picture: 'https://acme.test/alice.png',
}

const request = (more: Partial<IdTokenRequest> = {}): IdTokenRequest => ({
  person,
  memberships: [
    membership('acme', { orgRole: 'owner', claims: { plan: 'gold', team: 'tenant' } }),
    membership('globex'),
    membership('closed', { disabled: true }),
  ],
  tenantId: 'acme',
  client: { client_id: 'desktop' },
  nonce: 'n-0S6_WzA2Mj',
  authenticatedAt: new Date('2026-11-21T11:55:00Z'),
  scope: ['openid', 'profile', 'email'],
  accessToken: 'an.access.token',
  ...more,
})

const sign = (more: Partial<IdTokenRequest> = {}): string =>
  idTokenFor(request(more), server.deps) ?? ''

const claimsOf = (more: Partial<IdTokenRequest> = {}) => decode(sign(more))

const aliceWith = (claims: object) => ({ person: { ...person, claims: { ...claims } } })

describe('an ID token', () => {
  test('has every claim that OpenID asks for, and those of the person and the organization', () => {
    const now = server.clock.seconds()
    const hash = createHash('sha256').update('an.access.token').digest()
    expect(decodeHeader(sign())).toMatchObject({ alg: 'ES256', typ: 'JWT' })
    expect(claimsOf()).toEqual({
      iss: issuer,
      sub: 'usr_alice',
      aud: 'desktop',
      iat: now,
      exp: now + 900,
      auth_time: Date.UTC(2026, 10, 21, 11, 55) / 1000,
      nonce: 'n-0S6_WzA2Mj',
      at_hash: hash.subarray(0, 16).toString('base64url'),
      name: 'Alice',
      picture: 'https://acme.test/alice.png',
      email: 'alice@acme.test',
      email_verified: false,
      role: 'user',
      tenant_id: 'acme',
      org_role: 'owner',
      organization_ids: ['acme', 'globex'],
      plan: 'gold',
      team: 'tenant',
    })
  })

  test('is not made where openid was not granted', () => {
    expect(idTokenFor(request({ scope: ['profile', 'email'] }), server.deps)).toBeUndefined()
  })

  test('says who somebody is only as far as profile and email were granted', () => {
    const bare = claimsOf({ scope: ['openid'] })
    for (const name of ['name', 'picture', 'email', 'email_verified']) {
      expect(bare).not.toHaveProperty(name)
    }
    expect(claimsOf({ scope: ['openid', 'email'] })).not.toHaveProperty('name')
    expect(claimsOf({ scope: ['openid', 'profile'] })).not.toHaveProperty('email')
  })

  test('leaves out what there is not: a nonce, an organization, a picture', () => {
    const claims = claimsOf({ nonce: undefined, tenantId: undefined, memberships: [] })
    expect(claims).not.toHaveProperty('nonce')
    expect(claims).not.toHaveProperty('tenant_id')
    expect(claims).not.toHaveProperty('org_role')
    expect(claims.organization_ids).toEqual([])
    expect(claimsOf({ person: standIn('bob', []).person })).not.toHaveProperty('picture')
  })

  test('says nothing of an organization that is switched off or not theirs', () => {
    for (const tenantId of ['closed', 'elsewhere']) {
      const claims = claimsOf({ tenantId })
      expect(claims).not.toHaveProperty('tenant_id')
      expect(claims).not.toHaveProperty('org_role')
      expect(claims).not.toHaveProperty('plan')
    }
  })
})

describe('a custom claim', () => {
  test('may have a short or a namespaced name, and any JSON value', () => {
    const custom = {
      hardware_tier: 'tier2',
      'https://acme.test/claims/level': { value: 3, tags: ['a'] },
      beta: false,
    }
    expect(claimsOf(aliceWith(custom))).toMatchObject(custom)
  })

  test('of the person wins over one of the organization', () => {
    expect(claimsOf(aliceWith({ team: 'person' }))).toMatchObject({ team: 'person', plan: 'gold' })
  })

  test('can never take the place of a reserved one, nor add one that is not there', () => {
    const forged = Object.fromEntries(
      [
        ...['iss', 'sub', 'aud', 'exp', 'iat', 'nbf', 'jti', 'auth_time', 'nonce', 'at_hash'],
        ...['azp', 'acr', 'amr', 'sid', 'act', 'may_act', 'cnf', 'client_id', 'scope', 'role'],
        ...['tenant_id', 'org_role', 'organization_ids', 'email', 'email_verified', 'name'],
        ...['picture', 'active', 'token_type', 'agent_limits', 'agent_lineage', 'agent_type'],
      ].map((name) => [name, 'forged']),
    )
    Object.defineProperty(forged, '__proto__', { value: { forged: true }, enumerable: true })
    for (const more of [
      aliceWith(forged),
      { memberships: [membership('acme', { claims: forged })] },
    ])
      for (const scope of [['openid'], ['openid', 'profile', 'email']]) {
        const token = sign({ ...more, scope, nonce: undefined })
        expect(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).not.toContain(
          'forged',
        )
        expect(decode(token)).toMatchObject({ iss: issuer, sub: 'usr_alice', aud: 'desktop' })
      }
  })

  test.each(['sub', 'act', '__proto__', 'agent_anything'])('cannot be called %s', (name) => {
    expect(isReservedClaim(name)).toBe(true)
  })
})

describe('at_hash', () => {
  // The example of OpenID Connect Core, Appendix A.3.
  test('is that of the specification', () => {
    expect(accessTokenHash('jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y', 'RS256')).toBe(
      '77QmUPtjPfzWtF2AnpK9RQ',
    )
  })

  test.each<[SigningAlgorithm, number]>([
    ['ES256', 16],
    ['RS256', 16],
    ['EdDSA', 32],
  ])('with %s is %d octets long', (alg, octets) => {
    expect(Buffer.from(accessTokenHash('token', alg), 'base64url')).toHaveLength(octets)
  })
})

describe('an ID token that is shown', () => {
  test('is no access token, anywhere', async () => {
    const token = sign()
    const asBearer = { Authorization: `Bearer ${token}` }
    for (const path of ['/userinfo', '/delegations']) {
      expect((await server.request(path, { headers: asBearer })).status).toBe(401)
    }
    const introspected = await server.post(
      '/introspect',
      { token },
      {
        Authorization: basic('docs-server'),
      },
    )
    expect(introspected.body).toEqual({ active: false })
    expect((await server.exchange('orchestrator', token)).body).toMatchObject({
      error: 'invalid_request',
      error_detail: 'subject_token_wrong_type',
    })
  })

  test('is read as a hint even when it has expired, and only when it was signed here', () => {
    const token = sign()
    server.clock.advance(7 * 24 * 3600)
    expect(readIdTokenHint(token, server.deps)).toEqual({ sub: 'usr_alice', clientId: 'desktop' })
    const other = server.deps.keys.sign('at+jwt', decode(token))
    expect(() => readIdTokenHint(other, server.deps)).toThrow('not of the type')
    const foreign = server.deps.keys.sign('JWT', { ...decode(token), iss: 'https://evil.example' })
    expect(() => readIdTokenHint(foreign, server.deps)).toThrow('none of ours')
    const [header, , signature] = token.split('.')
    const payload = Buffer.from(JSON.stringify({ ...decode(token), sub: 'usr_bob' }))
    const changed = `${header}.${payload.toString('base64url')}.${signature}`
    expect(() => readIdTokenHint(changed, server.deps)).toThrow('none of ours')
  })

  test('is read as a hint even when its key is withdrawn', async () => {
    const token = sign()
    const { keys } = server.deps
    const { kid } = decodeHeader(token)
    server.clock.advance(90 * 24 * 3600)
    await keys.refresh()
    server.clock.advance(3600)
    expect(keys.jwks().keys.map((key) => key.kid)).not.toContain(kid)
    expect(readIdTokenHint(token, server.deps)).toEqual({ sub: 'usr_alice', clientId: 'desktop' })
  })
})
