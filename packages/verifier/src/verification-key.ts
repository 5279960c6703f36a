/** A public key of the issuer that is good for one algorithm and nothing else. RFC 7517, RFC 8725. */
import { encodeBase64url, type SigningAlgorithm } from '@behalf/protocol'
import { nodeSignatureCheck } from './node-signature.js'

export interface VerificationKey {
  kid: string
  alg: SigningAlgorithm
  /** The public members, as text: two equal ones are the same key. */
  thumbprint: string
  /** At once where it can be said at once. */
  verify: (signingInput: string, signature: Uint8Array<ArrayBuffer>) => boolean | Promise<boolean>
}

const parameters = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  EdDSA: { name: 'Ed25519' },
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
} as const

const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']
const minRSABits = 2048
const maxRSABits = 8192
const encoder = new TextEncoder()

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

/** The algorithm follows from the kind of key, never from the token alone. RFC 8725 §3.1 */
const shapeOf = (
  jwk: Record<string, unknown>,
): { alg: SigningAlgorithm; key: JsonWebKey } | undefined => {
  const [x, y, n, e] = [text(jwk.x), text(jwk.y), text(jwk.n), text(jwk.e)]
  if (jwk.kty === 'EC' && jwk.crv === 'P-256' && x && y) {
    return { alg: 'ES256', key: { kty: 'EC', crv: 'P-256', x, y } }
  }
  if (jwk.kty === 'OKP' && jwk.crv === 'Ed25519' && x) {
    return { alg: 'EdDSA', key: { kty: 'OKP', crv: 'Ed25519', x } }
  }
  if (jwk.kty === 'RSA' && n && e) return { alg: 'RS256', key: { kty: 'RSA', n, e } }
  return undefined
}

const isForVerifying = (jwk: Record<string, unknown>, alg: SigningAlgorithm): boolean =>
  (jwk.use === undefined || jwk.use === 'sig') &&
  (jwk.alg === undefined || jwk.alg === alg) &&
  (jwk.key_ops === undefined || (Array.isArray(jwk.key_ops) && jwk.key_ops.includes('verify'))) &&
  // A private key in public is anybody's key.
  !privateMembers.some((member) => Object.hasOwn(jwk, member))

// RFC 7518 §3.3
const hasStrength = (key: CryptoKey): boolean => {
  const { modulusLength } = key.algorithm as { modulusLength?: number }
  return modulusLength === undefined || (modulusLength >= minRSABits && modulusLength <= maxRSABits)
}

/** WebCrypto refuses points that are not on the curve. */
const importPublic = async (
  alg: SigningAlgorithm,
  jwk: JsonWebKey,
): Promise<CryptoKey | undefined> => {
  try {
    const key = await crypto.subtle.importKey('jwk', jwk, parameters[alg], true, ['verify'])
    return hasStrength(key) ? key : undefined
  } catch {
    return undefined
  }
}

/** What cannot be checked was not signed. */
const verifyWith = (alg: SigningAlgorithm, key: CryptoKey): VerificationKey['verify'] => {
  const check = nodeSignatureCheck(alg, key)
  const never = () => false
  return (signingInput, signature) => {
    const data = encoder.encode(signingInput)
    try {
      if (check) return check(data, signature)
      return crypto.subtle.verify(parameters[alg], key, signature, data).catch(never)
    } catch {
      return false
    }
  }
}

/** @returns `undefined` for a key that is not for us: another kind, another use, too weak, private */
export const importVerificationKey = async (
  jwk: Readonly<Record<string, unknown>>,
): Promise<VerificationKey | undefined> => {
  const shape = shapeOf(jwk)
  const kid = text(jwk.kid)
  if (!shape || !kid || !isForVerifying(jwk, shape.alg)) return undefined
  const key = await importPublic(shape.alg, shape.key)
  if (!key) return undefined
  const thumbprint = encodeBase64url(encoder.encode(JSON.stringify(shape.key)))
  return Object.freeze({ kid, alg: shape.alg, thumbprint, verify: verifyWith(shape.alg, key) })
}
