/** Strangers as judges of registration: stock OAuth libraries against a server that really listens. */
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseConfig } from '../src/config.js'
import { type RunningServer, startServer } from '../src/server.js'
import { baseConfig, createDatabase, docs, serverSecret } from './harness.js'

const initialAccessToken = 'an-initial-access-token-for-tests'

let server: RunningServer
let dropDatabase: () => Promise<void>
beforeAll(async () => {
  const database = await createDatabase()
  dropDatabase = database.drop
  const dynamic = {
    mode: 'initial_access_token',
    initial_access_tokens: [initialAccessToken],
    scope: 'docs:read',
    resources: [docs],
    tenant_id: 'acme',
    registrations_per_minute: 4,
  }
  server = await startServer({
    databaseUrl: database.url,
    host: '127.0.0.1',
    port: 0,
    secret: serverSecret,
    config: parseConfig(JSON.stringify({ ...baseConfig, registration: { dynamic } }), {}),
    log: pino({ level: 'silent' }),
  })
})
afterAll(async () => {
  await server.close()
  await dropDatabase()
})

const metadata = {
  client_name: 'Inspector',
  redirect_uris: ['http://127.0.0.1:6274/oauth/callback'],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  scope: 'docs:read docs:write',
}

test('oauth4webapi registers a public client', async () => {
  const plain = { [oauth.allowInsecureRequests]: true }
  const issuer = new URL(server.issuer)
  const discovered = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...plain })
  const as = await oauth.processDiscoveryResponse(issuer, discovered)
  const wanted = { ...metadata, token_endpoint_auth_method: 'none' }
  const response = await oauth.dynamicClientRegistrationRequest(as, wanted, {
    ...plain,
    initialAccessToken,
  })
  const client = await oauth.processDynamicClientRegistrationResponse(response)
  expect(client).toMatchObject({ ...wanted, scope: 'docs:read', application_type: 'native' })
  expect(client.client_secret).toBeUndefined()
})

test('openid-client registers, and authenticates with the secret that it was given', async () => {
  const config = await openid.dynamicClientRegistration(
    new URL(server.issuer),
    // What it uses unless told otherwise, and not the default of RFC 7591.
    { ...metadata, token_endpoint_auth_method: 'client_secret_post' },
    undefined,
    { algorithm: 'oauth2', initialAccessToken, execute: [openid.allowInsecureRequests] },
  )
  expect(config.clientMetadata()).toMatchObject({ client_name: 'Inspector', scope: 'docs:read' })
  // It is known: what is refused is the grant, which is for machines.
  await expect(openid.clientCredentialsGrant(config)).rejects.toMatchObject({
    error: 'unauthorized_client',
  })
})

test('openid-client is told why it may not register', async () => {
  const attempt = openid.dynamicClientRegistration(new URL(server.issuer), metadata, undefined, {
    algorithm: 'oauth2',
    initialAccessToken: 'wrong',
    execute: [openid.allowInsecureRequests],
  })
  await expect(attempt).rejects.toBeInstanceOf(openid.WWWAuthenticateChallengeError)
})

test('too many from one address are told to wait', async () => {
  const send = () =>
    fetch(`${server.issuer}/register`, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        Authorization: `Bearer ${initialAccessToken}`,
      },
      body: JSON.stringify(metadata),
    })
  const answers = [await send(), await send(), await send()]
  expect(answers.map(({ status }) => status)).toEqual([201, 201, 429])
  expect(answers.at(-1)?.headers.get('retry-after')).toMatch(/^\d+$/)
})
