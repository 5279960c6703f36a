/**
 * oidc-provider for machines alone. With DATABASE_URL its clients and its opaque tokens are in PostgreSQL,
 * without it in its own memory. It keeps nothing of a JWT access token. Token exchange is a grant of our
 * own, registered as its documentation shows.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { jwtVerify } from 'jose'
import Provider from 'oidc-provider'
import { oidcClients } from './oidc-clients.mjs'
import { adapterOn } from './oidc-storage.mjs'

const { BENCH_RESOURCE, BENCH_SECRET, BENCH_CLIENTS, DATABASE_URL, PORT } = process.env
const issuer = `http://127.0.0.1:${PORT}`
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const key = { ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig' }
const exchangeType = 'urn:ietf:params:oauth:grant-type:token-exchange'

const jwtResource = {
  scope: 'docs:read docs:write',
  accessTokenFormat: 'jwt',
  accessTokenTTL: 900,
  jwt: { sign: { alg: 'ES256' } },
}
// It refuses to introspect what is a JWT, so there is one resource with opaque tokens.
const resources = new Map([
  [BENCH_RESOURCE, jwtResource],
  [`${BENCH_RESOURCE}/opaque`, { ...jwtResource, accessTokenFormat: 'opaque', jwt: undefined }],
])

const provider = new Provider(issuer, {
  ...(DATABASE_URL
    ? { adapter: adapterOn(DATABASE_URL) }
    : { clients: oidcClients(BENCH_CLIENTS, BENCH_SECRET) }),
  jwks: { keys: [key] },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  scopes: ['docs:read', 'docs:write'],
  extraTokenClaims: (ctx) => ctx.state.act && { act: ctx.state.act },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_ctx, resource) => {
        const info = resources.get(resource)
        if (!info) throw new Error(`there is no resource ${resource}`)
        return info
      },
    },
  },
})

const expected = { issuer, audience: BENCH_RESOURCE, typ: 'at+jwt', algorithms: ['ES256'] }

const exchange = async (ctx) => {
  const { client, params } = ctx.oidc
  const { payload } = await jwtVerify(params.subject_token, publicKey, expected)
  const allowed = payload.scope.split(' ')
  const scope = params.scope
    .split(' ')
    .filter((word) => allowed.includes(word))
    .join(' ')
  ctx.state.act = { sub: client.clientId, ...(payload.act && { act: payload.act }) }
  const token = new provider.AccessToken({ accountId: payload.sub, client, scope })
  token.resourceServer = new provider.ResourceServer(
    params.resource,
    resources.get(params.resource),
  )
  ctx.oidc.entity('AccessToken', token)
  ctx.body = {
    access_token: await token.save(),
    issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    expires_in: token.expiration,
    token_type: token.tokenType,
    scope: token.scope,
  }
}

const parameters = ['resource', 'scope', 'subject_token', 'subject_token_type']
provider.registerGrantType(exchangeType, exchange, parameters, [])

provider.on('server_error', (_ctx, error) =>
  process.stderr.write(`oidc-provider: ${error.stack}\n`),
)
provider.listen(PORT, '127.0.0.1', () => process.stdout.write(`listening on ${issuer}\n`))
process.once('SIGTERM', () => process.exit(0))
