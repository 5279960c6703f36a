/** Tokens that anyone can make out of a good one, without the key of its issuer. RFC 8725. */
import { encodeBase64url } from '@behalf/protocol'
import { type Check, skipped } from '../check.js'
import { readObject } from '../http.js'
import {
  createSigningKey,
  encodePart,
  type Members,
  publicKeyAsSecrets,
  signHmac,
  signWith,
} from '../signing.js'
import type { Target } from '../target.js'
import { type Labelled, refusesAll } from './bad-tokens.js'
import { specs } from './specs.js'

const rewrite = (alg: string, signature: string) => (header: Members, claims: Members) =>
  `${encodePart({ ...header, alg })}.${encodePart(claims)}.${signature}`

const algNone: Check = {
  id: 'alg-none-401',
  title: 'A token that says it needs no signature is refused.',
  level: 'must',
  spec: specs.algorithms,
  fix: 'Give your JWT library the list of algorithms that the issuer uses. Never let the token choose.',
  run: async (target) => {
    const { header, claims, signature } = await target.goodParts()
    const names = ['none', 'None', 'NONE', 'nOnE', '']
    const tokens = names.flatMap((alg): Labelled[] => [
      [`alg "${alg}"`, rewrite(alg, '')(header, claims)],
      [`alg "${alg}" with a signature`, rewrite(alg, signature || 'AA')(header, claims)],
    ])
    return refusesAll(target, tokens)
  },
}

const publicKeys = async (target: Target): Promise<Members[]> => {
  const { jwks_uri: uri } = (await target.issuerMetadata()) ?? {}
  if (typeof uri !== 'string') return []
  const keys = readObject((await target.get(uri)).text)?.keys
  return Array.isArray(keys) ? keys.slice(0, 3).map((key) => ({ ...Object(key) })) : []
}

const hs256: Check = {
  id: 'hs256-with-public-key-401',
  title: 'A token whose HMAC is keyed with the public key of the issuer is refused.',
  level: 'must',
  spec: specs.algorithms,
  fix: 'Bind each key to its algorithm, and accept no HMAC where keys are public.',
  run: async (target) => {
    const { header, claims } = await target.goodParts()
    const tokens: Labelled[] = []
    for (const jwk of await publicKeys(target)) {
      for (const [name, secret] of await publicKeyAsSecrets(jwk)) {
        const named = { ...header, ...(jwk.kid !== undefined && { kid: jwk.kid }) }
        tokens.push([name, await signHmac(secret, named, claims)])
      }
    }
    return tokens.length === 0
      ? skipped('the issuer publishes no keys (jwks_uri)')
      : refusesAll(target, tokens)
  },
}

const changedPayload: Check = {
  id: 'changed-payload-401',
  title: 'A token that was changed after it was signed is refused.',
  level: 'must',
  spec: specs.jws,
  fix: 'Verify the signature before reading any claim.',
  run: async (target) => {
    const { header, claims, signature } = await target.goodParts()
    const change = (more: Members) =>
      `${encodePart(header)}.${encodePart({ ...claims, ...more })}.${signature || 'AA'}`
    return refusesAll(target, [
      ['another subject', change({ sub: 'admin' })],
      ['a later end', change({ exp: 9_999_999_999 })],
      ['more scope', change({ scope: 'admin' })],
    ])
  },
}

const changedSignature: Check = {
  id: 'bad-signature-401',
  title: 'A token whose signature is empty, zero, cut or another one is refused.',
  level: 'must',
  spec: specs.jws,
  fix: 'Verify the signature, and refuse one of the wrong length.',
  run: async (target) => {
    const { header, claims, signature } = await target.goodParts()
    const input = `${encodePart(header)}.${encodePart(claims)}`
    const stranger = await createSigningKey(String(header.kid ?? 'stranger'))
    return refusesAll(target, [
      ['no signature', `${input}.`],
      ['a signature of zeros', `${input}.${encodeBase64url(new Uint8Array(64))}`],
      ['a cut signature', `${input}.${signature.slice(0, -8)}`],
      ["a stranger's signature", await signWith(stranger, header, claims)],
    ])
  },
}

const embeddedKey: Check = {
  id: 'embedded-key-401',
  title: 'A key that a token brings along is not believed.',
  level: 'must',
  spec: specs.keySource,
  fix: 'Take keys from the issuer alone, and ignore jwk, jku, x5c and x5u of the header.',
  run: async (target) => {
    const { header, claims } = await target.goodParts()
    const stranger = await createSigningKey('stranger')
    const { publicJwk: jwk } = stranger
    const { kid: _, ...anonymous } = header
    return refusesAll(target, [
      ['jwk', await signWith(stranger, { ...header, kid: 'stranger', jwk }, claims)],
      ['jwk without kid', await signWith(stranger, { ...anonymous, kid: undefined, jwk }, claims)],
      [
        'jku',
        await signWith(
          stranger,
          { ...header, kid: 'stranger', jku: 'http://127.0.0.1:9/' },
          claims,
        ),
      ],
    ])
  },
}

const unknownKids = 5

const unknownKid: Check = {
  id: 'unknown-kid-one-refetch',
  title: 'Unknown key ids are refused, and make the server ask for the keys once at most.',
  level: 'should',
  spec: specs.keyRotation,
  fix: 'Keep the keys, and after a look for an unknown one wait for half a minute before the next: anyone can make up key ids.',
  run: async (target) => {
    const { header, claims } = await target.goodParts()
    await target.call({ token: await target.good() })
    const before = target.tokens.jwksFetches?.()
    const tokens: Labelled[] = []
    for (let count = 1; count <= unknownKids; count += 1) {
      const stranger = await createSigningKey(`unknown-${count}`)
      const named = { ...header, alg: 'ES256', kid: stranger.kid }
      tokens.push([stranger.kid, await signWith(stranger, named, claims)])
    }
    const outcome = await refusesAll(target, tokens)
    const after = target.tokens.jwksFetches?.()
    if (outcome.status === 'failed') return outcome
    if (before === undefined || after === undefined) {
      return skipped("401, but only the kit's own issuer (--test-issuer) can count the fetches")
    }
    const seen = `${after - before} fetches for ${unknownKids} unknown keys`
    return { status: after - before <= 1 ? 'passed' : 'failed', seen }
  },
}

const oddSpelling: Check = {
  id: 'one-spelling-401',
  title: 'Of a token only its one spelling is taken.',
  level: 'advised',
  spec: specs.base64url,
  fix: 'Refuse padding and left-over bits before decoding, or a list of revoked tokens that is kept by their text can be walked around.',
  run: async (target) => {
    const token = await target.good()
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    // 64 bytes leave four bits over in the last character: the next one decodes to the same.
    const last = alphabet.indexOf(token.at(-1) ?? 'A')
    const next = alphabet[(last & 0x30) | ((last + 1) & 0x0f)] ?? 'A'
    const tokens: Labelled[] = [['padding', `${token}==`]]
    const { signature } = await target.goodParts()
    if (signature.length === 86) tokens.push(['left-over bits', `${token.slice(0, -1)}${next}`])
    return refusesAll(target, tokens)
  },
}

export const forgedChecks: readonly Check[] = [
  algNone,
  hs256,
  changedPayload,
  changedSignature,
  embeddedKey,
  unknownKid,
  oddSpelling,
]
