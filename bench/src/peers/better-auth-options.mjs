/**
 * better-auth with its OAuth provider, for its server and for who sets it up. The client and the resource
 * are in its documented caches; its rate limits (20 token requests a minute), its log and its telemetry
 * are off.
 */
import { oauthProvider } from '@better-auth/oauth-provider'
import { betterAuth } from 'better-auth'
import { jwt } from 'better-auth/plugins'
import pg from 'pg'

export const basePath = '/api/auth'

export const createAuth = ({ databaseUrl, url, secret, resource, cachedClients = [] }) => {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 10 })
  const auth = betterAuth({
    baseURL: url,
    basePath,
    secret,
    database: pool,
    disabledPaths: ['/token'],
    emailAndPassword: { enabled: true },
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    logger: { disabled: true },
    plugins: [
      jwt({ jwks: { keyPairConfig: { alg: 'ES256' } } }),
      oauthProvider({
        loginPage: '/sign-in',
        consentPage: '/consent',
        scopes: ['openid', 'docs:read', 'docs:write'],
        resources: [{ identifier: resource, accessTokenTtl: 900 }],
        cachedTrustedClients: new Set(cachedClients),
        cachedResources: new Set([resource]),
        clientPrivileges: () => true,
        resourcePrivileges: () => true,
        rateLimit: { token: false, introspect: false },
      }),
    ],
  })
  return { auth, pool }
}
