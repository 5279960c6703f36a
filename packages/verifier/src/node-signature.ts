/** Signatures by node:crypto, where there is one: at once, and for half of what WebCrypto costs there. */
import type { SigningAlgorithm } from '@behalf/protocol'

type Bytes = Uint8Array<ArrayBuffer>

/** What we use of node:crypto. Its own types would be those of the whole of Node. */
interface NodeCrypto {
  KeyObject: { from: (key: CryptoKey) => object }
  verify: (hash: string | null, data: Bytes, key: object, signature: Bytes) => boolean
}

interface NodeProcess {
  versions?: Record<string, string | undefined>
  getBuiltinModule?: (id: string) => NodeCrypto | undefined
}

/** Others that look like Node have a WebCrypto without its costs, and a node:crypto of their own making. */
const findNodeCrypto = (): NodeCrypto | undefined => {
  const { process } = globalThis as { process?: NodeProcess }
  const { node, uv, bun, deno } = process?.versions ?? {}
  if (node === undefined || uv === undefined || bun !== undefined || deno !== undefined) {
    return undefined
  }
  return process?.getBuiltinModule?.('node:crypto')
}

const coordinateBytes = 32

/** X.690 §8.3: no zeros in front, but for one that keeps the number positive. @returns its end */
const writeInteger = (der: Bytes, at: number, signature: Bytes, from: number): number => {
  const end = from + coordinateBytes
  let start = from
  while (start < end - 1 && signature[start] === 0) start += 1
  const pad = (signature[start] ?? 0) >= 0x80 ? 1 : 0
  const length = end - start + pad
  der[at] = 0x02
  der[at + 1] = length
  der.set(signature.subarray(start, end), at + 2 + pad)
  return at + 2 + length
}

/**
 * The two numbers of a JWS signature (RFC 7518 §3.4) as OpenSSL writes them (RFC 3279 §2.2.3). Letting
 * it convert them itself costs some versions of Node a third more.
 */
const toDer = (signature: Bytes): Bytes => {
  const der = new Uint8Array(2 * coordinateBytes + 8)
  const middle = writeInteger(der, 2, signature, 0)
  const end = writeInteger(der, middle, signature, coordinateBytes)
  der[0] = 0x30
  der[1] = end - 2
  return der.subarray(0, end)
}

const checks: Record<
  SigningAlgorithm,
  (node: NodeCrypto, key: object, data: Bytes, signature: Bytes) => boolean
> = {
  // RFC 7518 §3.4: any other length is no signature.
  ES256: ({ verify }, key, data, signature) =>
    signature.length === 2 * coordinateBytes && verify('sha256', data, key, toDer(signature)),
  EdDSA: ({ verify }, key, data, signature) => verify(null, data, key, signature),
  RS256: ({ verify }, key, data, signature) => verify('sha256', data, key, signature),
}

export type CheckSignature = (data: Bytes, signature: Bytes) => boolean

/** @returns `undefined` where there is no node:crypto: then WebCrypto does it */
export const nodeSignatureCheck = (
  alg: SigningAlgorithm,
  key: CryptoKey,
): CheckSignature | undefined => {
  const node = findNodeCrypto()
  if (!node) return undefined
  const check = checks[alg]
  try {
    const keyObject = node.KeyObject.from(key)
    return (data, signature) => check(node, keyObject, data, signature)
  } catch {
    // Somebody put another WebCrypto in the place of Node's.
    return undefined
  }
}
