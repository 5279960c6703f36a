/** Tokens that the server never made: under its own key, under a stranger's, or under none. */
import { createPrivateKey, type KeyObject, sign } from 'node:crypto'
import { derToRaw } from '../src/jws-signature.js'
import { createSeal } from '../src/seal.js'
import { decode, serverSecret, type TestServer } from './harness.js'

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A compact JWS over exactly this header and payload. */
export const jws = (
  header: object,
  payload: object,
  signer: (signingInput: string) => Buffer,
): string => {
  const signingInput = `${encode(header)}.${encode(payload)}`
  return `${signingInput}.${signer(signingInput).toString('base64url')}`
}

/** ECDSA over P-256, in the form of JWS or as the DER that other libraries make. */
export const es256 =
  (key: KeyObject, form: 'jws' | 'der' = 'jws') =>
  (signingInput: string): Buffer => {
    const der = sign('sha256', Buffer.from(signingInput), key)
    return form === 'der' ? der : derToRaw(der)
  }

export const decodeHeader = (token: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString())

/** The private key that the server signs with, out of its database. */
export const serverKey = async ({ deps }: TestServer): Promise<KeyObject> => {
  const [stored] = await deps.store.signingKeys.list()
  if (!stored) throw new Error('the server has no key')
  return createPrivateKey(createSeal(serverSecret).open(stored.privateKeySealed, stored.kid))
}

/** The same token with other claims, truly signed by the server. `undefined` takes a claim away. */
export const resign = ({ deps }: TestServer, token: string, claims: object, typ = 'at+jwt') =>
  deps.keys.sign(typ, { ...decode(token), ...claims })
