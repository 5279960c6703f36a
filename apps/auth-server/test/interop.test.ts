/** Strangers as judges: stock OAuth and JOSE libraries against a server that really listens. */
import { grantTypes, tokenTypes } from '@behalf/protocol'
import { createRemoteJWKSet, errors, jwtVerify } from 'jose'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseConfig } from '../src/config.js'
import { type RunningServer, startServer } from '../src/server.js'
import { baseConfig, createDatabase, docs, mail, secretOf, serverSecret } from './harness.js'

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
    config: parseConfig(JSON.stringify(baseConfig), {}),
    log: pino({ level: 'silent' }),
  })
})
afterAll(async () => {
  await server.close()
  await dropDatabase()
})

describe('oauth4webapi', () => {
  // The server listens on loopback, without TLS.
  const plain = { [oauth.allowInsecureRequests]: true }

  const discover = async (): Promise<oauth.AuthorizationServer> => {
    const issuer = new URL(server.issuer)
    const response = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...plain })
    return oauth.processDiscoveryResponse(issuer, response)
  }

  const own = async (as: oauth.AuthorizationServer, client_id: string) => {
    const client = { client_id }
    const response = await oauth.clientCredentialsGrantRequest(
      as,
      client,
      oauth.ClientSecretBasic(secretOf(client_id)),
      { resource: docs, scope: 'docs:read' },
      plain,
    )
    return oauth.processClientCredentialsResponse(as, client, response)
  }

  const exchange = async (
    as: oauth.AuthorizationServer,
    client_id: string,
    subject_token: string,
    more: Record<string, string> = {},
  ) => {
    const client = { client_id }
    const response = await oauth.genericTokenEndpointRequest(
      as,
      client,
      oauth.ClientSecretBasic(secretOf(client_id)),
      grantTypes.tokenExchange,
      { subject_token, subject_token_type: tokenTypes.accessToken, ...more },
      plain,
    )
    return oauth.processGenericTokenEndpointResponse(as, client, response, {
      // A hand-off is no access token, and RFC 8693 §2.2.1 has a name for that.
      recognizedTokenTypes: { n_a: () => {} },
    })
  }

  const introspect = async (as: oauth.AuthorizationServer, token: string) => {
    const client = { client_id: 'docs-server' }
    const auth = oauth.ClientSecretBasic(secretOf('docs-server'))
    const response = await oauth.introspectionRequest(as, client, auth, token, plain)
    return oauth.processIntrospectionResponse(as, client, response)
  }

  test('discovers, gets a token, hands it off, accepts, introspects and revokes', async () => {
    const as = await discover()
    expect(as.issuer).toBe(server.issuer)

    const subject = await own(as, 'orchestrator')
    expect(subject).toMatchObject({ token_type: 'bearer', scope: 'docs:read', expires_in: 900 })

    const handOff = await exchange(as, 'orchestrator', subject.access_token, {
      requested_actor: 'researcher',
    })
    expect(handOff).toMatchObject({ token_type: 'n_a', issued_token_type: tokenTypes.jwt })

    const accepted = await exchange(as, 'researcher', handOff.access_token)
    expect(accepted).toMatchObject({
      token_type: 'bearer',
      issued_token_type: tokenTypes.accessToken,
    })

    const described = await introspect(as, accepted.access_token)
    expect(described).toMatchObject({
      active: true,
      sub: 'orchestrator',
      client_id: 'researcher',
      act: { sub: 'researcher' },
    })

    const client = { client_id: 'researcher' }
    const auth = oauth.ClientSecretBasic(secretOf('researcher'))
    const revoked = await oauth.revocationRequest(as, client, auth, accepted.access_token, plain)
    await oauth.processRevocationResponse(revoked)
    expect(await introspect(as, accepted.access_token)).toEqual({ active: false })
  })

  test('reads a refusal as the OAuth error that it is', async () => {
    const as = await discover()
    const { access_token } = await own(as, 'orchestrator')
    const refused = exchange(as, 'orchestrator', access_token, { requested_actor: 'scraper' })
    await expect(refused).rejects.toMatchObject({ error: 'access_denied', status: 403 })
    const widened = exchange(as, 'orchestrator', access_token, { scope: 'docs:write' })
    await expect(widened).rejects.toMatchObject({ error: 'invalid_scope', status: 400 })
  })

  test('accepts the token as a resource server, by its own check of RFC 9068', async () => {
    const as = await discover()
    const { access_token } = await own(as, 'orchestrator')
    const request = new Request(docs, { headers: { Authorization: `Bearer ${access_token}` } })
    const claims = await oauth.validateJwtAccessToken(as, request, docs, plain)
    expect(claims).toMatchObject({ sub: 'orchestrator', client_id: 'orchestrator' })
    await expect(oauth.validateJwtAccessToken(as, request, mail, plain)).rejects.toThrow()
  })
})

describe('openid-client', () => {
  const discover = (clientId: string) =>
    openid.discovery(new URL(server.issuer), clientId, secretOf(clientId), undefined, {
      algorithm: 'oauth2',
      execute: [openid.allowInsecureRequests],
    })

  test('discovers, gets a token with its default authentication, and exchanges it', async () => {
    // Its default is client_secret_post, so the client is registered for that.
    const posting = await discover('posting')
    const own = await openid.clientCredentialsGrant(posting, { resource: docs })
    expect(own).toMatchObject({ token_type: 'bearer', expires_in: 900 })
    const narrowed = await openid.genericGrantRequest(posting, grantTypes.tokenExchange, {
      subject_token: own.access_token,
      subject_token_type: tokenTypes.accessToken,
      scope: 'docs:read',
    })
    expect(narrowed).toMatchObject({
      scope: 'docs:read',
      issued_token_type: tokenTypes.accessToken,
    })
  })

  test('introspects and revokes', async () => {
    const posting = await discover('posting')
    const { access_token } = await openid.clientCredentialsGrant(posting, { resource: docs })
    const docsServer = await openid.discovery(
      new URL(server.issuer),
      'docs-server',
      undefined,
      openid.ClientSecretBasic(secretOf('docs-server')),
      { algorithm: 'oauth2', execute: [openid.allowInsecureRequests] },
    )
    expect(await openid.tokenIntrospection(docsServer, access_token)).toMatchObject({
      active: true,
    })
    await openid.tokenRevocation(posting, access_token)
    expect(await openid.tokenIntrospection(docsServer, access_token)).toEqual({ active: false })
  })
})

describe('jose', () => {
  const tokenFor = async (resource: string): Promise<string> => {
    const response = await fetch(`${server.url}/token`, {
      method: 'POST',
      headers: {
        Authorization: `Basic ${btoa(`orchestrator:${secretOf('orchestrator')}`)}`,
      },
      body: new URLSearchParams({ grant_type: 'client_credentials', resource }),
    })
    return ((await response.json()) as { access_token: string }).access_token
  }

  const verify = (token: string, changed: object = {}) =>
    jwtVerify(token, createRemoteJWKSet(new URL(`${server.url}/jwks`)), {
      issuer: server.issuer,
      audience: docs,
      typ: 'at+jwt',
      algorithms: ['ES256'],
      requiredClaims: ['sub', 'client_id', 'jti', 'iat', 'exp', 'scope'],
      ...changed,
    })

  test('verifies a token by the published keys', async () => {
    const { payload, protectedHeader } = await verify(await tokenFor(docs))
    expect(payload).toMatchObject({ sub: 'orchestrator', tenant_id: 'acme' })
    expect(protectedHeader).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: expect.any(String) })
  })

  test('refuses it for another audience, issuer or type, and with a changed payload', async () => {
    const token = await tokenFor(docs)
    const claim = errors.JWTClaimValidationFailed
    await expect(verify(token, { audience: mail })).rejects.toThrow(claim)
    await expect(verify(token, { issuer: 'https://other.example' })).rejects.toThrow(claim)
    await expect(verify(token, { typ: 'JWT' })).rejects.toThrow(claim)
    const [header, , signature] = token.split('.')
    const [, payload] = (await tokenFor(mail)).split('.')
    const mixed = verify(`${header}.${payload}.${signature}`)
    await expect(mixed).rejects.toThrow(errors.JWSSignatureVerificationFailed)
  })
})
