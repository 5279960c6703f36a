/** Client authentication by a signed assertion, `private_key_jwt`. RFC 7523 §2.2, §3. */
import { encodeBase64url } from '@behalf/protocol'

export type AssertionAlgorithm = 'ES256' | 'EdDSA' | 'RS256'

/** The private half of a key whose public half is registered for the client. */
export interface ClientKey {
  /** PKCS #8 as PEM text, a private JWK, or a `CryptoKey` that may sign. */
  privateKey: string | JsonWebKey | CryptoKey
  algorithm: AssertionAlgorithm
  /** Where the server knows several keys of this client. */
  keyId?: string | undefined
}

export interface AssertionOptions {
  clientId: string
  /** The issuer, alone: an assertion for one server is worth nothing at another. */
  audience: string
  /** Milliseconds since 1970. */
  now: () => number
}

/** @returns a new assertion, good once and for a minute */
export type SignAssertion = () => Promise<string>

const lifeSeconds = 60

const importParameters = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  EdDSA: { name: 'Ed25519' },
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
} as const

const signParameters = {
  ES256: { name: 'ECDSA', hash: 'SHA-256' },
  EdDSA: { name: 'Ed25519' },
  RS256: { name: 'RSASSA-PKCS1-v1_5' },
} as const

const misuse = (problem: string): TypeError => new TypeError(`createAgent: clientKey ${problem}.`)

const isCryptoKey = (key: JsonWebKey | CryptoKey): key is CryptoKey => 'usages' in key

const pem = /^-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END PRIVATE KEY-----\s*$/

/** What could be a private key of this kind. Whether it is one shows when it is first used. */
const checkKey = (key: unknown): void => {
  if (typeof key === 'string' && pem.test(key.trim())) return
  if (typeof key === 'object' && key !== null) {
    if ('usages' in key && Array.isArray(key.usages) && key.usages.includes('sign')) return
    if ('d' in key && typeof key.d === 'string' && 'kty' in key) return
  }
  throw misuse('must hold a privateKey: PKCS #8 PEM text, a private JWK, or a CryptoKey that signs')
}

/** @throws TypeError for a key that could never work */
export const checkClientKey = (key: ClientKey): ClientKey => {
  if (typeof key !== 'object' || key === null) throw misuse('must be an object')
  if (!Object.hasOwn(importParameters, key.algorithm)) {
    throw misuse('must name its algorithm: "ES256", "EdDSA" or "RS256"')
  }
  checkKey(key.privateKey)
  return key
}

const bytesOf = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(text.replace(/\s/g, '')), (character) => character.charCodeAt(0))

/** Not extractable: once it is read, nobody gets it out again. */
const importKey = async ({ privateKey, algorithm }: ClientKey): Promise<CryptoKey> => {
  const parameters = importParameters[algorithm]
  if (typeof privateKey === 'string') {
    const der = bytesOf(pem.exec(privateKey.trim())?.[1] ?? '')
    return crypto.subtle.importKey('pkcs8', der, parameters, false, ['sign'])
  }
  if (isCryptoKey(privateKey)) return privateKey
  // What a key set says of the use of a key is about its public half.
  const { key_ops: _, use: __, ext: ___, alg: ____, ...jwk } = privateKey
  return crypto.subtle.importKey('jwk', jwk, parameters, false, ['sign'])
}

const encode = (value: object): string =>
  encodeBase64url(new TextEncoder().encode(JSON.stringify(value)))

/** Without the platform's error: some quote the key that they could not read. */
const unusable = (): TypeError => misuse('cannot be used: it is no private key of its algorithm')

/** Reads the key once, when it is first needed, and keeps only what can sign. */
export const createAssertions = (key: ClientKey, options: AssertionOptions): SignAssertion => {
  const { clientId, audience, now } = options
  const { algorithm: alg, keyId } = key
  const header = encode({ alg, typ: 'JWT', ...(keyId !== undefined && { kid: keyId }) })
  let imported: Promise<CryptoKey> | undefined
  const sign = async (text: string): Promise<string> => {
    imported ??= importKey(key)
    const bytes = new TextEncoder().encode(text)
    const signature = await crypto.subtle.sign(signParameters[alg], await imported, bytes)
    return `${text}.${encodeBase64url(new Uint8Array(signature))}`
  }
  return async () => {
    const iat = Math.floor(now() / 1000)
    // RFC 7523 §3: who, about whom, for whom, until when, and an id so that it can be used up.
    const claims = { iss: clientId, sub: clientId, aud: audience, jti: crypto.randomUUID() }
    try {
      return await sign(`${header}.${encode({ ...claims, iat, exp: iat + lifeSeconds })}`)
    } catch {
      throw unusable()
    }
  }
}
