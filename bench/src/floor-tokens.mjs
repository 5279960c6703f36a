/**
 * The cryptography of the floor, by hand: ES256 in DER and converted, since `ieee-p1363` is slow in some
 * versions of Node. Nothing is cached.
 */
import { generateKeyPairSync, randomUUID, sign, verify } from 'node:crypto'

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const kid = 'floor'
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
const header = encode({ alg: 'ES256', typ: 'at+jwt', kid })

export const jwks = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid, alg: 'ES256' }] }

const toRaw = (der) => {
  const raw = Buffer.alloc(64)
  let at = 2
  for (const end of [32, 64]) {
    const stop = at + 2 + der[at + 1]
    const start = der[at + 2] === 0 ? at + 3 : at + 2
    der.copy(raw, end - (stop - start), start, stop)
    at = stop
  }
  return raw
}

const toInteger = (bytes) => {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1
  const padding = bytes[start] > 0x7f ? [0] : []
  const value = Buffer.concat([Buffer.from(padding), bytes.subarray(start)])
  return Buffer.concat([Buffer.from([2, value.length]), value])
}

const toDer = (raw) => {
  const integers = Buffer.concat([toInteger(raw.subarray(0, 32)), toInteger(raw.subarray(32))])
  return Buffer.concat([Buffer.from([0x30, integers.length]), integers])
}

/** @returns the claims and the text that they are in */
export const signToken = ({ issuer, ...claims }) => {
  const iat = Math.floor(Date.now() / 1000)
  const payload = { iss: issuer, ...claims, iat, exp: iat + 900, jti: randomUUID() }
  const input = `${header}.${encode(payload)}`
  const signature = toRaw(sign('sha256', Buffer.from(input), privateKey))
  return { payload, token: `${input}.${signature.toString('base64url')}` }
}

/** @returns the claims, or undefined when the token is not good */
export const verifyToken = (token) => {
  const [head, body, signature] = token.split('.')
  if (head !== header) return undefined
  const der = toDer(Buffer.from(signature, 'base64url'))
  if (!verify('sha256', Buffer.from(`${head}.${body}`), publicKey, der)) return undefined
  const payload = JSON.parse(Buffer.from(body, 'base64url').toString())
  return payload.exp > Date.now() / 1000 ? payload : undefined
}
