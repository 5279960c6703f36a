/** Strangers as judges: stock OpenID libraries let a device in, ask who it is, and take it back. */
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseConfig } from '../src/config.js'
import { type RunningServer, startServer } from '../src/server.js'
import { fieldsOf } from './browser.js'
import { deviceConfig } from './device-fixtures.js'
import { createDatabase, docs, secretOf, serverSecret } from './harness.js'
import { createStandInPeople } from './stand-in-people.js'

const bye = 'https://app.example.test/bye'

const config = {
  ...deviceConfig,
  signing_alg: 'EdDSA',
  clients: [
    ...deviceConfig.clients,
    {
      client_id: 'desk',
      kind: 'app',
      client_secret: secretOf('desk'),
      grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
      scope: 'openid profile email docs:read',
      post_logout_redirect_uris: [bye],
    },
  ],
}

let server: RunningServer
let dropDatabase: () => Promise<void>
const people = createStandInPeople(() => new Date())
beforeAll(async () => {
  const database = await createDatabase()
  dropDatabase = database.drop
  server = await startServer({
    databaseUrl: database.url,
    host: '127.0.0.1',
    port: 0,
    secret: serverSecret,
    config: parseConfig(JSON.stringify(config), {}),
    log: pino({ level: 'silent' }),
    people,
  })
})
afterAll(async () => {
  await server.close()
  await dropDatabase()
})

const scope = 'openid profile email docs:read'

/** What the person does meanwhile, on another machine. */
const agree = async (verificationUri: string, userCode: string): Promise<void> => {
  let cookie = 'person=usr_alice'
  const page = await fetch(`${verificationUri}`, { headers: { Cookie: cookie } })
  cookie += `; ${page.headers.get('set-cookie')?.split(';')[0]}`
  const post = async (fields: Record<string, string>): Promise<string> => {
    const response = await fetch(verificationUri, {
      method: 'POST',
      headers: { Cookie: cookie, Origin: new URL(server.issuer).origin },
      body: new URLSearchParams(fields),
    })
    return response.text()
  }
  const question = await post({ ...fieldsOf(await page.text()), user_code: userCode })
  await post({ ...fieldsOf(question), decision: 'allow' })
}

describe('oauth4webapi', () => {
  const plain = { [oauth.allowInsecureRequests]: true }
  const client: oauth.Client = { client_id: 'desk' }
  const auth = oauth.ClientSecretBasic(secretOf('desk'))

  const discover = async (): Promise<oauth.AuthorizationServer> => {
    const issuer = new URL(server.issuer)
    return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, plain))
  }

  test('lets a device in, asks who it is, refreshes, introspects and revokes', async () => {
    const as = await discover()
    const parameters = new URLSearchParams({ scope, resource: docs })
    const started = await oauth.processDeviceAuthorizationResponse(
      as,
      client,
      await oauth.deviceAuthorizationRequest(as, client, auth, parameters, plain),
    )
    const ask = async () =>
      oauth.processDeviceCodeResponse(
        as,
        client,
        await oauth.deviceCodeGrantRequest(as, client, auth, started.device_code, plain),
      )
    await expect(ask()).rejects.toMatchObject({ error: 'authorization_pending', status: 400 })
    await agree(started.verification_uri, started.user_code)
    const tokens = await ask()
    const claims = oauth.getValidatedIdTokenClaims(tokens)
    expect(claims).toMatchObject({ sub: 'usr_alice', aud: 'desk', email: 'alice@acme.test' })

    const userinfo = await oauth.processUserInfoResponse(
      as,
      client,
      claims?.sub ?? '',
      await oauth.userInfoRequest(as, client, tokens.access_token, plain),
    )
    expect(userinfo).toMatchObject({ name: 'Alice', email_verified: true, tenant_id: 'acme' })

    const refreshed = await oauth.processRefreshTokenResponse(
      as,
      client,
      await oauth.refreshTokenGrantRequest(as, client, auth, tokens.refresh_token ?? '', plain),
    )
    expect(oauth.getValidatedIdTokenClaims(refreshed)).toMatchObject({ sub: 'usr_alice' })

    const refreshToken = refreshed.refresh_token ?? ''
    const describeToken = async () =>
      oauth.processIntrospectionResponse(
        as,
        client,
        await oauth.introspectionRequest(as, client, auth, refreshToken, plain),
      )
    expect(await describeToken()).toMatchObject({ active: true, sub: 'usr_alice', scope })
    await oauth.processRevocationResponse(
      await oauth.revocationRequest(as, client, auth, refreshToken, plain),
    )
    expect(await describeToken()).toEqual({ active: false })
    const late = await oauth.userInfoRequest(as, client, refreshed.access_token, plain)
    await expect(
      oauth.processUserInfoResponse(as, client, 'usr_alice', late),
    ).rejects.toMatchObject({
      cause: [{ scheme: 'bearer', parameters: { error: 'invalid_token' } }],
    })
  })

  test('verifies the signature of the ID token by the published keys', async () => {
    const as = await discover()
    expect(as.id_token_signing_alg_values_supported).toEqual(['EdDSA'])
    const parameters = new URLSearchParams({ scope: 'openid' })
    const started = await oauth.processDeviceAuthorizationResponse(
      as,
      client,
      await oauth.deviceAuthorizationRequest(as, client, auth, parameters, plain),
    )
    await agree(started.verification_uri, started.user_code)
    const response = await oauth.deviceCodeGrantRequest(
      as,
      client,
      auth,
      started.device_code,
      plain,
    )
    await oauth.processDeviceCodeResponse(as, client, response)
    await oauth.validateApplicationLevelSignature(as, response, plain)
  })
})

describe('openid-client', () => {
  test('discovers, polls until the person agrees, fetches userinfo, and builds a sign-out', async () => {
    const configuration = await openid.discovery(
      new URL(server.issuer),
      'cli',
      undefined,
      openid.None(),
      { execute: [openid.allowInsecureRequests] },
    )
    const started = await openid.initiateDeviceAuthorization(configuration, {
      scope: 'openid email docs:read',
      resource: docs,
    })
    expect(started.verification_uri_complete).toContain(started.user_code)
    await agree(started.verification_uri, started.user_code)
    const tokens = await openid.pollDeviceAuthorizationGrant(configuration, started)
    const sub = tokens.claims()?.sub ?? ''
    expect(sub).toBe('usr_alice')
    const userinfo = await openid.fetchUserInfo(configuration, tokens.access_token, sub)
    expect(userinfo).toMatchObject({ email: 'alice@acme.test', role: 'user' })

    const again = await openid.refreshTokenGrant(configuration, tokens.refresh_token ?? '')
    await openid.tokenRevocation(configuration, again.refresh_token ?? '')
    await expect(
      openid.refreshTokenGrant(configuration, again.refresh_token ?? ''),
    ).rejects.toMatchObject({ error: 'invalid_grant' })

    const url = openid.buildEndSessionUrl(configuration, { id_token_hint: again.id_token ?? '' })
    const page = await fetch(url, { headers: { Cookie: 'person=usr_alice.9' } })
    expect(await page.text()).toContain('You are signed out')
  })

  test('sends a person to a registered address and nowhere else', async () => {
    const configuration = await openid.discovery(
      new URL(server.issuer),
      'desk',
      secretOf('desk'),
      openid.ClientSecretBasic(secretOf('desk')),
      { execute: [openid.allowInsecureRequests] },
    )
    const to = async (post_logout_redirect_uri: string) => {
      const url = openid.buildEndSessionUrl(configuration, { post_logout_redirect_uri, state: 's' })
      const response = await fetch(url, { redirect: 'manual' })
      return [response.status, response.headers.get('location')]
    }
    expect(await to(bye)).toEqual([303, `${bye}?state=s`])
    expect(await to(`${bye}/`)).toEqual([400, null])
  })
})
