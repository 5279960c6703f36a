/** Tokens that their issuer did sign, and that are not for now, not for here, or not from there. */
import type { Check } from '../check.js'
import type { Target } from '../target.js'
import { mintedCheck } from './bad-tokens.js'
import { specs } from './specs.js'

const hourSeconds = 3600

const nowOf = ({ now }: Target): number => Math.floor(now() / 1000)

const expired = mintedCheck({
  id: 'expired-401',
  title: 'An expired token is refused.',
  level: 'must',
  spec: specs.tokenHandling,
  fix: 'Check exp on every request, with a tolerance of seconds.',
  supplied: 'expired',
  changes: async (target) => {
    const now = nowOf(target)
    const iat = now - 2 * hourSeconds
    return [
      ['ended an hour ago', { claims: { iat, exp: now - hourSeconds } }],
      ['ended two minutes ago', { claims: { iat, exp: now - 120 } }],
    ]
  },
})

const missingExp = mintedCheck({
  id: 'missing-exp-401',
  title: 'A token that does not end is refused.',
  level: 'must',
  spec: specs.jwtProfile,
  fix: 'Require exp to be there and to be a number. JWT libraries pass over one that is missing, unless they are told.',
  changes: async () => [
    ['no exp', { claims: { exp: undefined } }],
    ['exp as text', { claims: { exp: '9999999999' } }],
    ['exp null', { claims: { exp: null } }],
  ],
})

const notYetValid = mintedCheck({
  id: 'not-before-401',
  title: 'A token of the future is refused.',
  level: 'must',
  spec: specs.notBefore,
  fix: 'Check nbf, with a tolerance of seconds.',
  supplied: 'notYetValid',
  changes: async (target) => {
    const begins = nowOf(target) + hourSeconds
    return [['nbf in an hour', { claims: { nbf: begins, exp: begins + hourSeconds } }]]
  },
})

const wrongAudience = mintedCheck({
  id: 'wrong-aud-401',
  title: 'A token for another server is refused.',
  level: 'must',
  spec: specs.tokenHandling,
  fix: 'Compare aud to the resource of this server. The helpers of the MCP SDKs do so only with expectedResource, and only if your verifier fills AuthInfo.resource.',
  supplied: 'wrongAudience',
  changes: async ({ resource, issuer }) => [
    ['another server', { claims: { aud: 'https://other.example/mcp' } }],
    ['the issuer', { claims: { aud: await issuer() } }],
    ['a longer name', { claims: { aud: `${resource}x` } }],
    ['a list of others', { claims: { aud: ['https://other.example', `${resource}/x`] } }],
    ['no aud', { claims: { aud: undefined } }],
    ['an empty list', { claims: { aud: [] } }],
  ],
})

const wrongIssuer = mintedCheck({
  id: 'wrong-iss-401',
  title: 'A token that names another issuer is refused, even where the key fits.',
  level: 'must',
  spec: specs.jwtProfile,
  fix: 'Compare iss to the issuer byte for byte: several issuers may share a set of keys.',
  supplied: 'wrongIssuer',
  changes: async ({ issuer }) => [
    ['another issuer', { claims: { iss: 'https://evil.example' } }],
    ['with a slash', { claims: { iss: `${await issuer()}/` } }],
    ['a list', { claims: { iss: [await issuer()] } }],
    ['no iss', { claims: { iss: undefined } }],
  ],
})

const otherType = mintedCheck({
  id: 'other-jwt-type-401',
  title: 'A JWT that the issuer signed for something else is refused.',
  level: 'should',
  spec: specs.typing,
  fix: 'Check the typ header: "at+jwt", or what your issuer writes into its access tokens and into nothing else.',
  changes: async () =>
    ['logout+jwt', 'secevent+jwt', 'dpop+jwt', 'token-introspection+jwt'].map(
      (typ) => [typ, { header: { typ } }] as const,
    ),
})

const critical = mintedCheck({
  id: 'unknown-crit-401',
  title: 'A token with a critical header that the server does not know is refused.',
  level: 'must',
  spec: specs.jws,
  fix: 'Refuse a JWS whose crit names what you do not understand (RFC 7515 §4.1.11).',
  changes: async () => [['crit', { header: { crit: ['x-unknown'], 'x-unknown': true } }]],
})

export const claimChecks: readonly Check[] = [
  expired,
  missingExp,
  notYetValid,
  wrongAudience,
  wrongIssuer,
  otherType,
  critical,
]
