/** Strangers as judges: stock clients through the code flow, refresh and PAR, over a real socket. */
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseConfig } from '../src/config.js'
import { type RunningServer, startServer } from '../src/server.js'
import { appUri, fieldsOf, peopleConfig } from './browser.js'
import { createDatabase, decode, docs, secretOf, serverSecret } from './harness.js'
import { createStandInPeople } from './stand-in-people.js'

let server: RunningServer
let dropDatabase: () => Promise<void>
beforeAll(async () => {
  const database = await createDatabase()
  dropDatabase = database.drop
  server = await startServer({
    databaseUrl: database.url,
    host: '127.0.0.1',
    port: 0,
    secret: serverSecret,
    config: parseConfig(JSON.stringify(peopleConfig), {}),
    log: pino({ level: 'silent' }),
    people: createStandInPeople(() => new Date()),
  })
})
afterAll(async () => {
  await server.close()
  await dropDatabase()
})

/** A person with a browser, who says yes. @returns the address that the client is called back at */
const visit = async (url: URL): Promise<URL> => {
  const person = 'person=usr_alice'
  const page = await fetch(url, { redirect: 'manual', headers: { Cookie: person } })
  const away = page.headers.get('location')
  if (away) return new URL(away)
  const cookie = page.headers.get('set-cookie')?.split(';')[0]
  const answer = await fetch(`${server.url}/consent`, {
    method: 'POST',
    redirect: 'manual',
    headers: { Cookie: `${person}; ${cookie}`, Origin: server.url },
    body: new URLSearchParams({ ...fieldsOf(await page.text()), decision: 'allow' }),
  })
  return new URL(answer.headers.get('location') ?? server.url)
}

describe('oauth4webapi', () => {
  const plain = { [oauth.allowInsecureRequests]: true }

  const discover = async (): Promise<oauth.AuthorizationServer> => {
    const issuer = new URL(server.issuer)
    const response = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...plain })
    return oauth.processDiscoveryResponse(issuer, response)
  }

  const redeem = async (
    as: oauth.AuthorizationServer,
    client: oauth.Client,
    auth: oauth.ClientAuth,
    back: URL,
    verifier: string,
  ) => {
    const callback = oauth.validateAuthResponse(as, client, back, 'a state')
    const response = await oauth.authorizationCodeGrantRequest(
      as,
      client,
      auth,
      callback,
      appUri,
      verifier,
      { additionalParameters: { resource: docs }, ...plain },
    )
    return oauth.processAuthorizationCodeResponse(as, client, response)
  }

  const requestOf = async (client_id: string, verifier: string) =>
    new URLSearchParams({
      client_id,
      redirect_uri: appUri,
      response_type: 'code',
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      scope: 'docs:read',
      resource: docs,
      state: 'a state',
    })

  test('a public client: code, token, and token again', async () => {
    const as = await discover()
    const client = { client_id: 'pub' }
    const verifier = oauth.generateRandomCodeVerifier()
    const url = new URL(as.authorization_endpoint ?? '')
    url.search = (await requestOf('pub', verifier)).toString()
    const tokens = await redeem(as, client, oauth.None(), await visit(url), verifier)
    expect(tokens).toMatchObject({ token_type: 'bearer', scope: 'docs:read', expires_in: 900 })
    const response = await oauth.refreshTokenGrantRequest(
      as,
      client,
      oauth.None(),
      tokens.refresh_token ?? '',
      plain,
    )
    const fresh = await oauth.processRefreshTokenResponse(as, client, response)
    expect(fresh.refresh_token).not.toBe(tokens.refresh_token)
    const called = new Request(docs, { headers: { Authorization: `Bearer ${fresh.access_token}` } })
    expect(await oauth.validateJwtAccessToken(as, called, docs, plain)).toMatchObject({
      sub: 'usr_alice',
      client_id: 'pub',
    })
  })

  test('a confidential client pushes its request first', async () => {
    const as = await discover()
    const client = { client_id: 'conf' }
    const auth = oauth.ClientSecretBasic(secretOf('conf'))
    const verifier = oauth.generateRandomCodeVerifier()
    const asked = await requestOf('conf', verifier)
    const response = await oauth.pushedAuthorizationRequest(as, client, auth, asked, plain)
    const { request_uri } = await oauth.processPushedAuthorizationResponse(as, client, response)
    const url = new URL(as.authorization_endpoint ?? '')
    url.search = new URLSearchParams({ client_id: 'conf', request_uri }).toString()
    const tokens = await redeem(as, client, auth, await visit(url), verifier)
    expect(decode(tokens.access_token)).toMatchObject({ sub: 'usr_alice', client_id: 'conf' })
  })

  test('a refusal is read as the one that it is, at the redirect URI and at the token endpoint', async () => {
    const as = await discover()
    const client = { client_id: 'pub' }
    const verifier = oauth.generateRandomCodeVerifier()
    const asked = await requestOf('pub', verifier)
    asked.set('scope', 'nope')
    const url = new URL(as.authorization_endpoint ?? '')
    url.search = asked.toString()
    const back = await visit(url)
    expect(() => oauth.validateAuthResponse(as, client, back, 'a state')).toThrow(
      expect.objectContaining({ error: 'invalid_scope' }),
    )
    const none = await oauth.refreshTokenGrantRequest(as, client, oauth.None(), 'rt_x', plain)
    await expect(oauth.processRefreshTokenResponse(as, client, none)).rejects.toMatchObject({
      error: 'invalid_grant',
    })
  })
})

describe('openid-client', () => {
  const discover = (clientId: string, auth: openid.ClientAuth) =>
    openid.discovery(new URL(server.issuer), clientId, undefined, auth, {
      algorithm: 'oauth2',
      execute: [openid.allowInsecureRequests],
    })

  const parametersFor = async (verifier: string) => ({
    redirect_uri: appUri,
    scope: 'docs:read',
    resource: docs,
    state: 'a state',
    code_challenge: await openid.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  })

  test('a public client: code, token, and token again', async () => {
    const config = await discover('pub', openid.None())
    const verifier = openid.randomPKCECodeVerifier()
    const url = openid.buildAuthorizationUrl(config, await parametersFor(verifier))
    const tokens = await openid.authorizationCodeGrant(config, await visit(url), {
      pkceCodeVerifier: verifier,
      expectedState: 'a state',
    })
    expect(decode(tokens.access_token)).toMatchObject({ sub: 'usr_alice', aud: docs })
    const fresh = await openid.refreshTokenGrant(config, tokens.refresh_token ?? '')
    expect(decode(fresh.access_token)).toMatchObject({ sub: 'usr_alice', aud: docs })
  })

  test('an agent pushes its request, and acts for the person', async () => {
    const auth = openid.ClientSecretBasic(secretOf('assistant'))
    const config = await discover('assistant', auth)
    const verifier = openid.randomPKCECodeVerifier()
    const url = await openid.buildAuthorizationUrlWithPAR(config, await parametersFor(verifier))
    expect([...url.searchParams.keys()].sort()).toEqual(['client_id', 'request_uri'])
    const tokens = await openid.authorizationCodeGrant(config, await visit(url), {
      pkceCodeVerifier: verifier,
      expectedState: 'a state',
    })
    expect(decode(tokens.access_token)).toMatchObject({
      sub: 'usr_alice',
      act: { sub: 'assistant' },
      agent_limits: { cost_budget_usd: 5 },
    })
  })
})
