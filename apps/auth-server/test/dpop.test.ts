/** Nobody gets a bearer token who asked for one that is bound to a key. RFC 9449. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  authorizeQuery,
  createPKCE,
  getCode,
  getTokens,
  openBrowser,
  openPeopleServer,
  type PeopleServer,
  refresh,
} from './browser.js'
import { basic, docs, type FormFields } from './harness.js'

let server: PeopleServer
beforeAll(async () => {
  server = await openPeopleServer()
})
afterAll(() => server.close())

const withProof = (path: string, fields: FormFields, headers: Record<string, string> = {}) =>
  server.post<Record<string, unknown>>(path, fields, { DPoP: 'eyJ0.eyJq.c2ln', ...headers })

const expectRefused = ({ status, body }: Awaited<ReturnType<typeof withProof>>): void => {
  expect([status, body.error, body.error_detail]).toEqual([
    400,
    'invalid_request',
    'dpop_not_supported',
  ])
  expect(body).not.toHaveProperty('access_token')
}

test('a client that sends a proof with its credentials is refused', async () => {
  const form = { grant_type: 'client_credentials', resource: docs }
  expectRefused(await withProof('/token', form, { Authorization: basic('assistant') }))
})

test('a code that comes with a proof buys nothing, and is not spent by it', async () => {
  const { code, pkce, clientId, redirectUri } = await getCode(server)
  const form = {
    grant_type: 'authorization_code',
    client_id: clientId,
    redirect_uri: redirectUri,
    code,
    code_verifier: pkce.verifier,
  }
  expectRefused(await withProof('/token', form))
  expect((await server.post('/token', form, {})).status).toBe(200)
})

test('a refresh token that comes with a proof buys nothing, and is not spent by it', async () => {
  const { refresh_token } = await getTokens(server)
  const form = { grant_type: 'refresh_token', client_id: 'pub', refresh_token }
  expectRefused(await withProof('/token', form))
  expect((await refresh(server, 'pub', refresh_token)).status).toBe(200)
})

test('an authorization request for a bound code is refused, pushed or not', async () => {
  const jkt = { dpop_jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' }
  const { query } = await openBrowser(server, 'usr_alice').authorize(
    authorizeQuery(createPKCE(), jkt),
  )
  expect([query.get('error'), query.get('code')]).toEqual(['invalid_request', null])
  const request = Object.fromEntries(authorizeQuery(createPKCE()))
  expectRefused(await server.post('/par', { ...request, ...jkt }, {}))
  expectRefused(await withProof('/par', request))
})

test('the metadata offers no proofs, so stock clients send none', async () => {
  for (const name of ['oauth-authorization-server', 'openid-configuration']) {
    const metadata = await (await server.request(`/.well-known/${name}`)).json()
    expect(metadata).not.toHaveProperty('dpop_signing_alg_values_supported')
  }
})
