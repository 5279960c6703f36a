/** The verifiers that are measured, each as its own documentation says for tokens of one issuer. */
import { createVerifier } from '@behalf/verifier'
import { JwtVerifier } from 'aws-jwt-verify'
import { createVerifier as createFastVerifier } from 'fast-jwt'
import { createLocalJWKSet, createRemoteJWKSet, jwtVerify } from 'jose'
import jsonwebtoken from 'jsonwebtoken'
import { resource } from './servers.mjs'
import { createFloor, floorsOf } from './verify-floor.mjs'

const ours = ({ issuer }) => {
  const verifier = createVerifier({ issuer, audience: resource })
  return { verify: (token) => verifier.verify(token), close: () => verifier.close() }
}

const joseWith =
  (keysOf) =>
  ({ issuer, jwks }) => {
    const keys = keysOf({ issuer, jwks })
    const options = { issuer, audience: resource, typ: 'at+jwt' }
    return { verify: (token) => jwtVerify(token, keys, options) }
  }

const fastJwt =
  (cache) =>
  ({ issuer, alg, publicKey }) => ({
    verify: createFastVerifier({
      key: publicKey.export({ type: 'spki', format: 'pem' }),
      algorithms: [alg],
      allowedIss: issuer,
      allowedAud: resource,
      checkTyp: 'at+jwt',
      cache,
    }),
  })

const awsJwtVerify = ({ issuer, jwks }) => {
  const verifier = JwtVerifier.create({ issuer, audience: resource, jwksUri: `${issuer}/jwks` })
  verifier.cacheJwks(jwks)
  return { verify: (token) => verifier.verifySync(token) }
}

const jsonWebToken = ({ issuer, alg, publicKey }) => {
  const options = { algorithms: [alg], issuer, audience: resource }
  return { verify: (token) => jsonwebtoken.verify(token, publicKey, options) }
}

const fastJwtEntries = 10_000

/** @returns `{ name, create(issuer), isSeen }`: made anew for each round; `isSeen` repeats its tokens */
export const targetsFor = (alg) =>
  [
    ...floorsOf(alg).map((floor) => ({
      name: `floor: node:crypto by hand, ${floor}`,
      create: (issuer) => ({ verify: createFloor(floor, issuer) }),
      isFloor: true,
    })),
    { name: '@behalf/verifier', create: ours },
    { name: 'jose, local JWKS', create: joseWith(({ jwks }) => createLocalJWKSet(jwks)) },
    {
      name: 'jose, remote JWKS',
      create: joseWith(({ issuer }) => createRemoteJWKSet(new URL(`${issuer}/jwks`))),
    },
    { name: 'fast-jwt, cache off', create: fastJwt(false) },
    { name: 'aws-jwt-verify, verifySync', create: awsJwtVerify },
    // It knows no EdDSA.
    { name: 'jsonwebtoken', create: jsonWebToken, algorithms: ['ES256', 'RS256'] },
    { name: '@behalf/verifier', create: ours, isSeen: true },
    { name: 'fast-jwt, cache on', create: fastJwt(fastJwtEntries), isSeen: true },
  ].filter(({ algorithms }) => algorithms === undefined || algorithms.includes(alg))
