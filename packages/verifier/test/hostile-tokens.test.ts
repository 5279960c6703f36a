import { createHmac } from 'node:crypto'
import { encodeBase64url } from '@behalf/protocol'
import { exportSPKI, importJWK } from 'jose'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Verifier } from '../src/index.js'
import {
  audience,
  bearer,
  createIssuer,
  encode,
  type Issuer,
  issuerUrl,
  makeKey,
  refusal,
  signRaw,
  type TestKey,
  verifierFor,
} from './issuer.js'

let issuer: Issuer
let verifier: Verifier
let attacker: TestKey

beforeAll(async () => {
  attacker = await makeKey('attacker')
})
beforeEach(async () => {
  issuer = await createIssuer()
  verifier = verifierFor(issuer)
  // A warm verifier: a refusal must come from the check, not from a missing key.
  await verifier.verify(await issuer.token())
})

const refuses = async (token: string, reason?: string | RegExp) => {
  const error = await refusal(verifier.verify(bearer(token)))
  expect(error).toMatchObject({ name: 'OAuthError', code: 'invalid_token', status: 401 })
  if (reason !== undefined) expect(error.reason).toMatch(reason)
  expect(error.message).not.toContain(token.slice(0, 20))
}

describe('the algorithm', () => {
  const hmac = (secret: string | Uint8Array, header: object) => {
    const input = `${encode({ typ: 'at+jwt', kid: 'key-1', ...header })}.${encode(issuer.claims())}`
    return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
  }

  it('is never HS256, whatever it is keyed with', async () => {
    const key = (await importJWK(issuer.key.jwk, 'ES256')) as CryptoKey
    const pem = await exportSPKI(key)
    const der = Buffer.from(pem.replaceAll(/-----.*-----|\s/g, ''), 'base64')
    const secrets = [
      pem,
      ` ${pem}`,
      der,
      JSON.stringify(issuer.key.jwk),
      issuer.key.jwk.x ?? '',
      '',
    ]
    for (const secret of secrets) {
      await refuses(hmac(secret, { alg: 'HS256' }), 'unacceptable_algorithm')
      await refuses(hmac(secret, { alg: 'HS256', kid: 'unknown' }), 'unacceptable_algorithm')
    }
  })

  it.each(['none', 'None', 'NONE', '', 'ES384', 'PS256', 'ES256K', null, 256, ['ES256']])(
    'is never %j',
    async (alg) => {
      await refuses(await issuer.token({}, { alg }), 'unacceptable_algorithm')
      const unsigned = `${encode({ alg, kid: 'key-1', typ: 'at+jwt' })}.${encode(issuer.claims())}.`
      await refuses(unsigned)
    },
  )

  it('must be the one of the key: a P-256 key verifies no EdDSA or RS256', async () => {
    await refuses(await issuer.token({}, { alg: 'EdDSA' }), 'unknown_key')
    await refuses(await issuer.token({}, { alg: 'RS256' }), 'unknown_key')
  })
})

describe('the signature', () => {
  const order = Buffer.from(
    'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551',
    'hex',
  )
  const zero = Buffer.alloc(32)
  const one = Buffer.concat([Buffer.alloc(31), Buffer.from([1])])

  it.each([
    ['all zero', Buffer.alloc(64)],
    ['r = s = n', Buffer.concat([order, order])],
    ['r = 0', Buffer.concat([zero, one])],
    ['s = 0', Buffer.concat([one, zero])],
    ['too short', Buffer.alloc(63, 1)],
    ['too long', Buffer.alloc(65, 1)],
    ['DER', Buffer.from('3006020101020101', 'hex')],
  ])('is refused when it is %s', async (_title, signature) => {
    const [header, payload] = (await issuer.token()).split('.')
    await refuses(`${header}.${payload}.${encodeBase64url(signature)}`, 'bad_signature')
  })

  it('is refused when the payload was changed', async () => {
    const [header, , signature] = (await issuer.token()).split('.')
    await refuses(`${header}.${encode(issuer.claims({ sub: 'root' }))}.${signature}`, /bad_sig/)
  })

  it('is refused when it is of another key, whatever the header brings along', async () => {
    const url = 'https://trap.example/jwks'
    for (const extra of [{ jwk: attacker.jwk }, { x5c: ['AAAA'] }, { jku: url }, { x5u: url }]) {
      const token = await issuer.token({}, { kid: 'key-1', ...extra }, attacker)
      await refuses(token, 'bad_signature')
    }
    expect(issuer.state.requests.join()).not.toContain('trap')
  })
})

describe('the header', () => {
  it.each(['../../../../dev/null', "' UNION SELECT 1--", 'http://127.0.0.1/', '__proto__'])(
    'may not name a key as %j',
    async (kid) => refuses(await issuer.token({}, { kid }, attacker), 'unknown_key'),
  )
  it.each(['constructor', 'toString', 'ES256 key-1'])('finds no key called %j', async (kid) =>
    refuses(await issuer.token({}, { kid }, attacker), 'unknown_key'),
  )
  it.each([{ a: 1 }, ['key-1'], 0, null, '', 'k'.repeat(256), undefined])(
    'must name a key in words: %j',
    async (kid) => refuses(await issuer.token({}, { kid }), 'missing_kid'),
  )
  it('may not name a key of a megabyte', async () =>
    refuses(await issuer.token({}, { kid: 'k'.repeat(1_048_576) }), 'token_too_long'))

  it.each(['JWT', null, undefined, 'dpop+jwt', 'logout+jwt', 'token-introspection+jwt', 'at+jwt '])(
    'is refused with the type %j',
    async (typ) => refuses(await issuer.token({}, { typ }), 'wrong_type'),
  )
  it.each(['secevent+jwt', 'client-authentication+jwt', 'revocation-feed+jwt', ['at+jwt']])(
    'is refused with the type of something else: %j',
    async (typ) => refuses(await issuer.token({}, { typ }), 'wrong_type'),
  )
  it.each([['b64'], ['exp'], [], 'b64', null])('is refused with crit %j', async (crit) =>
    refuses(await issuer.token({}, { crit, b64: true }), 'unknown_critical_header'),
  )
  it('is refused with a member twice', async () => {
    const header = '{"alg":"none","alg":"ES256","kid":"key-1","typ":"at+jwt"}'
    await refuses(await signRaw(header, issuer.claims(), issuer.key), 'duplicate_member')
  })
})

describe('issuer, audience and times', () => {
  it.each([
    `${issuerUrl}/`,
    issuerUrl.toUpperCase(),
    'http://auth.example',
    `${issuerUrl}/t2`,
    [issuerUrl, 'https://evil.example'],
    null,
    undefined,
  ])('refuses the issuer %j', async (iss) => refuses(await issuer.token({ iss }), /issuer|_iss/))

  it.each([
    undefined,
    null,
    'https://other',
    `${audience}/x`,
    audience.slice(0, -1),
    audience.toUpperCase(),
    { 0: audience },
    ['x', [audience]],
    [],
    'researcher',
    `${audience}/`,
  ])('refuses the audience %j', async (aud) =>
    refuses(await issuer.token({ aud }), /audience|_aud/),
  )

  it.each(['missing', '1e400', '"1900000000"', '-1', '1.5', 'null', 'true', '1900000000000'])(
    'refuses an exp of %s',
    async (exp) => {
      const { exp: _, ...claims } = issuer.claims()
      const rest = JSON.stringify(claims).slice(0, -1)
      const payload = exp === 'missing' ? `${rest}}` : `${rest},"exp":${exp}}`
      const header = { alg: 'ES256', kid: 'key-1', typ: 'at+jwt' }
      await refuses(await signRaw(header, payload, issuer.key), 'malformed_claim_exp')
    },
  )

  it('refuses a token that is not valid yet, and one that has expired', async () => {
    const now = issuer.clock.seconds
    await refuses(await issuer.token({ nbf: now + 300 }), 'token_not_yet_valid')
    await refuses(await issuer.token({ iat: now + 3600, exp: now + 7200 }), 'token_not_yet_valid')
    await refuses(await issuer.token({ exp: now - 5 }), 'token_expired')
    await expect(verifier.verify(await issuer.token({ nbf: now + 5 }))).resolves.toBeTruthy()
  })
})

describe('what a token is for', () => {
  it('refuses a hand-off: it is good for being accepted and nothing else', async () =>
    refuses(await issuer.token({ may_act: { sub: 'researcher' } }), 'hand_off_token'))

  it.each([{ jkt: 'x' }, {}, null, 'x'])('refuses one that is bound by cnf %j', async (cnf) =>
    refuses(await issuer.token({ cnf }), 'sender_bound_token'),
  )
  it('refuses one with an actor or with limits that could not be revoked', async () => {
    await refuses(await issuer.token({ agent_lineage: undefined }), 'missing_lineage')
    const own = { act: undefined, agent_lineage: undefined }
    await refuses(await issuer.token(own), 'missing_lineage')
    const unlimited = { agent_limits: undefined, agent_lineage: undefined }
    await refuses(await issuer.token(unlimited), 'missing_lineage')
    await refuses(await issuer.token({ agent_lineage: [] }), 'malformed_claim_agent_lineage')
  })
  it('refuses a limit that it does not know', async () =>
    refuses(await issuer.token({ agent_limits: { max_files: 3 } }), 'malformed_claim_agent_limits'))

  it.each([
    'agent',
    ['a'],
    {},
    { client_id: 'x' },
    { sub: 'usr_alice' },
    { sub: 'agent', iss: 'https://evil.example' },
    { sub: 'a', act: { sub: 'b', act: { sub: 'a' } } },
    { sub: '' },
    { sub: 'a', act: 'b' },
    null,
  ])('refuses the actor %j', async (act) => refuses(await issuer.token({ act })))

  it.each(['a\tb', 'a,b"', 'a\u00a0b', ['docs:read'], 'a  b', ' a', 1])(
    'refuses a scope that is none: %j',
    async (scope) => refuses(await issuer.token({ scope }), 'malformed_claim_scope'),
  )
})

describe('forms and bombs', () => {
  const nest = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`
  const header = { alg: 'ES256', kid: 'key-1', typ: 'at+jwt' }

  it.each([
    ['five parts', 'a.b.c.d.e'],
    ['JSON serialisation', '{"payload":"e30","signatures":[]}'],
    ['nothing but dots', '...'],
    ['a million dots', '.'.repeat(1_000_000)],
    ['a megabyte', 'a'.repeat(1_048_576)],
    ['one letter', 'x'],
    ['arrays for objects', `${encode([])}.${encode([])}.AAAA`],
    ['a null header', `${encode('null')}.${encode('null')}.AAAA`],
    ['bytes that are no text', '_____w._____w.AAAA'],
  ])('refuses %s, before the time of a test is over', async (_title, token) => {
    await refuses(token)
  })

  it('refuses nesting and floods, before the time of a test is over', async () => {
    await refuses(`${encode(nest(5000))}.${encode('{}')}.AAAA`)
    const deepAct = `${'{"sub":"a","act":'.repeat(400)}{"sub":"b"}${'}'.repeat(400)}`
    const claims = JSON.stringify(issuer.claims({ act: undefined })).slice(0, -1)
    await refuses(await signRaw(header, `${claims},"act":${deepAct}}`, issuer.key), /_act$/)
    const scope = 'a '.repeat(5000).trim()
    await refuses(await issuer.token({ scope }), 'malformed_claim_scope')
    await refuses(await issuer.token({ scope: 'a '.repeat(100_000).trim() }), 'token_too_long')
  })

  it('bears a deep claim of no meaning to us', async () => {
    const claims = JSON.stringify(issuer.claims()).slice(0, -1)
    const token = await signRaw(header, `${claims},"deep":${nest(4000)}}`, issuer.key)
    await expect(verifier.verify(token)).resolves.toBeTruthy()
  })

  it('refuses a claim twice, and __proto__', async () => {
    const claims = JSON.stringify(issuer.claims()).slice(0, -1)
    const twice = await signRaw(header, `${claims},"sub":"root"}`, issuer.key)
    await refuses(twice, 'duplicate_member')
    const proto = await signRaw(header, `${claims},"__proto__":{"act":1}}`, issuer.key)
    await refuses(proto, 'forbidden_member')
  })
})
