/** The five shapes of a token exchange, each with the exact claims that it makes. RFC 8693. */
import { grantTypes, tokenTypes } from '@behalf/protocol'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { resign } from './forge.js'
import {
  createClock,
  decode,
  delegateOnce,
  docs,
  issuer,
  mail,
  openTestServer,
  type TestServer,
} from './harness.js'
import { createStandInPeople } from './stand-in-people.js'

let server: TestServer
beforeAll(async () => {
  const clock = createClock()
  server = await openTestServer({ clock, people: createStandInPeople(clock.now) })
})
afterAll(() => server.close())

const actor = (client_id: string, sub_profile = 'ai_agent') => ({
  sub: client_id,
  iss: issuer,
  client_id,
  sub_profile,
})

const lineageOf = (token: string): string[] => decode(token).agent_lineage as string[]

/** A token of the orchestrator's own, and where it stands. */
const ownToken = async (resource: string | string[] = docs) => {
  const { body } = await server.clientCredentials('orchestrator', { resource })
  return { token: body.access_token, root: lineageOf(body.access_token)[0] }
}

const agentToken = async (clientId: string): Promise<string> =>
  (await server.clientCredentials(clientId, { resource: issuer })).body.access_token

const actorToken = async (clientId: string) => ({
  actor_token: await agentToken(clientId),
  actor_token_type: tokenTypes.accessToken,
})

const freshJti = /^at_[A-Za-z0-9_-]{22}$/
const freshDelegation = /^dlg_[A-Za-z0-9_-]{22}$/

describe('narrow', () => {
  test('keeps the actor and makes a child delegation with less authority', async () => {
    const { token, root } = await ownToken([docs, mail])
    const now = server.clock.seconds()
    const { status, headers, body } = await server.exchange('orchestrator', token, {
      scope: 'docs:read',
      resource: docs,
      agent_limits: '{"cost_budget_usd":"0.08","allowed_actions":["docs.read"]}',
    })
    const limits = {
      requests_per_hour: 100,
      cost_budget_usd: 0.08,
      allowed_actions: ['docs.read'],
      max_delegation_depth: 3,
    }
    expect(status).toBe(200)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(body).toEqual({
      access_token: expect.any(String),
      issued_token_type: tokenTypes.accessToken,
      token_type: 'Bearer',
      expires_in: 300,
      scope: 'docs:read',
      agent_limits: limits,
    })
    expect(decode(body.access_token)).toEqual({
      iss: issuer,
      sub: 'orchestrator',
      aud: docs,
      client_id: 'orchestrator',
      scope: 'docs:read',
      iat: now,
      exp: now + 300,
      jti: expect.stringMatching(freshJti),
      tenant_id: 'acme',
      role: 'agent',
      agent_type: 'planner',
      agent_limits: limits,
      agent_lineage: [root, expect.stringMatching(freshDelegation)],
    })
  })

  test('keeps the whole chain of a delegated token', async () => {
    const { token } = await delegateOnce(server)
    const { body } = await server.exchange('researcher', token)
    const before = decode(token)
    const after = decode(body.access_token)
    expect(after.act).toEqual(before.act)
    expect(after).toMatchObject({ sub: 'orchestrator', client_id: 'researcher', aud: docs })
    expect(lineageOf(body.access_token).slice(0, -1)).toEqual(before.agent_lineage)
    expect(after.jti).not.toBe(before.jti)
  })

  test('asks for all that there is when it names nothing', async () => {
    const { token } = await ownToken([docs, mail])
    const { body } = await server.exchange('orchestrator', token)
    const before = decode(token)
    const after = decode(body.access_token)
    for (const claim of ['aud', 'scope', 'agent_limits'])
      expect(after[claim]).toEqual(before[claim])
  })

  test('takes the client id of a resource server as audience', async () => {
    const { token } = await ownToken()
    const { body } = await server.exchange('orchestrator', token, { audience: 'docs-server' })
    expect(decode(body.access_token).aud).toBe(docs)
  })

  test('keeps all targets when several are named', async () => {
    const { token } = await ownToken([docs, mail])
    const { body } = await server.exchange('orchestrator', token, { resource: [mail, docs] })
    expect(decode(body.access_token).aud).toEqual([mail, docs])
  })

  test('is recorded with the token that it came from before it is answered', async () => {
    const { token } = await ownToken()
    const { body } = await server.exchange('orchestrator', token, { scope: 'docs:read' })
    const { jti, agent_lineage } = decode(body.access_token)
    const rows = await server.database.read(
      'select parent_jti, delegation_id, client_id, subject, actor, scope from issuances where jti = $1',
      [jti],
    )
    expect(rows).toEqual([
      {
        parent_jti: decode(token).jti,
        delegation_id: (agent_lineage as string[]).at(-1),
        client_id: 'orchestrator',
        subject: 'orchestrator',
        actor: 'orchestrator',
        scope: 'docs:read',
      },
    ])
  })
})

describe('hand off', () => {
  test('makes the child delegation and a token that only says who may accept it', async () => {
    const { token, root } = await ownToken()
    const now = server.clock.seconds()
    const { body } = await server.exchange('orchestrator', token, {
      requested_actor: 'researcher',
      scope: 'docs:read',
    })
    const limits = {
      requests_per_hour: 100,
      cost_budget_usd: 5,
      allowed_actions: ['docs.*', 'mail.send'],
      max_delegation_depth: 1,
    }
    expect(body).toEqual({
      access_token: expect.any(String),
      issued_token_type: tokenTypes.jwt,
      token_type: 'N_A',
      expires_in: 900,
      scope: 'docs:read',
      agent_limits: limits,
    })
    expect(decode(body.access_token)).toEqual({
      iss: issuer,
      sub: 'orchestrator',
      aud: issuer,
      client_id: 'orchestrator',
      scope: 'docs:read',
      iat: now,
      exp: now + 900,
      jti: expect.stringMatching(freshJti),
      tenant_id: 'acme',
      role: 'agent',
      agent_type: 'planner',
      may_act: { sub: 'researcher', client_id: 'researcher' },
      agent_limits: limits,
      agent_lineage: [root, expect.stringMatching(freshDelegation)],
    })
  })

  const unusable = {
    'at introspection': async (handOff: string) =>
      expect((await server.introspect('docs-server', handOff)).body).toEqual({ active: false }),
    'as an actor token': async (handOff: string) => {
      const { token } = await ownToken()
      const { status, body } = await server.exchange('orchestrator', token, {
        actor_token: handOff,
        actor_token_type: tokenTypes.accessToken,
      })
      expect([status, body.error]).toEqual([400, 'invalid_request'])
    },
    'to its holder as a subject token': async (handOff: string) => {
      const { status, body } = await server.exchange('orchestrator', handOff)
      expect([status, body.error]).toEqual([400, 'invalid_request'])
    },
    'at the ledger': async (handOff: string) => {
      const { status } = await server.ledger('docs-server', '/reservations', {
        token: handOff,
        amount_usd: '0.01',
        action: 'docs.read',
      })
      expect(status).toBe(403)
    },
    "at the server's own API": async (handOff: string) => {
      const response = await server.request(`/ledger/budgets/${lineageOf(handOff).at(-1)}`, {
        headers: { Authorization: `Bearer ${handOff}` },
      })
      expect(response.status).toBe(401)
    },
  }
  for (const [where, check] of Object.entries(unusable)) {
    test(`makes a token that is good for nothing ${where}`, async () => {
      const { handOff } = await delegateOnce(server)
      await check(handOff.body.access_token)
    })
  }

  test.each(['orchestrator', 'scraper', 'docs-server', 'globex-agent'])(
    'makes a token that %s cannot accept, since it names the researcher',
    async (clientId) => {
      const { handOff } = await delegateOnce(server)
      const { status, body } = await server.exchange(clientId, handOff.body.access_token)
      expect([status, body.error]).toEqual([400, 'invalid_request'])
      expect(body.access_token).toBeUndefined()
    },
  )
})

describe('accept', () => {
  test('makes the named actor the outermost one, in the delegation made for it', async () => {
    const { handOff, accepted } = await delegateOnce(server)
    const given = decode(handOff.body.access_token)
    const now = server.clock.seconds()
    expect(accepted.body).toEqual({
      access_token: expect.any(String),
      issued_token_type: tokenTypes.accessToken,
      token_type: 'Bearer',
      expires_in: 300,
      scope: 'docs:read',
      agent_limits: given.agent_limits,
    })
    expect(decode(accepted.body.access_token)).toEqual({
      iss: issuer,
      sub: 'orchestrator',
      aud: docs,
      client_id: 'researcher',
      scope: 'docs:read',
      iat: now,
      exp: now + 300,
      jti: expect.stringMatching(freshJti),
      tenant_id: 'acme',
      role: 'agent',
      agent_type: 'researcher',
      act: actor('researcher'),
      agent_limits: given.agent_limits,
      agent_lineage: given.agent_lineage,
    })
  })

  test('can be repeated, in the same delegation and never beyond the life of the hand-off', async () => {
    const { handOff, accepted } = await delegateOnce(server)
    const given = decode(handOff.body.access_token)
    server.clock.advance(800)
    const again = await server.exchange('researcher', handOff.body.access_token)
    const token = decode(again.body.access_token)
    expect(token.exp).toBe(given.exp)
    expect(token.agent_lineage).toEqual(given.agent_lineage)
    expect(token.jti).not.toBe(decode(accepted.body.access_token).jti)
    const budgets = await server.database.read('select id from budgets where id = $1', [
      lineageOf(again.body.access_token).at(-1),
    ])
    expect(budgets).toHaveLength(1)
  })

  test('asks which resource the token is for when the hand-off covers several', async () => {
    const { token } = await ownToken([docs, mail])
    const handOff = await server.exchange('orchestrator', token, { requested_actor: 'researcher' })
    const unnamed = await server.exchange('researcher', handOff.body.access_token)
    expect([unnamed.status, unnamed.body.error]).toEqual([400, 'invalid_target'])
    const named = await server.exchange('researcher', handOff.body.access_token, { resource: mail })
    expect(decode(named.body.access_token).aud).toBe(mail)
  })

  test('may take less scope than was handed over', async () => {
    const { handOff } = await delegateOnce(server, { scope: 'docs:read docs:write' })
    const { body } = await server.exchange('researcher', handOff.body.access_token, {
      scope: 'docs:write',
    })
    expect(decode(body.access_token).scope).toBe('docs:write')
  })
})

describe('pull', () => {
  test('lets a resource server act downstream with what it was called with', async () => {
    const { token } = await delegateOnce(server, { scope: 'docs:read' })
    const now = server.clock.seconds()
    const { status, body } = await server.exchange('docs-server', token)
    expect(status).toBe(200)
    expect(decode(body.access_token)).toEqual({
      iss: issuer,
      sub: 'orchestrator',
      aud: docs,
      client_id: 'docs-server',
      scope: 'docs:read',
      iat: now,
      exp: now + 300,
      jti: expect.stringMatching(freshJti),
      tenant_id: 'acme',
      act: { ...actor('docs-server', 'service'), act: actor('researcher') },
      agent_limits: { ...(decode(token).agent_limits as object), max_delegation_depth: 0 },
      agent_lineage: [...lineageOf(token), expect.stringMatching(freshDelegation)],
    })
  })

  test('goes to another resource of the delegation, with no scope that the token lacked', async () => {
    const { token } = await ownToken([docs, mail])
    const { body } = await server.exchange('docs-server', token, {
      resource: mail,
      scope: 'mail:send',
    })
    expect(decode(body.access_token)).toMatchObject({ aud: mail, scope: 'mail:send' })
  })
})

describe('push', () => {
  test('makes the agent whose own token is brought along the outermost actor', async () => {
    const { token, root } = await ownToken()
    const now = server.clock.seconds()
    const { status, body } = await server.exchange('orchestrator', token, {
      ...(await actorToken('researcher')),
      scope: 'docs:read',
    })
    expect(status).toBe(200)
    expect(decode(body.access_token)).toEqual({
      iss: issuer,
      sub: 'orchestrator',
      aud: docs,
      client_id: 'researcher',
      scope: 'docs:read',
      iat: now,
      exp: now + 300,
      jti: expect.stringMatching(freshJti),
      tenant_id: 'acme',
      role: 'agent',
      agent_type: 'researcher',
      act: actor('researcher'),
      agent_limits: {
        requests_per_hour: 100,
        cost_budget_usd: 5,
        allowed_actions: ['docs.*', 'mail.send'],
        max_delegation_depth: 1,
      },
      agent_lineage: [root, expect.stringMatching(freshDelegation)],
    })
  })
})

describe('a chain', () => {
  test('of push over hand-off nests every actor, the latest outermost, and keeps the root as sub', async () => {
    const first = await delegateOnce(server)
    const { body } = await server.exchange('researcher', first.token, await actorToken('scraper'))
    const claims = decode(body.access_token)
    expect(claims).toMatchObject({ sub: 'orchestrator', client_id: 'scraper' })
    expect(claims.act).toEqual({ ...actor('scraper'), act: actor('researcher') })
    expect(lineageOf(body.access_token).slice(0, 2)).toEqual(lineageOf(first.token))
    expect(lineageOf(body.access_token)).toHaveLength(3)
  })

  test('never makes a token that outlives the one it was exchanged for', async () => {
    const { token } = await delegateOnce(server)
    server.clock.advance(250)
    const { body } = await server.exchange('researcher', token, await actorToken('scraper'))
    expect(body.expires_in).toBe(50)
    expect(decode(body.access_token).exp).toBe(decode(token).exp)
  })

  test('that begins with a person keeps the person as sub and looks for no such client', async () => {
    const { token } = await delegateOnce(server)
    const id = 'dlg_of_a_person'
    await server.database.drizzle.execute(sql`
      insert into delegations (id, lineage, tenant_id, subject, actor, act, scope, resources, limits,
        budget_ids, created_at)
      select ${id}, array[${id}], tenant_id, 'usr_alice', actor, act, scope, resources, limits,
        array['tenant:acme'], created_at
      from delegations where id = ${lineageOf(token).at(-1)}`)
    const persons = resign(server, token, { sub: 'usr_alice', agent_lineage: [id] })
    const { status, body } = await server.exchange('researcher', persons)
    expect(status).toBe(200)
    expect(decode(body.access_token)).toMatchObject({
      sub: 'usr_alice',
      act: actor('researcher'),
      agent_lineage: [id, expect.stringMatching(freshDelegation)],
    })
  })
})

test('says what kind of token it wants: a JWT is one, and the answer is still an access token', async () => {
  const { token } = await ownToken()
  const { status, body } = await server.token('orchestrator', {
    grant_type: grantTypes.tokenExchange,
    subject_token: token,
    subject_token_type: tokenTypes.jwt,
    requested_token_type: tokenTypes.accessToken,
  })
  expect([status, body.issued_token_type]).toEqual([200, tokenTypes.accessToken])
  expect(body).not.toHaveProperty('refresh_token')
})
