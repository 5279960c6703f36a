/** The floor of a verification: node:crypto by hand, then the claims that every verifier checks. */
import { verify } from 'node:crypto'
import { resource } from './servers.mjs'

/** An integer of DER: no zeros before it, but for one that keeps it positive. X.690 §8.3. */
const writeInteger = (raw, from, out, at) => {
  const end = from + 32
  let start = from
  while (start < end - 1 && raw[start] === 0) start += 1
  const pad = raw[start] >= 0x80 ? 1 : 0
  out[at] = 0x02
  out[at + 1] = end - start + pad
  out[at + 2] = 0
  out.set(raw.subarray(start, end), at + 2 + pad)
  return at + 2 + pad + end - start
}

const toDer = (raw) => {
  const out = new Uint8Array(72)
  const length = writeInteger(raw, 32, out, writeInteger(raw, 0, out, 2))
  out[0] = 0x30
  out[1] = length - 2
  return out.subarray(0, length)
}

const inDer = (key) => (data, signature) => verify('sha256', data, key, toDer(signature))
const inRaw = (key) => {
  const options = { key, dsaEncoding: 'ieee-p1363' }
  return (data, signature) => verify('sha256', data, options, signature)
}

const signatureChecks = {
  'ES256 DER': inDer,
  'ES256 ieee-p1363': inRaw,
  EdDSA: (key) => (data, signature) => verify(null, data, key, signature),
  RS256: (key) => (data, signature) => verify('sha256', data, key, signature),
}

/** The ways to check one signature of an algorithm. Which is the quicker depends on the Node. */
export const floorsOf = (alg) => Object.keys(signatureChecks).filter((name) => name.startsWith(alg))

const decode = (part) => JSON.parse(Buffer.from(part, 'base64url').toString())

export const createFloor = (name, { issuer, alg, publicKey }) => {
  const isSigned = signatureChecks[name](publicKey)
  return (token) => {
    const [header, payload, signature] = token.split('.')
    const { alg: named, typ, kid } = decode(header)
    if (named !== alg || typ !== 'at+jwt' || kid !== alg) throw new Error('header')
    const data = Buffer.from(`${header}.${payload}`)
    if (!isSigned(data, Buffer.from(signature, 'base64url'))) throw new Error('signature')
    const claims = decode(payload)
    if (claims.iss !== issuer || claims.aud !== resource) throw new Error('claims')
    if (claims.exp <= Date.now() / 1000) throw new Error('expired')
    return claims
  }
}
