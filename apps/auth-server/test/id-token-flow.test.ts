/** ID tokens come with codes and refresh tokens, where openid was agreed to. OpenID Connect Core §3.1. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { accessTokenHash } from '../src/id-token.js'
import {
  getTokens,
  openPeopleServer,
  type PeopleServer,
  type PersonTokens,
  refresh,
} from './browser.js'
import { decode, docs, issuer } from './harness.js'

let server: PeopleServer
beforeAll(async () => {
  server = await openPeopleServer()
})
afterAll(() => server.close())

const nonce = 'n-0S6_WzA2Mj'
const withOpenid = { query: { scope: 'openid email docs:read', nonce, resource: docs } }

const idTokenOf = (tokens: PersonTokens & { id_token?: string }) => tokens.id_token ?? ''

test('a code buys one with the nonce of the request and the hash of the access token', async () => {
  const tokens = await getTokens(server, withOpenid)
  const claims = decode(idTokenOf(tokens))
  expect(claims).toMatchObject({
    iss: issuer,
    sub: 'usr_alice',
    aud: 'pub',
    nonce,
    at_hash: accessTokenHash(tokens.access_token, 'ES256'),
    email: 'alice@acme.test',
    tenant_id: 'acme',
  })
  expect(decode(tokens.access_token).aud).toEqual([docs, issuer])
  expect(decode(tokens.access_token)).not.toHaveProperty('email')
})

test('a refresh token brings a new one, for the same sign-in and without the nonce', async () => {
  const tokens = await getTokens(server, withOpenid)
  const first = decode(idTokenOf(tokens))
  server.clock.advance(600)
  const { body } = await refresh(server, 'pub', tokens.refresh_token)
  const second = decode(idTokenOf(body))
  expect(second).not.toHaveProperty('nonce')
  expect(second).toMatchObject({
    sub: first.sub,
    aud: first.aud,
    auth_time: first.auth_time,
    iat: server.clock.seconds(),
    at_hash: accessTokenHash(body.access_token, 'ES256'),
  })
})

test('a refresh without openid brings none, and neither does a request without it', async () => {
  const tokens = await getTokens(server, withOpenid)
  const less = await refresh(server, 'pub', tokens.refresh_token, { scope: 'docs:read' })
  expect(less.status).toBe(200)
  expect(less.body).not.toHaveProperty('id_token')
  const without = await getTokens(server, { query: { scope: 'docs:read', nonce } })
  expect(without).not.toHaveProperty('id_token')
})

test('an agent gets one about the person, and userinfo answers it', async () => {
  const query = { client_id: 'assistant', scope: 'openid docs:read', nonce, resource: docs }
  const tokens = await getTokens(server, { query, consent: { cost_budget_usd: '2' } })
  expect(decode(idTokenOf(tokens))).toMatchObject({
    sub: 'usr_alice',
    aud: 'assistant',
    role: 'user',
  })
  expect(decode(idTokenOf(tokens))).not.toHaveProperty('act')
  const headers = { Authorization: `Bearer ${tokens.access_token}` }
  const userinfo = await server.request('/userinfo', { headers })
  expect(await userinfo.json()).toMatchObject({ sub: 'usr_alice', tenant_id: 'acme' })
})

test('what an agent lends on is no key to userinfo, whichever way it is lent', async () => {
  const asked = { client_id: 'assistant', scope: 'openid docs:read', resource: docs }
  const query = { ...asked, prompt: 'consent' }
  const { access_token } = await getTokens(server, { query, consent: { may_delegate: 'yes' } })
  const handOff = await server.exchange('assistant', access_token, { requested_actor: 'helper' })
  const accepted = await server.exchange('helper', handOff.body.access_token)
  for (const { status, body } of [handOff, accepted]) {
    expect(status).toBe(200)
    const headers = { Authorization: `Bearer ${body.access_token}` }
    expect((await server.request('/userinfo', { headers })).status).toBe(401)
  }
})

test('clients that act for themselves never get one', async () => {
  const { body } = await server.clientCredentials('assistant', { scope: 'openid docs:read' })
  expect(body).not.toHaveProperty('id_token')
})
