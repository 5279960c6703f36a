/**
 * JWS signatures with node:crypto. ES256 is made and checked as DER and converted by hand: asking
 * OpenSSL for the `ieee-p1363` form costs several times the signature in some Node releases, and
 * WebCrypto, so jose too, goes that way.
 */
import { type KeyObject, sign, verify } from 'node:crypto'
import type { SigningAlgorithm } from '@behalf/protocol'

const coordinateBytes = 32
const derInteger = 0x02
const derSequence = 0x30

const digestOf = (alg: SigningAlgorithm): string | null => (alg === 'EdDSA' ? null : 'sha256')

const copyInteger = (der: Buffer, at: number, raw: Buffer, end: number): number => {
  const length = der[at + 1] ?? 0
  let start = at + 2
  const stop = start + length
  if (der[start] === 0) start += 1
  der.copy(raw, end - (stop - start), start, stop)
  return stop
}

/** DER `SEQUENCE { r, s }` to the fixed 64 bytes of RFC 7518 §3.4. */
export const derToRaw = (der: Buffer): Buffer => {
  const raw = Buffer.alloc(2 * coordinateBytes)
  const next = copyInteger(der, 2, raw, coordinateBytes)
  copyInteger(der, next, raw, 2 * coordinateBytes)
  return raw
}

const derIntegerOf = (coordinate: Buffer): Buffer => {
  let start = 0
  while (start < coordinate.length - 1 && coordinate[start] === 0) start += 1
  const magnitude = coordinate.subarray(start)
  const sign = (magnitude[0] ?? 0) >= 0x80 ? [0] : []
  return Buffer.from([derInteger, sign.length + magnitude.length, ...sign, ...magnitude])
}

/** The reverse; `undefined` unless it is exactly 64 bytes. */
export const rawToDer = (raw: Buffer): Buffer | undefined => {
  if (raw.length !== 2 * coordinateBytes) return undefined
  const r = derIntegerOf(raw.subarray(0, coordinateBytes))
  const s = derIntegerOf(raw.subarray(coordinateBytes))
  return Buffer.concat([Buffer.from([derSequence, r.length + s.length]), r, s])
}

export const signJws = (alg: SigningAlgorithm, key: KeyObject, signingInput: string): string => {
  const signature = sign(digestOf(alg), Buffer.from(signingInput), key)
  return (alg === 'ES256' ? derToRaw(signature) : signature).toString('base64url')
}

export const verifyJws = (
  alg: SigningAlgorithm,
  key: KeyObject,
  signingInput: string,
  signature: Uint8Array,
): boolean => {
  const bytes = alg === 'ES256' ? rawToDer(Buffer.from(signature)) : signature
  return bytes !== undefined && verify(digestOf(alg), Buffer.from(signingInput), key, bytes)
}
