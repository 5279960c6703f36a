/** What the verifiers are given: an issuer in this process, its tokens, and tokens that must be refused. */
import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { createServer } from 'node:http'
import { resource } from './servers.mjs'

const keyPairs = {
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generateKeyPairSync('ed25519'),
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
}

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')

const signer = (alg, privateKey) => (header, claims) => {
  const input = `${encode({ alg, kid: alg, ...header })}.${encode(claims)}`
  const key = { key: privateKey, dsaEncoding: 'ieee-p1363' }
  const signature = sign(alg === 'EdDSA' ? null : 'sha256', Buffer.from(input), key)
  return `${input}.${signature.toString('base64url')}`
}

const seconds = () => Math.floor(Date.now() / 1000)

/** A token of an agent that acts for a person, lent on once: every claim that we issue. */
const claimsOf = (iss) => ({
  iss,
  sub: 'usr_alice',
  aud: resource,
  client_id: 'researcher',
  scope: 'docs:read docs:write',
  iat: seconds(),
  exp: seconds() + 900,
  jti: `at_${randomUUID()}`,
  tenant_id: 'acme',
  role: 'agent',
  agent_type: 'researcher',
  act: {
    sub: 'researcher',
    client_id: 'researcher',
    sub_profile: 'ai_agent',
    act: { sub: 'orchestrator', client_id: 'orchestrator', sub_profile: 'ai_agent' },
  },
  agent_limits: {
    requests_per_hour: 200,
    cost_budget_usd: 2.5,
    allowed_actions: ['docs.*'],
    max_delegation_depth: 1,
  },
  agent_lineage: [`dlg_${randomUUID()}`, `dlg_${randomUUID()}`, `dlg_${randomUUID()}`],
})

const feedOf = (iss) => {
  const iat = seconds()
  const revoked = [{ id: `dlg_${randomUUID()}`, exp: iat + 900 }]
  return { iss, iat, cursor: '1', ttl: 10, revoked, full: true }
}

/** @returns the claims of another, under the signature of this one */
const tamper = (token, other) => {
  const [header, , signature] = token.split('.')
  return [header, other.split('.')[1], signature].join('.')
}

const listen = (server) =>
  new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${server.address().port}`))
  })

/** An issuer that publishes its metadata, its key and its revocation feed, and signs in this process. */
export const startIssuer = async (alg) => {
  const { privateKey, publicKey } = keyPairs[alg]()
  const signJwt = signer(alg, privateKey)
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: alg, alg, use: 'sig' }
  const answers = {
    '/.well-known/oauth-authorization-server': () => ({
      issuer,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/jwks`,
      agent_revocation_feed_endpoint: `${issuer}/feed`,
    }),
    '/jwks': () => ({ keys: [jwk] }),
    '/feed': () => signJwt({ typ: 'revocation-feed+jwt' }, feedOf(issuer)),
  }
  const server = createServer((request, response) => {
    const answer = answers[new URL(request.url, issuer).pathname]?.()
    response.end(typeof answer === 'string' ? answer : JSON.stringify(answer))
  })
  const issuer = await listen(server)
  const token = (changes) => signJwt({ typ: 'at+jwt' }, { ...claimsOf(issuer), ...changes })
  return {
    issuer,
    alg,
    publicKey,
    jwks: { keys: [jwk] },
    token,
    refusable: () => ({
      'a tampered token': tamper(token(), token({ sub: 'usr_mallory' })),
      'a token for another audience': token({ aud: 'https://elsewhere.example' }),
      'an expired token': token({ iat: seconds() - 1000, exp: seconds() - 100 }),
    }),
    stop: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
