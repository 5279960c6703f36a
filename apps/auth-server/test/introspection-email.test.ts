/** A resource server learns the person's address by asking, where the person agreed that it is told. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { getTokens, openPeopleServer, type PeopleServer, peopleConfig } from './browser.js'
import { decode, docs } from './harness.js'

const config = {
  ...peopleConfig,
  clients: peopleConfig.clients.map((client) =>
    client.client_id === 'assistant' || client.client_id === 'helper'
      ? { ...client, scope: 'openid email docs:read' }
      : client,
  ),
  // Only what a resource knows can be lent on.
  resources: peopleConfig.resources.map((one) =>
    one.resource === docs ? { ...one, scopes_supported: ['docs:read', 'email'] } : one,
  ),
  delegation_rules: [{ from: 'assistant', to: 'helper', cost_budget_usd: 1 }],
}

let server: PeopleServer
beforeAll(async () => {
  server = await openPeopleServer({ config })
})
afterAll(() => server.close())

const tokenOf = async (scope: string, client_id = 'pub'): Promise<string> => {
  const consent = client_id === 'assistant' ? { cost_budget_usd: '2' } : {}
  const query = { client_id, scope, nonce: 'n', resource: docs }
  return (await getTokens(server, { query, consent })).access_token
}

const asked = async (token: string, by = 'docs-server') => (await server.introspect(by, token)).body

test.each(['pub', 'assistant'])('with email in its scope, of a token of %s', async (client) => {
  const token = await tokenOf('openid email docs:read', client)
  expect(await asked(token)).toMatchObject({
    active: true,
    sub: 'usr_alice',
    email: 'alice@acme.test',
    email_verified: true,
  })
  expect(decode(token)).not.toHaveProperty('email')
  expect(decode(token)).not.toHaveProperty('email_verified')
})

test('as it is now, not as it was when the token was issued', async () => {
  const token = await tokenOf('openid email docs:read')
  const { person } = server.people.who('usr_alice')
  const before = { ...person }
  Object.assign(person, { email: 'alice@new.test', emailVerified: false })
  expect(await asked(token)).toMatchObject({ email: 'alice@new.test', email_verified: false })
  Object.assign(person, before)
})

test('without email in the scope nothing of it is told', async () => {
  const answer = await asked(await tokenOf('openid docs:read'))
  expect(answer.active).toBe(true)
  expect(answer).not.toHaveProperty('email')
  expect(answer).not.toHaveProperty('email_verified')
})

test('of a token for another resource nothing is told at all', async () => {
  const token = await tokenOf('openid email docs:read')
  expect(await asked(token, 'mail-server')).toEqual({ active: false })
})

test('of a token that was lent on the address is not told', async () => {
  const wanted = { client_id: 'assistant', scope: 'openid email docs:read', resource: docs }
  const lendable = { query: { ...wanted, prompt: 'consent' }, consent: { may_delegate: 'yes' } }
  const { access_token: subject } = await getTokens(server, lendable)
  const handOff = await server.exchange('assistant', subject, { requested_actor: 'helper' })
  const { body } = await server.exchange('helper', handOff.body.access_token)
  expect([handOff.body.error_detail, body.error_detail]).toEqual([undefined, undefined])
  expect(decode(body.access_token).scope).toContain('email')
  const answer = await asked(body.access_token)
  expect(answer).toMatchObject({ active: true, sub: 'usr_alice' })
  expect(answer).not.toHaveProperty('email')
})
