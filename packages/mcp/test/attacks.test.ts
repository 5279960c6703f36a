/** Published attacks on resource servers, through the guard: 401 with its challenge, and never 500. */
import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { type FetchHandler, protectMcp } from '../src/server.js'

const issuer = 'https://auth.example'
const resource = 'https://api.example/mcp'
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const attacker = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'key-1', alg: 'ES256', use: 'sig' }

const asked: string[] = []
const pages = new Map<string, object>([
  [
    `${issuer}/.well-known/oauth-authorization-server`,
    {
      issuer,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/jwks`,
    },
  ],
  [`${issuer}/jwks`, { keys: [jwk] }],
])

const guard = protectMcp({
  issuer,
  resource,
  scopes: 'docs:read',
  revocation: 'off',
  fetch: async (input) => {
    asked.push(String(input))
    const page = pages.get(String(input))
    return page ? Response.json(page) : new Response('', { status: 404 })
  },
})

let entered = 0
const inside: FetchHandler = () => {
  entered += 1
  return new Response('in')
}
const face = guard.fetch(inside)

const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

const claims = (more: object = {}) => {
  const iat = Math.floor(Date.now() / 1000)
  return {
    ...{ iss: issuer, sub: 'reader', aud: resource, client_id: 'reader', scope: 'docs:read' },
    ...{ iat, exp: iat + 300, jti: 'at_1', ...more },
  }
}

const header = (more: object = {}) => ({ alg: 'ES256', typ: 'at+jwt', kid: 'key-1', ...more })

const token = (body: unknown = claims(), head: object = header(), key = privateKey): string => {
  const input = `${encode(head)}.${encode(body)}`
  const signature = sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' })
  return `${input}.${signature.toString('base64url')}`
}

const withSignature = (signature: Buffer): string =>
  `${encode(header())}.${encode(claims())}.${signature.toString('base64url')}`

const ask = (authorization: string) =>
  face(new Request(resource, { method: 'POST', headers: { Authorization: authorization } }))

const expectKeptOut = async (authorization: string) => {
  const before = entered
  const response = await ask(authorization)
  expect(response.status).toBe(401)
  expect(entered).toBe(before)
  const challenge = response.headers.get('www-authenticate') ?? ''
  expect(challenge).toContain('resource_metadata="https://api.example/.well-known/')
  expect(challenge).toContain('scope="docs:read"')
  if (authorization.length > 40) expect(challenge).not.toContain(authorization.slice(-40))
}

test('a good token is let in, whatever the case of its type', async () => {
  for (const typ of ['at+jwt', 'AT+JWT', 'application/at+jwt']) {
    expect((await ask(`Bearer ${token(claims(), header({ typ }))}`)).status).toBe(200)
  }
})

const pem = publicKey.export({ format: 'pem', type: 'spki' })
const keyed = (secret: string | Buffer, head: object = {}) => {
  const input = `${encode(header({ alg: 'HS256', ...head }))}.${encode(claims())}`
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
}
const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex')

describe('VER-02 to VER-09: what proves nothing', () => {
  test.each([
    ['the public key as a secret', keyed(pem)],
    ['the public key with a space before it', keyed(` ${pem}`)],
    ['the public key in DER', keyed(publicKey.export({ format: 'der', type: 'spki' }))],
    ['the public key as a JWK', keyed(JSON.stringify(jwk))],
    ['an empty secret', keyed('', { kid: 'unknown' })],
    ['an empty secret without a key', keyed('', { kid: undefined })],
    ['no algorithm', `${encode(header({ alg: 'none' }))}.${encode(claims())}.`],
    ['zeros', withSignature(Buffer.alloc(64))],
    ['the order of the curve', withSignature(Buffer.concat([order, order]))],
    ['too little', withSignature(Buffer.alloc(8, 1))],
    ['DER', withSignature(sign('sha256', Buffer.from('x'), privateKey))],
    ['a key it brings along', token(claims(), header({ jwk }), attacker)],
    ['a key from elsewhere', token(claims(), header({ jku: 'https://trap.example/k' }), attacker)],
    [
      'a certificate from elsewhere',
      token(claims(), header({ x5u: 'https://trap.example' }), attacker),
    ],
    ['a path as key', token(claims(), header({ kid: '../../../../dev/null' }), attacker)],
    ['an object as key', token(claims(), header({ kid: { a: 1 } }))],
    ['a prototype as key', token(claims(), header({ kid: '__proto__' }), attacker)],
    ['another type', token(claims(), header({ typ: 'JWT' }))],
    ['no type', token(claims(), header({ typ: null }))],
    ['a type of something else', token(claims(), header({ typ: 'token-introspection+jwt' }))],
  ])('%s', (_, text) => expectKeptOut(`Bearer ${text}`))

  test('nothing was fetched from anywhere but the issuer', () => {
    expect(asked.filter((url) => !url.startsWith(`${issuer}/`))).toEqual([])
  })
})

describe('VER-11 to VER-14, VER-26: claims that do not fit', () => {
  const now = Math.floor(Date.now() / 1000)
  test.each([
    { iss: `${issuer}/` },
    { iss: issuer.toUpperCase() },
    { iss: 'http://auth.example' },
    { iss: [issuer] },
    { iss: null },
    { aud: null },
    { aud: 'https://api.example' },
    { aud: `${resource}/x` },
    { aud: `${resource}/` },
    { aud: resource.toUpperCase() },
    { aud: issuer },
    { aud: 'reader' },
    { aud: { [resource]: 1 } },
    { aud: [[resource]] },
    { aud: [] },
    { exp: now - 300 },
    { exp: undefined },
    { exp: '9999999999' },
    { nbf: now + 300 },
    { iat: now + 3600 },
    { act: 'agent' },
    { act: ['a'] },
    { act: {} },
    { act: { client_id: 'x' } },
    { cnf: { jkt: 'x' } },
    { may_act: { sub: 'reader' } },
    { agent_limits: { unheard_of: 1 } },
    { scope: ['docs:read'] },
  ])('%j', (more) => expectKeptOut(`Bearer ${token(claims(more))}`))
})

describe('VER-19, VER-20: what only takes time to read', () => {
  const deep = (depth: number, inner: string): string =>
    '{"a":'.repeat(depth) + inner + '}'.repeat(depth)
  const acts = `${'{"sub":"a","act":'.repeat(1000)}{"sub":"a"}${'}'.repeat(1000)}`
  test.each([
    ['a mebibyte', 'a'.repeat(1_048_576)],
    ['a million dots', '.'.repeat(1_000_000)],
    ['deep JSON', token(deep(10_000, '1'))],
    [
      'a thousand actors',
      token(JSON.stringify(claims({ act: 0 })).replace('"act":0', `"act":${acts}`)),
    ],
    ['a hundred thousand scopes', token(claims({ scope: 'a '.repeat(100_000) }))],
    ['five parts', 'a.b.c.d.e'],
    ['JSON', JSON.stringify({ payload: encode(claims()), signatures: [] })],
  ])('%s', async (_, text) => {
    const start = performance.now()
    await expectKeptOut(`Bearer ${text}`)
    expect(performance.now() - start).toBeLessThan(2000)
  })
})

// VER-25
test.each([
  'Bearer',
  'Bearer ',
  'Bearer  a b',
  'bearer,',
  'Bearer é',
  'Basic x',
  'Bearer ...',
  ',',
  'DPoP x',
])('a header that is %j never throws', (authorization) => expectKeptOut(authorization))

test('VER-21: a scope counts as it is written', async () => {
  const strict = guard.fetch(inside, { scope: 'docs:read' })
  const statusWith = async (scope: string) => {
    const headers = { Authorization: `Bearer ${token(claims({ scope }))}` }
    return (await strict(new Request(resource, { headers }))).status
  }
  expect(await statusWith('docs:read')).toBe(200)
  for (const scope of ['docs:readx', 'xdocs:read', 'DOCS:READ', 'docs', '']) {
    expect(await statusWith(scope)).toBe(403)
  }
  for (const scope of ['docs:read\tx', 'docs:read\u00a0x', ' docs:read']) {
    expect(await statusWith(scope)).toBe(401)
  }
})
