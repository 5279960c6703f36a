/** Who may become an actor by an exchange, and what tenants learn of each other. RFC 8693 §4. */
import { generateKeyPairSync } from 'node:crypto'
import { tokenTypes } from '@behalf/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { decodeHeader, es256, jws, resign } from './forge.js'
import {
  type Answer,
  baseConfig,
  decode,
  delegateOnce,
  docs,
  issuer,
  mail,
  openTestServer,
  otherTenantDocs,
  type TestServer,
  type TokenBody,
} from './harness.js'

const config = {
  ...baseConfig,
  delegation_rules: [...baseConfig.delegation_rules, { from: 'orchestrator', to: 'switched-off' }],
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
}

const withActor = (token: string) => ({
  actor_token: token,
  actor_token_type: tokenTypes.accessToken,
})

describe('an actor token', () => {
  const refused = async (token: string, detail: string): Promise<void> =>
    expectRefusal(
      await server.exchange('orchestrator', own, withActor(token)),
      'invalid_request',
      detail,
    )

  test('that is itself delegated is refused', async () => {
    const { token } = await delegateOnce(server)
    await refused(token, 'actor_token_delegated')
    const forServer = resign(server, token, { aud: issuer })
    await refused(forServer, 'actor_token_delegated')
    const noAct = resign(server, token, { aud: issuer, act: undefined })
    await refused(noAct, 'actor_token_delegated')
    const act = { sub: 'scraper' }
    const forItself = resign(server, await agentToken('researcher'), { act })
    await refused(forItself, 'actor_token_delegated')
  })

  test('that waits to be accepted is refused', async () => {
    const mine = await agentToken('researcher')
    const waiting = resign(server, mine, { may_act: { sub: 'researcher' } })
    await refused(waiting, 'actor_token_delegated')
  })

  test('meant for a resource, or for a resource too, is refused', async () => {
    const forDocs = await agentToken('researcher', docs)
    await refused(forDocs, 'actor_token_wrong_audience')
    const forBoth = resign(server, forDocs, { aud: [issuer, docs] })
    await refused(forBoth, 'actor_token_wrong_audience')
  })

  test('that has expired is refused', async () => {
    const expired = resign(server, await agentToken('researcher'), { exp: server.clock.seconds() })
    await refused(expired, 'actor_token_token_expired')
  })

  test('of a foreign key is refused', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const mine = await agentToken('researcher')
    const forged = jws(decodeHeader(mine), decode(mine), es256(privateKey))
    await refused(forged, 'actor_token_bad_signature')
  })

  test('that was revoked is refused', async () => {
    const token = await agentToken('scraper')
    await server.revoke('scraper', token)
    await refused(token, 'actor_token_revoked')
  })
})

describe('another actor', () => {
  const handOffTo = (requested_actor: string) =>
    server.exchange('orchestrator', own, { requested_actor })

  test.each(['scraper', 'switched-off', 'globex-agent', 'nobody-knows-it'])(
    'without a rule is refused in the one way that does not say why: %s',
    async (clientId) => {
      const answer = await handOffTo(clientId)
      expectRefusal(answer, 'access_denied', 'delegation_not_permitted')
      expect(answer.body).toEqual((await handOffTo('unknown-client')).body)
    },
  )

  test('needs a rule of its own tenant', async () => {
    const move = 'update delegation_rules set tenant_id = $1 where from_selector = $2'
    await server.database.write(move, ['globex', 'client:orchestrator'])
    const answer = await handOffTo('researcher')
    await server.database.write(move, ['acme', 'client:orchestrator'])
    expectRefusal(answer, 'access_denied', 'delegation_not_permitted')
  })

  test('that has left the tenant, or is gone, is refused whatever a rule still says', async () => {
    const move = 'update clients set tenant_id = $1 where client_id = $2'
    await server.database.write(move, ['globex', 'researcher'])
    const moved = await handOffTo('researcher')
    await server.database.write(move, ['acme', 'researcher'])
    expectRefusal(moved, 'access_denied', 'delegation_not_permitted')
    await server.database.write('delete from clients where client_id = $1', ['switched-off'])
    expectRefusal(await handOffTo('switched-off'), 'access_denied', 'delegation_not_permitted')
  })

  test('that is in the chain already cannot come back', async () => {
    const first = await delegateOnce(server)
    const second = await delegateOnce(server, {}, 'researcher', 'scraper', first.token)
    for (const to of ['orchestrator', 'researcher', 'scraper']) {
      const answer = await server.exchange('scraper', second.token, { requested_actor: to })
      expectRefusal(answer, 'access_denied', 'delegation_cycle')
    }
    expectRefusal(await handOffTo('orchestrator'), 'access_denied', 'delegation_cycle')
  })

  test('needs a rule for a pull and for a push as well', async () => {
    const mails = await agentToken('orchestrator', mail)
    const pull = await server.exchange('mail-server', mails)
    expectRefusal(pull, 'access_denied', 'delegation_not_permitted')
    const push = await server.exchange('orchestrator', own, withActor(await agentToken('loner')))
    expectRefusal(push, 'access_denied', 'delegation_not_permitted')
  })
})

describe('across tenants', () => {
  test('a subject token is refused alike, whether it lives or not', async () => {
    const token = await agentToken('globex-agent', otherTenantDocs)
    const living = await server.exchange('orchestrator', token)
    expectRefusal(living, 'invalid_request', 'subject_token_tenant_mismatch')
    await server.revoke('globex-agent', token)
    expect((await server.exchange('orchestrator', token)).body).toEqual(living.body)
  })

  test('a hand-off cannot be accepted', async () => {
    const { handOff } = await delegateOnce(server)
    const foreign = resign(server, handOff.body.access_token, { tenant_id: 'globex' })
    const answer = await server.exchange('researcher', foreign)
    expectRefusal(answer, 'invalid_request', 'subject_token_tenant_mismatch')
  })

  test('an actor token is refused', async () => {
    const answer = await server.exchange(
      'orchestrator',
      own,
      withActor(await agentToken('globex-agent')),
    )
    expectRefusal(answer, 'invalid_request', 'actor_token_tenant_mismatch')
  })

  test('a resource is refused like one that does not exist, by URI and by name', async () => {
    const ask = (fields: Record<string, string>) => server.exchange('orchestrator', own, fields)
    const unknown = await ask({ resource: 'https://nobody.example/mcp' })
    expectRefusal(unknown, 'invalid_target')
    for (const fields of [
      { resource: otherTenantDocs },
      { audience: otherTenantDocs },
      { audience: 'globex-docs-server' },
      { audience: 'nobody-knows-it' },
    ]) {
      expect((await ask(fields as Record<string, string>)).body).toEqual(unknown.body)
    }
  })
})
