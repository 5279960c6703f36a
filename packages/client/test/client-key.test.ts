/** An agent that signs in with a key: RFC 7523. */
import { inspect } from 'node:util'
import { parseCompactJws } from '@behalf/protocol'
import { beforeEach, describe, expect, test } from 'vitest'
import { type AssertionAlgorithm, type ClientKey, createAgent } from '../src/index.js'
import { createWorld, issuer, json, metadata, refusal, resource } from './stub.js'

const generate = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  EdDSA: { name: 'Ed25519' },
  RS256: {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
  },
} as const

const verifyWith = {
  ES256: { name: 'ECDSA', hash: 'SHA-256' },
  EdDSA: { name: 'Ed25519' },
  RS256: { name: 'RSASSA-PKCS1-v1_5' },
} as const

const algorithms: readonly AssertionAlgorithm[] = ['ES256', 'EdDSA', 'RS256']

const createPair = async (algorithm: AssertionAlgorithm): Promise<CryptoKeyPair> => {
  const pair = await crypto.subtle.generateKey(generate[algorithm], true, ['sign', 'verify'])
  if ('privateKey' in pair) return pair
  throw new Error('no pair')
}

const pemOf = async (key: CryptoKey): Promise<string> => {
  const der = new Uint8Array(await crypto.subtle.exportKey('pkcs8', key))
  const text = btoa(String.fromCharCode(...der)).replace(/.{64}/g, '$&\n')
  return `-----BEGIN PRIVATE KEY-----\n${text}\n-----END PRIVATE KEY-----\n`
}

const bytesOf = (base64url: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(base64url.replaceAll('-', '+').replaceAll('_', '/')), (one) =>
    one.charCodeAt(0),
  )

const isSigned = async (assertion: string, algorithm: AssertionAlgorithm, key: CryptoKey) => {
  const [header, payload, signature = ''] = assertion.split('.')
  const text = new TextEncoder().encode(`${header}.${payload}`)
  return crypto.subtle.verify(verifyWith[algorithm], key, bytesOf(signature), text)
}

let world: ReturnType<typeof createWorld>
beforeEach(() => {
  world = createWorld()
})

const agentWith = (clientKey: ClientKey) => {
  const { fetch, clock } = world
  const now = () => clock.seconds * 1000
  return createAgent({ issuer, clientId: 'orchestrator', clientKey, fetch, now })
}

const assertions = () => world.tokenCalls().map(({ form }) => form.get('client_assertion') ?? '')

describe.each(algorithms)('%s', (algorithm) => {
  test('says who, to whom and until when, once for each request', async () => {
    const { privateKey, publicKey } = await createPair(algorithm)
    const agent = agentWith({ privateKey: await pemOf(privateKey), algorithm, keyId: 'k1' })
    await agent.token({ resource })
    await agent.token({ resource, scope: 'docs:read' })
    const [first = '', second = ''] = assertions()
    const { header, payload } = parseCompactJws(first)
    expect(header).toEqual({ alg: algorithm, typ: 'JWT', kid: 'k1' })
    const iat = world.clock.seconds
    expect(payload).toEqual({
      iss: 'orchestrator',
      sub: 'orchestrator',
      aud: issuer,
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
      iat,
      exp: iat + 60,
    })
    expect(await isSigned(first, algorithm, publicKey)).toBe(true)
    expect(parseCompactJws(second).payload.jti).not.toBe(payload.jti)
  })

  test('takes a JWK and a key of the platform as well, one that nobody can export', async () => {
    const { privateKey, publicKey } = await createPair(algorithm)
    const jwk = await crypto.subtle.exportKey('jwk', privateKey)
    const closed = await crypto.subtle.importKey('jwk', jwk, generate[algorithm], false, ['sign'])
    for (const key of [{ ...jwk, use: 'sig', key_ops: ['verify'] }, closed]) {
      await agentWith({ privateKey: key, algorithm }).token({ resource })
    }
    for (const assertion of assertions()) {
      expect(await isSigned(assertion, algorithm, publicKey)).toBe(true)
    }
    expect(assertions()).toHaveLength(2)
  })
})

test('the form names the client and how it signs in, and there is no other authentication', async () => {
  const { privateKey } = await createPair('ES256')
  await agentWith({ privateKey, algorithm: 'ES256' }).token({ resource })
  const [call] = world.tokenCalls()
  expect(call?.authorization).toBeNull()
  expect(call?.form.get('client_id')).toBe('orchestrator')
  expect(call?.form.get('client_assertion_type')).toBe(
    'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
  )
  expect(call?.form.has('client_secret')).toBe(false)
})

test('neither the key nor an assertion is in an error or a log', async () => {
  const { privateKey } = await createPair('ES256')
  const pem = await pemOf(privateKey)
  const agent = agentWith({ privateKey: pem, algorithm: 'ES256' })
  world.on(metadata.token_endpoint, (_, body) => {
    const error_description = new URLSearchParams(body).get('client_assertion')
    return json({ error: 'invalid_client', error_description }, 401)
  })
  const error = await refusal(agent.token({ resource }))
  const shown = inspect(error, { depth: 9 }) + JSON.stringify(error) + inspect(agent, { depth: 9 })
  expect(error.code).toBe('invalid_client')
  expect(shown).not.toContain(assertions()[0])
  expect(shown).not.toContain(pem.split('\n')[1])
})

test('a key that is none says so, and not what was given', async () => {
  const privateKey = '-----BEGIN PRIVATE KEY-----\nc2VrcmV0\n-----END PRIVATE KEY-----'
  const error = await refusal(agentWith({ privateKey, algorithm: 'ES256' }).token({ resource }))
  expect(error).toBeInstanceOf(TypeError)
  expect(inspect(error)).not.toContain('c2VrcmV0')
  expect(world.tokenCalls()).toEqual([])
})

test('without a secret there are no budgets and delegations, and the error says why', async () => {
  const { privateKey } = await createPair('ES256')
  const error = await refusal(agentWith({ privateKey, algorithm: 'ES256' }).budget('dlg_1'))
  expect(error.reason).toBe('client_secret_needed')
})

test('options that could never work are refused at once', async () => {
  const { privateKey, publicKey } = await createPair('ES256')
  const make = (options: object) => () =>
    createAgent({ issuer, clientId: 'orchestrator', ...options })
  const clientKey = { privateKey, algorithm: 'ES256' }
  expect(make({ clientKey })).not.toThrow()
  expect(make({ clientKey, clientSecret: 'both' })).toThrow(TypeError)
  expect(make({ clientKey, authMethod: 'client_secret_post' })).toThrow(TypeError)
  expect(make({ clientKey: { ...clientKey, algorithm: 'none' } })).toThrow(TypeError)
  expect(make({ clientKey: { ...clientKey, privateKey: 'text' } })).toThrow(TypeError)
  expect(make({ clientKey: { ...clientKey, privateKey: publicKey } })).toThrow(TypeError)
  expect(make({ clientKey: { algorithm: 'ES256' } })).toThrow(TypeError)
  expect(make({})).toThrow(TypeError)
})
