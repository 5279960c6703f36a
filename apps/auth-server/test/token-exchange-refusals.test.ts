/** What a token exchange never does, as far as its request, its client and its tokens go. RFC 8693 §2.2.2. */
import { createHmac, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { grantTypes, revocationFeedType, tokenTypes } from '@behalf/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { decodeHeader, es256, jws, resign, serverKey } from './forge.js'
import {
  type Answer,
  baseConfig,
  decode,
  delegateOnce,
  docs,
  issuer,
  openTestServer,
  secretOf,
  type TestServer,
  type TokenBody,
} from './harness.js'

const config = {
  ...baseConfig,
  clients: [
    ...baseConfig.clients,
    {
      client_id: 'public-exchanger',
      kind: 'app',
      token_endpoint_auth_method: 'none',
      grant_types: [grantTypes.tokenExchange],
    },
  ],
}

let server: TestServer
/** The orchestrator's own token for docs. */
let own: string
beforeAll(async () => {
  server = await openTestServer({ config })
  own = (await server.clientCredentials('orchestrator')).body.access_token
})
afterAll(() => server.close())

const agentToken = async (clientId: string, resource = issuer): Promise<string> =>
  (await server.clientCredentials(clientId, { resource })).body.access_token

const expectRefusal = (answer: Answer<TokenBody>, error: string, detail?: string): void => {
  expect(answer.body).toMatchObject({ error, ...(detail && { error_detail: detail }) })
  expect(answer.status).toBe(error === 'access_denied' ? 403 : 400)
  expect(answer.body.access_token).toBeUndefined()
  expect(answer.headers.get('cache-control')).toBe('no-store')
}

const withActor = (token: string, type: string = tokenTypes.accessToken) => ({
  actor_token: token,
  actor_token_type: type,
})

describe('the request', () => {
  const whole = () => ({
    grant_type: grantTypes.tokenExchange,
    subject_token: own,
    subject_token_type: tokenTypes.accessToken as string,
  })

  test('without a subject_token never falls back to the client itself', async () => {
    const { subject_token: _, ...rest } = whole()
    expectRefusal(await server.token('orchestrator', rest), 'invalid_request')
  })

  test.each([
    'subject_token',
    'subject_token_type',
    'actor_token',
    'actor_token_type',
    'requested_token_type',
    'requested_actor',
    'resource',
    'audience',
    'scope',
    'agent_limits',
  ])('with an empty %s is refused, since dropping it could widen what is asked', async (name) => {
    const answer = await server.token('orchestrator', { ...whole(), [name]: '' })
    expectRefusal(answer, 'invalid_request', 'empty_parameter')
  })

  test.each(['subject_token', 'subject_token_type', 'scope', 'requested_actor', 'agent_limits'])(
    'with a repeated %s is refused, even when both say the same',
    async (name) => {
      const value = { ...whole(), scope: 'docs:read' }[name] ?? 'researcher'
      const answer = await server.token('orchestrator', { ...whole(), [name]: [value, value] })
      expectRefusal(answer, 'invalid_request', 'repeated_parameter')
    },
  )

  test('without a subject_token_type is refused', async () => {
    const { subject_token_type: _, ...rest } = whole()
    const answer = await server.token('orchestrator', rest)
    expectRefusal(answer, 'invalid_request', 'subject_token_type')
  })

  test.each(['id_token', 'refresh_token', 'saml2', 'nope'])(
    'with a subject_token_type of %s is refused, whatever the token is',
    async (type) => {
      const subject_token_type = `urn:ietf:params:oauth:token-type:${type}`
      const answer = await server.token('orchestrator', { ...whole(), subject_token_type })
      expectRefusal(answer, 'invalid_request', 'subject_token_type')
    },
  )

  test('with an actor_token without its type is refused, and so is the reverse', async () => {
    const actor_token = await agentToken('researcher')
    const alone = await server.exchange('orchestrator', own, { actor_token })
    expectRefusal(alone, 'invalid_request', 'actor_token_type')
    const reverse = await server.exchange('orchestrator', own, {
      actor_token_type: tokenTypes.accessToken,
    })
    expectRefusal(reverse, 'invalid_request', 'actor_token_type')
  })

  test('with an actor_token of another type is refused', async () => {
    const token = await agentToken('researcher')
    const type = 'urn:ietf:params:oauth:token-type:id_token'
    const answer = await server.exchange('orchestrator', own, withActor(token, type))
    expectRefusal(answer, 'invalid_request', 'actor_token_type')
  })

  test.each(['refresh_token', 'saml2', 'id_token'])(
    'for a %s is refused: only access tokens are issued',
    async (type) => {
      const requested_token_type = `urn:ietf:params:oauth:token-type:${type}`
      const answer = await server.exchange('orchestrator', own, { requested_token_type })
      expectRefusal(answer, 'invalid_request', 'requested_token_type')
    },
  )

  test.each(['usr_alice', 'two words', 'ümlaut'])(
    'with the requested_actor "%s" is refused, since that is no client',
    async (requested_actor) => {
      const answer = await server.exchange('orchestrator', own, { requested_actor })
      expectRefusal(answer, 'invalid_request', 'malformed_requested_actor')
    },
  )

  test('with a requested_actor and an actor_token is refused, even when they agree', async () => {
    const answer = await server.exchange('orchestrator', own, {
      requested_actor: 'researcher',
      ...withActor(await agentToken('researcher')),
    })
    expectRefusal(answer, 'invalid_request', 'two_actors')
  })
})

describe('the client', () => {
  test('that does not authenticate gets nothing', async () => {
    const { status, body } = await server.exchange(undefined as unknown as string, own)
    expect([status, body.error]).toEqual([401, 'invalid_client'])
  })

  test('that names itself without its secret gets nothing', async () => {
    const fields = { client_id: 'researcher', requested_actor: 'researcher' }
    const { status, body } = await server.exchange(undefined as unknown as string, own, fields)
    expect([status, body.error]).toEqual([401, 'invalid_client'])
  })

  test('that is public gets nothing, whatever its registration allows', async () => {
    const answer = await server.token(undefined, {
      client_id: 'public-exchanger',
      grant_type: grantTypes.tokenExchange,
      subject_token: own,
      subject_token_type: tokenTypes.accessToken,
    })
    expectRefusal(answer, 'unauthorized_client', 'public_client')
  })

  test('that may not use the grant gets nothing, even for its own token', async () => {
    const answer = await server.exchange('cc-only', await agentToken('cc-only', docs))
    expectRefusal(answer, 'unauthorized_client', 'grant_type_not_allowed')
  })

  test.each(['researcher', 'mail-server', 'posting'])(
    'that neither holds the token nor serves its resource gets nothing: %s',
    async (clientId) => {
      const auth = clientId === 'posting' ? undefined : clientId
      const fields = auth ? {} : { client_id: clientId, client_secret: secretOf(clientId) }
      const answer = await server.exchange(auth as string, own, fields)
      expectRefusal(answer, 'invalid_request', 'not_the_holder')
    },
  )

  test('that serves the resource may only pull for itself, not hand the token on', async () => {
    const handOn = await server.exchange('docs-server', own, { requested_actor: 'researcher' })
    expectRefusal(handOn, 'invalid_request', 'not_the_holder')
    const actor = withActor(await agentToken('researcher'))
    expectRefusal(await server.exchange('docs-server', own, actor), 'invalid_request')
  })
})

describe('a subject token', () => {
  const refused = async (token: string, detail?: string): Promise<void> =>
    expectRefusal(await server.exchange('orchestrator', token), 'invalid_request', detail)

  test.each(['JWT', 'id+jwt', 'token-introspection+jwt', revocationFeedType, ''])(
    'of the type "%s" is refused, though our own key signed it',
    (typ) => refused(resign(server, own, {}, typ), 'subject_token_wrong_type'),
  )

  test('without any type is refused, though our own key signed it', async () => {
    const { typ: _, ...header } = decodeHeader(own)
    const token = jws(header, decode(own), es256(await serverKey(server)))
    await refused(token, 'subject_token_wrong_type')
  })

  test('that was stripped of its signature or claims alg none is refused', async () => {
    const [header, payload] = own.split('.')
    await refused(`${header}.${payload}.`)
    const none = jws({ ...decodeHeader(own), alg: 'none' }, decode(own), () => Buffer.from('x'))
    await refused(none, 'subject_token_unacceptable_algorithm')
  })

  test('signed by HMAC with our public key is refused', async () => {
    const { kid } = decodeHeader(own)
    const [jwk] = server.deps.keys.jwks().keys
    const pem = createPublicKey({ key: { ...jwk }, format: 'jwk' }).export({
      type: 'spki',
      format: 'pem',
    })
    const hmac = (input: string) => createHmac('sha256', pem).update(input).digest()
    const token = jws({ alg: 'HS256', typ: 'at+jwt', kid }, decode(own), hmac)
    await refused(token, 'subject_token_unacceptable_algorithm')
  })

  test('signed by a foreign key under the id of ours, or under its own, is refused', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const header = decodeHeader(own)
    const sameName = jws(header, decode(own), es256(privateKey))
    await refused(sameName, 'subject_token_bad_signature')
    const otherName = jws({ ...header, kid: 'other' }, decode(own), es256(privateKey))
    await refused(otherName, 'subject_token_unknown_key')
  })

  test('signed by our key under an algorithm that is not that of the key is refused', async () => {
    const header = { ...decodeHeader(own), alg: 'RS256' }
    const token = jws(header, decode(own), es256(await serverKey(server), 'der'))
    await refused(token, 'subject_token_bad_signature')
  })

  test('in another spelling of the same bytes is refused', async () => {
    const [header, payload, signature = ''] = own.split('.')
    const last = signature.at(-1) ?? ''
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const twin = alphabet[alphabet.indexOf(last) + 1]
    for (const spelling of [`${signature}==`, ` ${signature}`, signature.slice(0, -1) + twin]) {
      await refused(`${header}.${payload}.${spelling}`)
    }
  })

  test('of another issuer, expired or not yet valid is refused', async () => {
    const now = server.clock.seconds()
    await refused(resign(server, own, { iss: `${issuer}/other` }), 'subject_token_wrong_issuer')
    await refused(resign(server, own, { exp: now }), 'subject_token_token_expired')
    const later = { iat: now + 30, exp: now + 60 }
    await refused(resign(server, own, later), 'subject_token_token_not_yet_valid')
  })

  test('that is bound to a key is refused: an exchange would make a bearer token of it', async () => {
    const bound = resign(server, own, {
      cnf: { jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' },
    })
    await refused(bound, 'subject_token_sender_bound')
  })

  test('with a limit that the server does not know is refused, though our own key signed it', () =>
    refused(
      resign(server, own, { agent_limits: { tokens_per_day: 5 } }),
      'subject_token_malformed_claim_agent_limits',
    ))

  test.each([[[]], [undefined], [['dlg_unknown']]])(
    'that stands on no delegation we know is refused: %j',
    (agent_lineage) => refused(resign(server, own, { agent_lineage })),
  )

  test('whose may_act has a member that we do not know is refused', async () => {
    const { handOff } = await delegateOnce(server)
    const members = [
      { sub: 'researcher', client_id: 'researcher', department: 'research' },
      { sub: 'researcher', client_id: 'scraper' },
      { sub: 'researcher', iss: 'https://other.example' },
    ]
    for (const may_act of members) {
      const token = resign(server, handOff.body.access_token, { may_act })
      const answer = await server.exchange('researcher', token)
      expectRefusal(answer, 'invalid_request', 'may_act_mismatch')
    }
  })

  test('whose may_act was changed on the way is refused', async () => {
    const { handOff } = await delegateOnce(server)
    const [header, , signature] = handOff.body.access_token.split('.')
    const claims = { ...decode(handOff.body.access_token), may_act: { sub: 'scraper' } }
    const payload = Buffer.from(JSON.stringify(claims)).toString('base64url')
    const answer = await server.exchange('scraper', `${header}.${payload}.${signature}`)
    expectRefusal(answer, 'invalid_request', 'subject_token_bad_signature')
  })

  test('that is a hand-off is accepted as it is: no further actor, no limits', async () => {
    const { handOff } = await delegateOnce(server)
    const further = [
      { requested_actor: 'scraper' },
      { agent_limits: '{"cost_budget_usd":1}' },
      withActor(await agentToken('scraper')),
    ]
    for (const fields of further) {
      const answer = await server.exchange('researcher', handOff.body.access_token, fields)
      expectRefusal(answer, 'invalid_request', 'malformed_accept')
    }
  })

  test('with may_act for a resource is no hand-off', async () => {
    const { handOff } = await delegateOnce(server)
    for (const aud of [docs, [issuer, docs]]) {
      const token = resign(server, handOff.body.access_token, { aud })
      const answer = await server.exchange('researcher', token)
      expectRefusal(answer, 'invalid_request', 'malformed_accept')
    }
  })
})
