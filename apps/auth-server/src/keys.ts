/** The server's signing keys: created, rotated with overlap, shared by all processes of a database. */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto'
import type { SigningAlgorithm } from '@behalf/protocol'
import { signJws } from './jws-signature.js'
import { activeKey, nextActivation, publishedKeys } from './key-timeline.js'
import type { Seal } from './seal.js'
import type { StoredKey } from './store/signing-keys.js'

interface Key extends StoredKey {
  privateKey: KeyObject
  publicKey: KeyObject
  /** The encoded JOSE header of each type that it has signed. */
  headers: Map<string, string>
}

export interface Keys {
  /** Signs claims as a compact JWS with the active key; some claims depend on its algorithm. */
  sign(typ: string, claims: object | ((alg: SigningAlgorithm) => object)): string
  /** The public half of a published key. */
  find(kid: string): { alg: SigningAlgorithm; publicKey: KeyObject } | undefined
  /** The same of one that may be withdrawn: for what is old, and grants nothing. */
  findEver(kid: string): { alg: SigningAlgorithm; publicKey: KeyObject } | undefined
  /** RFC 7517 §5 */
  jwks(): { keys: Record<string, unknown>[] }
  /** Reads what other processes made, and makes a new key when one is due. */
  refresh(): Promise<void>
}

export interface KeysOptions {
  store: {
    list(): Promise<StoredKey[]>
    rotate(create: (keys: StoredKey[]) => StoredKey | undefined): Promise<StoredKey[]>
  }
  seal: Seal
  alg: SigningAlgorithm
  /** Of the longest token that the keys sign, or signed. */
  maxTokenLifetimeSeconds: number
  now: () => Date
}

const requiredMembers: Record<string, readonly string[]> = {
  EC: ['crv', 'kty', 'x', 'y'],
  OKP: ['crv', 'kty', 'x'],
  RSA: ['e', 'kty', 'n'],
}

/** RFC 7638 §3: SHA-256 over the required members in lexicographic order. */
export const jwkThumbprint = (jwk: Record<string, unknown>): string => {
  const members = requiredMembers[String(jwk.kty)] ?? []
  const canonical = JSON.stringify(Object.fromEntries(members.map((name) => [name, jwk[name]])))
  return createHash('sha256').update(canonical).digest('base64url')
}

const generate = (alg: SigningAlgorithm): KeyObject => {
  if (alg === 'ES256') return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  if (alg === 'EdDSA') return generateKeyPairSync('ed25519').privateKey
  return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
}

const createKey = (alg: SigningAlgorithm, seal: Seal, now: Date, activeFrom: Date): StoredKey => {
  const privateKey = generate(alg)
  const jwk = createPublicKey(privateKey).export({ format: 'jwk' })
  const kid = jwkThumbprint({ ...jwk })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  return {
    kid,
    alg,
    publicJwk: { ...jwk, kid, alg, use: 'sig' },
    privateKeySealed: seal.seal(pem, kid),
    createdAt: now,
    activeFrom,
  }
}

const openKey = (stored: StoredKey, seal: Seal): Key => {
  let pem: string
  try {
    pem = seal.open(stored.privateKeySealed, stored.kid)
  } catch (cause) {
    throw new Error(
      'BEHALF_SECRET does not open the signing keys in this database. Start with the secret that they were made under.',
      { cause },
    )
  }
  const privateKey = createPrivateKey(pem)
  return { ...stored, privateKey, publicKey: createPublicKey(privateKey), headers: new Map() }
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Of one key there are as many as there are types of tokens: few. */
const headerOf = ({ alg, kid, headers }: Key, typ: string): string => {
  const known = headers.get(typ)
  if (known !== undefined) return known
  const header = encode({ alg, typ, kid })
  headers.set(typ, header)
  return header
}

/** Opens the keys of the database, creating the first one when there is none. */
export const openKeys = async (options: KeysOptions): Promise<Keys> => {
  const { store, seal, alg, now } = options
  const byKid = new Map<string, Key>()

  const adopt = (stored: StoredKey[]): void => {
    for (const key of stored) if (!byKid.has(key.kid)) byKid.set(key.kid, openKey(key, seal))
  }
  const rotate = (): Promise<StoredKey[]> =>
    store.rotate((keys) => {
      const activation = nextActivation(keys, alg, now())
      return activation && createKey(alg, seal, now(), activation)
    })
  const refresh = async (): Promise<void> => {
    adopt(await store.list())
    if (nextActivation([...byKid.values()], alg, now())) adopt(await rotate())
  }
  await refresh()
  const published = (): Key[] =>
    publishedKeys([...byKid.values()], now(), options.maxTokenLifetimeSeconds)

  return {
    refresh,
    find: (kid) => published().find((key) => key.kid === kid),
    findEver: (kid) => byKid.get(kid),
    jwks: () => ({
      keys: published().map(({ publicJwk }) => publicJwk),
    }),
    sign: (typ, claims) => {
      const key = activeKey([...byKid.values()], now())
      if (!key) throw new Error('there is no signing key')
      const payload = typeof claims === 'function' ? claims(key.alg) : claims
      const signingInput = `${headerOf(key, typ)}.${encode(payload)}`
      return `${signingInput}.${signJws(key.alg, key.privateKey, signingInput)}`
    },
  }
}
