/** Makes better-auth's tables and, as an administrator of it would, one client for the resource. */
import { getMigrations } from 'better-auth/db/migration'
import { createAuth } from './better-auth-options.mjs'

const signUp = async (auth) => {
  const { headers } = await auth.api.signUpEmail({
    body: { email: 'admin@bench.test', password: 'a password of the benchmark', name: 'Admin' },
    returnHeaders: true,
  })
  const cookies = headers.getSetCookie().map((cookie) => cookie.split(';')[0])
  return new Headers({ cookie: cookies.join('; ') })
}

/** @returns the id and the secret that it gave the client */
export const setUpBetterAuth = async (options) => {
  const { auth, pool } = createAuth(options)
  const { runMigrations } = await getMigrations(auth.options)
  await runMigrations()
  await pool.end()
  return makeClient(options)
}

/** With another instance: this one finds its tables when it starts, and puts the resource in. */
const makeClient = async (options) => {
  const { auth, pool } = createAuth(options)
  const headers = await signUp(auth)
  const client = await auth.api.adminCreateOAuthClient({
    headers,
    body: {
      client_name: 'bench',
      grant_types: ['client_credentials'],
      token_endpoint_auth_method: 'client_secret_basic',
      client_credentials_scopes: ['docs:read', 'docs:write'],
    },
  })
  const params = { identifier: options.resource, client_id: client.client_id }
  await auth.api.adminLinkClientResource({ headers, params })
  await pool.end()
  return { clientId: client.client_id, clientSecret: client.client_secret }
}
