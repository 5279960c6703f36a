/** node:crypto says yes and no where WebCrypto does. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { nodeSignatureCheck } from '../src/node-signature.js'

const parameters = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  EdDSA: { name: 'Ed25519' },
  RS256: {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
  },
} as const

const makeChecks = async (alg: keyof typeof parameters) => {
  const pair = await crypto.subtle.generateKey(parameters[alg], true, ['sign', 'verify'])
  const { privateKey, publicKey } = pair as CryptoKeyPair
  const sign = async (data: Uint8Array<ArrayBuffer>) =>
    new Uint8Array(await crypto.subtle.sign(parameters[alg], privateKey, data))
  const byWeb = (data: Uint8Array<ArrayBuffer>, signature: Uint8Array<ArrayBuffer>) =>
    crypto.subtle.verify(parameters[alg], publicKey, signature, data)
  const check = nodeSignatureCheck(alg, publicKey)
  if (!check) throw new Error('there is a node:crypto here')
  return { sign, check, byWeb }
}

const random = (length: number) => crypto.getRandomValues(new Uint8Array(length))

describe.each(['ES256', 'EdDSA', 'RS256'] as const)('a signature of %s', (alg) => {
  it('is good, and of other data or with a bit turned it is not', async () => {
    const { sign, check } = await makeChecks(alg)
    // So many that numbers with zeros in front, and with the highest bit set, are among them.
    for (let run = 0; run < 600; run += 1) {
      const data = random(40)
      const signature = await sign(data)
      expect(check(data, signature)).toBe(true)
      expect(check(random(40), signature)).toBe(false)
      signature[run % signature.length] = (signature[run % signature.length] ?? 0) ^ 1
      expect(check(data, signature)).toBe(false)
    }
  }, 20_000)

  it('of another length or of extreme numbers is none', async () => {
    const { sign, check, byWeb } = await makeChecks(alg)
    const data = random(40)
    const good = await sign(data)
    const half = good.length / 2
    const zeros = new Uint8Array(half)
    const hostile = [
      new Uint8Array(0),
      new Uint8Array(good.length),
      new Uint8Array(good.length).fill(255),
      good.slice(1),
      good.slice(0, -1),
      new Uint8Array([...good, 0]),
      new Uint8Array([0, ...good]),
      new Uint8Array([...zeros, ...good.slice(half)]),
      new Uint8Array([...good.slice(0, half), ...zeros]),
      random(good.length),
      random(72),
    ]
    for (const signature of hostile) {
      expect(check(data, signature)).toBe(false)
      expect(await byWeb(data, signature)).toBe(false)
    }
  })
})

describe('elsewhere', () => {
  afterEach(() => {
    vi.unstubAllGlobals()
  })

  it.each([
    ['no process at all', undefined],
    ['a process without versions', {}],
    ['something that only looks like Node', { versions: { node: '20.0.0' } }],
    ['Bun', { versions: { ...process.versions, bun: '1.0.0' } }],
    ['Deno', { versions: { ...process.versions, deno: '2.0.0' } }],
  ])('with %s it is left to WebCrypto', async (_, other) => {
    const pair = await crypto.subtle.generateKey(parameters.ES256, true, ['sign', 'verify'])
    vi.stubGlobal('process', other && { getBuiltinModule: process.getBuiltinModule, ...other })
    expect(nodeSignatureCheck('ES256', (pair as CryptoKeyPair).publicKey)).toBeUndefined()
  })
})
