/** Tokens of every kind, good and forged, by WebCrypto alone. RFC 7515. */
import { decodeBase64url, encodeBase64url } from '@behalf/protocol'

export type Members = Readonly<Record<string, unknown>>

const encoder = new TextEncoder()

const curve = { name: 'ECDSA', namedCurve: 'P-256' } as const

export interface SigningKey {
  kid: string
  publicJwk: Members
  sign: (input: string) => Promise<string>
}

export const createSigningKey = async (kid: string): Promise<SigningKey> => {
  const { publicKey, privateKey } = await crypto.subtle.generateKey(curve, true, ['sign', 'verify'])
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', publicKey)
  const algorithm = { name: 'ECDSA', hash: 'SHA-256' }
  return {
    kid,
    publicJwk: { kty, crv, x, y, kid, alg: 'ES256', use: 'sig' },
    sign: async (input) => {
      const signature = await crypto.subtle.sign(algorithm, privateKey, encoder.encode(input))
      return encodeBase64url(new Uint8Array(signature))
    },
  }
}

/** A member that is `undefined` is left out. */
export const encodePart = (members: Members | string): string =>
  encodeBase64url(encoder.encode(typeof members === 'string' ? members : JSON.stringify(members)))

export const signWith = async (key: SigningKey, header: Members, claims: Members | string) => {
  const input = `${encodePart({ alg: 'ES256', kid: key.kid, ...header })}.${encodePart(claims)}`
  return `${input}.${await key.sign(input)}`
}

/** What a server that lets the token choose its algorithm would check with the issuer's public key. */
export const signHmac = async (
  secret: Uint8Array<ArrayBuffer>,
  header: Members,
  claims: Members,
): Promise<string> => {
  const input = `${encodePart({ ...header, alg: 'HS256' })}.${encodePart(claims)}`
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  const key = await crypto.subtle.importKey('raw', secret, algorithm, false, ['sign'])
  const signature = await crypto.subtle.sign('HMAC', key, encoder.encode(input))
  return `${input}.${encodeBase64url(new Uint8Array(signature))}`
}

const algorithmOf = ({ kty, crv, alg }: Members) => {
  if (kty === 'EC') return { name: 'ECDSA', namedCurve: String(crv) }
  if (kty === 'RSA') return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
  return kty === 'OKP' && (alg === 'EdDSA' || crv === 'Ed25519') ? { name: 'Ed25519' } : undefined
}

const toPem = (der: Uint8Array): string => {
  const lines = btoa(String.fromCharCode(...der)).match(/.{1,64}/g) ?? []
  return ['-----BEGIN PUBLIC KEY-----', ...lines, '-----END PUBLIC KEY-----'].join('\n')
}

/** A public key in the forms in which it has been taken for a secret, with their names. */
export const publicKeyAsSecrets = async (
  jwk: Members,
): Promise<[name: string, secret: Uint8Array<ArrayBuffer>][]> => {
  const asJson: [string, Uint8Array<ArrayBuffer>] = ['JWK', encoder.encode(JSON.stringify(jwk))]
  const algorithm = algorithmOf(jwk)
  if (!algorithm) return [asJson]
  try {
    const key = await crypto.subtle.importKey('jwk', { ...jwk }, algorithm, true, ['verify'])
    const der = new Uint8Array(await crypto.subtle.exportKey('spki', key))
    const pem = toPem(der)
    return [
      ['PEM', encoder.encode(pem)],
      ['PEM with a last newline', encoder.encode(`${pem}\n`)],
      ['DER', der],
      asJson,
    ]
  } catch {
    return [asJson]
  }
}

export interface Decoded {
  header: Members
  claims: Members
  signature: string
}

const decodePart = (part: string): Members | undefined => {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(decodeBase64url(part)))
    return typeof value === 'object' && value !== null ? { ...value } : undefined
  } catch {
    return undefined
  }
}

/** The parts of a JWT, unverified; `undefined` for a token that is none. */
export const decodeToken = (token: string): Decoded | undefined => {
  const [first = '', second = '', signature = '', ...rest] = token.split('.')
  const [header, claims] = [decodePart(first), decodePart(second)]
  return header && claims && rest.length === 0 ? { header, claims, signature } : undefined
}
