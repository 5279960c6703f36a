/** An exchange only ever shrinks: scope, resources, lifetime, depth and limits. RFC 8693 §2.1. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { resign } from './forge.js'
import {
  type Answer,
  baseConfig,
  decode,
  delegateOnce,
  docs,
  issuer,
  mail,
  openTestServer,
  secretOf,
  type TestServer,
  type TokenBody,
} from './harness.js'

const grantTypes = ['client_credentials', 'urn:ietf:params:oauth:grant-type:token-exchange']

/** step-0 … step-12: each may delegate to the next, and nothing limits the first. */
const steps = Array.from({ length: 13 }, (_, index) => `step-${index}`)
const deep = steps.map((client_id) => ({
  client_id: `deep-${client_id}`,
  agent_limits: { max_delegation_depth: 10 },
}))
const stepClients = [...steps.map((client_id) => ({ client_id })), ...deep].map((client) => ({
  kind: 'agent',
  tenant_id: 'acme',
  client_secret: secretOf(client.client_id),
  grant_types: grantTypes,
  scope: 'docs:read',
  resources: [docs],
  ...client,
}))
const rulesAlong = (names: string[]) =>
  names.slice(1).map((to, index) => ({ from: names[index], to }))

const config = {
  ...baseConfig,
  clients: [...baseConfig.clients, ...stepClients],
  delegation_rules: [
    ...baseConfig.delegation_rules,
    ...rulesAlong(steps),
    ...rulesAlong(deep.map(({ client_id }) => client_id)),
    { from: 'loner', to: 'scraper', expires_in_seconds: 60, resources: [docs] },
  ],
}

let server: TestServer
/** The orchestrator's own token for docs and mail. */
let own: string
beforeAll(async () => {
  server = await openTestServer({ config })
})
beforeEach(async () => {
  const { body } = await server.clientCredentials('orchestrator', { resource: [docs, mail] })
  own = body.access_token
})
afterAll(() => server.close())

const expectRefusal = (answer: Answer<TokenBody>, error: string, detail?: string): void => {
  expect(answer.body).toMatchObject({ error, ...(detail && { error_detail: detail }) })
  expect(answer.status).toBe(error === 'access_denied' ? 403 : 400)
  expect(answer.body.access_token).toBeUndefined()
}

type Fields = Record<string, string | string[]>
const narrow = (fields: Fields, token = own) => server.exchange('orchestrator', token, fields)

describe('scope', () => {
  test.each(['docs:read admin', 'docs:read nope', 'nope', 'docs:READ', 'budgets:charge'])(
    'that the subject token lacks is refused, not cut: %s',
    async (scope) => expectRefusal(await narrow({ scope }), 'invalid_scope', 'scope_not_allowed'),
  )

  test.each(['docs:read  docs:write', ' docs:read', 'docs:read\u00a0', 'docs:"read"'])(
    'that is malformed is refused: "%s"',
    async (scope) => expectRefusal(await narrow({ scope }), 'invalid_scope', 'malformed_scope'),
  )

  test('that was given up comes back neither by asking, by omitting nor by another resource', async () => {
    const narrowed = (await narrow({ scope: 'docs:read' })).body.access_token
    expectRefusal(await narrow({ scope: 'docs:write' }, narrowed), 'invalid_scope')
    const silent = [{}, { resource: docs }, { audience: ['docs-server', mail] }]
    for (const fields of silent) {
      const { body } = await narrow(fields, narrowed)
      expect([body.scope, decode(body.access_token).scope]).toEqual(['docs:read', 'docs:read'])
    }
    // Of the scope that is left, this one knows nothing.
    expectRefusal(await narrow({ resource: mail }, narrowed), 'invalid_scope')
    const handedOff = await delegateOnce(
      server,
      { resource: docs },
      'orchestrator',
      'researcher',
      narrowed,
    )
    expect(decode(handedOff.token).scope).toBe('docs:read')
    const again = { scope: 'docs:read docs:write' }
    expectRefusal(await server.exchange('researcher', handedOff.token, again), 'invalid_scope')
  })

  test('given up while accepting does not come back in the next exchange', async () => {
    const { handOff } = await delegateOnce(server, { scope: 'docs:read docs:write' })
    const accepted = await server.exchange('researcher', handOff.body.access_token, {
      scope: 'docs:read',
    })
    const { body } = await server.exchange('researcher', accepted.body.access_token)
    expect(decode(body.access_token).scope).toBe('docs:read')
  })

  test('of an actor is not lent with the chain: only what the token has counts', async () => {
    const { token } = await delegateOnce(server, { scope: 'docs:read' })
    // Both the orchestrator and the researcher may have docs:write on their own.
    expectRefusal(
      await server.exchange('researcher', token, { scope: 'docs:write' }),
      'invalid_scope',
    )
  })

  test('is cut to what the rule lends, and an explicit extra is refused', async () => {
    const first = await delegateOnce(server, { scope: 'docs:read docs:write' })
    const second = await delegateOnce(server, {}, 'researcher', 'scraper', first.token)
    expect(decode(second.token).scope).toBe('docs:read')
    const fields = { requested_actor: 'scraper', scope: 'docs:read docs:write' }
    expectRefusal(await server.exchange('researcher', first.token, fields), 'invalid_scope')
  })
})

describe('a resource', () => {
  test('that the delegation does not have spoils all that stand beside it', async () => {
    for (const bad of ['https://not-allowed.example/mcp', `${docs}/`, issuer]) {
      expectRefusal(await narrow({ resource: bad }), 'invalid_target')
      expectRefusal(await narrow({ resource: [docs, bad] }), 'invalid_target')
      expectRefusal(await narrow({ audience: ['docs-server', bad] }), 'invalid_target')
    }
  })

  test.each(['/mcp', 'docs-server', `${docs}#part`, 'http://bad uri'])(
    'that is no absolute URI without a fragment is refused: %s',
    async (resource) => expectRefusal(await narrow({ resource }), 'invalid_target'),
  )

  test('that was given up does not come back', async () => {
    const narrowed = (await narrow({ resource: docs })).body.access_token
    expectRefusal(await narrow({ resource: mail }, narrowed), 'invalid_target')
    const { token } = await delegateOnce(server, { resource: docs })
    expectRefusal(await server.exchange('researcher', token, { resource: mail }), 'invalid_target')
  })

  test("cannot be reached from a token for the server's own API", async () => {
    const { body } = await server.clientCredentials('orchestrator', { resource: issuer })
    for (const fields of [{}, { resource: docs }, { requested_actor: 'researcher' }]) {
      const answer = await narrow(fields as Fields, body.access_token)
      expectRefusal(answer, 'invalid_request', 'subject_token_wrong_audience')
    }
  })
})

describe('a lifetime', () => {
  test('never grows over fifty exchanges of the token for itself', async () => {
    const { body } = await server.clientCredentials('orchestrator')
    const exp = Number(decode(body.access_token).exp)
    let token = body.access_token
    for (let turn = 0; turn < 50; turn += 1) {
      server.clock.advance(1)
      const answer = await narrow({}, token)
      if (answer.status !== 200) {
        // Each step only narrows, and still adds a delegation: sixteen are the most.
        expectRefusal(answer, 'access_denied', 'max_depth')
        expect(decode(token).agent_lineage).toHaveLength(16)
        continue
      }
      token = answer.body.access_token
      expect(Number(decode(token).exp)).toBeLessThanOrEqual(exp)
    }
    server.clock.advance(900)
    expectRefusal(await narrow({}, token), 'invalid_request', 'subject_token_token_expired')
  })

  test('is cut to what the rule gives', async () => {
    const { handOff, accepted } = await delegateOnce(server, {}, 'loner', 'scraper')
    expect([handOff.body.expires_in, accepted.body.expires_in]).toEqual([60, 60])
    server.clock.advance(60)
    const answer = await server.exchange('scraper', handOff.body.access_token)
    expectRefusal(answer, 'invalid_request', 'subject_token_token_expired')
  })
})

describe('depth', () => {
  /** Hands on from each to the next until one is refused. */
  const handAlong = async (names: string[], firstHop: Fields = {}) => {
    let token = (await server.clientCredentials(names[0] ?? '')).body.access_token
    for (const [hop, to] of names.slice(1).entries()) {
      const from = names[hop] ?? ''
      const fields = { requested_actor: to, ...(hop === 0 && firstHop) }
      const handOff = await server.exchange(from, token, fields)
      if (handOff.status !== 200) return { hops: hop, handOff, token }
      token = (await server.exchange(to, handOff.body.access_token)).body.access_token
      expect(token.length).toBeLessThan(8192)
    }
    throw new Error('nobody was refused')
  }

  test('counts down along the chain, and nothing follows after zero', async () => {
    const first = await delegateOnce(server)
    expect(decode(first.token).agent_limits).toMatchObject({ max_delegation_depth: 1 })
    const second = await delegateOnce(server, {}, 'researcher', 'scraper', first.token)
    expect(decode(second.token).agent_limits).toMatchObject({ max_delegation_depth: 0 })
    const answer = await server.exchange('scraper', second.token, { requested_actor: 'loner' })
    expectRefusal(answer, 'access_denied', 'max_depth')
  })

  test('is five hops where nothing says how many', async () => {
    const { hops, handOff } = await handAlong(steps)
    expect(hops).toBe(5)
    expectRefusal(handOff, 'access_denied', 'max_depth')
  })

  test('of five hops does not grow because the holder asks for more', async () => {
    const more = { agent_limits: '{"max_delegation_depth":10}' }
    expect((await handAlong(steps, more)).hops).toBe(5)
    const { body } = await server.clientCredentials('step-0')
    const narrowed = await server.exchange('step-0', body.access_token, more)
    expect(narrowed.body.agent_limits).toEqual({ max_delegation_depth: 5 })
  })

  test('is never more than ten hops, whatever the registration says', async () => {
    const { hops } = await handAlong(deep.map(({ client_id }) => client_id))
    expect(hops).toBe(10)
  })

  test('of more than ten hops is refused, even to a token that says it has some left', async () => {
    const { token } = await handAlong(deep.map(({ client_id }) => client_id))
    const { agent_lineage } = decode(token)
    await server.database.write(
      `update delegations set limits = '{"max_delegation_depth":3}' where id = $1`,
      [(agent_lineage as string[]).at(-1)],
    )
    const claims = { agent_limits: { max_delegation_depth: 3 } }
    const answer = await server.exchange('deep-step-10', resign(server, token, claims), {
      requested_actor: 'deep-step-11',
    })
    expectRefusal(answer, 'access_denied', 'max_depth')
  })
})

describe('limits', () => {
  const limited = (agent_limits: object | string, more: Fields = {}) =>
    narrow({
      agent_limits: typeof agent_limits === 'string' ? agent_limits : JSON.stringify(agent_limits),
      ...more,
    })

  test('asked for in excess are cut to the parent and to the rule, and the answer says so', async () => {
    const greedy = { requests_per_hour: 9999, cost_budget_usd: '500', max_delegation_depth: 9 }
    const narrowed = await limited(greedy)
    expect(narrowed.body.agent_limits).toMatchObject({
      requests_per_hour: 100,
      cost_budget_usd: 50,
      max_delegation_depth: 3,
    })
    const handedOff = await limited(greedy, { requested_actor: 'researcher' })
    expect(handedOff.body.agent_limits).toMatchObject({ cost_budget_usd: 5 })
    expect(decode(handedOff.body.access_token).agent_limits).toEqual(handedOff.body.agent_limits)
  })

  test('that were given up do not come back when the next request names none', async () => {
    const less = { requests_per_hour: 1, cost_budget_usd: 0.01, allowed_actions: ['docs.read'] }
    const { body } = await limited({ ...less, max_delegation_depth: 2 })
    const again = await narrow({}, body.access_token)
    expect(again.body.agent_limits).toEqual({ ...less, max_delegation_depth: 2 })
  })

  test('that only the token has, and not its delegation, bind the next exchange too', async () => {
    const token = resign(server, own, { agent_limits: { cost_budget_usd: 0.5 } })
    expect((await narrow({}, token)).body.agent_limits).toMatchObject({ cost_budget_usd: 0.5 })
  })

  test('on actions that the parent does not cover are refused', async () => {
    for (const allowed_actions of [['billing.pay'], ['docs.read', 'mail.*'], ['*'], ['docs']]) {
      expectRefusal(await limited({ allowed_actions }), 'access_denied', 'action_not_covered')
    }
  })

  test.each([
    '{"tokens_per_day":5}',
    '{"cost_budget_usd":1,"budget_unit":"EUR"}',
    '{"Cost_budget_usd":1}',
    '{"__proto__":{"cost_budget_usd":1}}',
  ])('with a member that is not known are refused: %s', async (text) =>
    expectRefusal(await limited(text), 'invalid_request', 'malformed_limits'),
  )

  test('that say two things of one member are refused', async () => {
    const text = '{"cost_budget_usd":0.01,"cost_budget_usd":50}'
    expectRefusal(await limited(text), 'invalid_request', 'malformed_limits')
  })

  test.each([
    -1,
    '-1',
    '+1',
    'NaN',
    'Infinity',
    '1e3',
    '0x10',
    ' 1',
    '1,5',
    '0.0000001',
    '٣',
    '',
    true,
    null,
    [1],
    { usd: 1 },
    9_007_199_255,
    '99999999999999999999',
  ])('with the hostile amount %j are refused', async (amount) => {
    for (const name of ['cost_budget_usd', 'max_cost_per_action_usd']) {
      expectRefusal(await limited({ [name]: amount }), 'invalid_request', 'malformed_limits')
    }
  })

  test.each([-1, 1.5, '5', null, 1e300])('with the hostile count %j are refused', async (count) => {
    for (const name of ['requests_per_hour', 'max_delegation_depth']) {
      expectRefusal(await limited({ [name]: count }), 'invalid_request', 'malformed_limits')
    }
  })

  test.each(['', '[]', 'null', '"5"', '5', '{', '{"cost_budget_usd":1e400}', '[{}]'])(
    'that are no JSON object are refused: %s',
    async (text) => expectRefusal(await limited(text), 'invalid_request'),
  )

  test.each([
    'budget',
    'budget_unit',
    'budget_decimals',
    'cost_budget_usd',
    'currency',
    'requests_per_hour',
    'max_cost_per_action_usd',
    'max_delegation_depth',
    'allowed_actions',
    'limits',
    'agent_limits[cost_budget_usd]',
    'agent_limits.cost_budget_usd',
  ])('outside agent_limits are refused, since they would bind nothing: %s', async (name) =>
    expectRefusal(await narrow({ [name]: '1' }), 'invalid_request', 'stray_limit'),
  )

  test('of nothing are limits: the token can spend nothing and do nothing', async () => {
    const { body } = await limited({ cost_budget_usd: 0, allowed_actions: [] })
    expect(body.agent_limits).toMatchObject({ cost_budget_usd: 0, allowed_actions: [] })
    const { status } = await server.ledger('docs-server', '/reservations', {
      token: body.access_token,
      amount_usd: '0.000001',
      action: 'docs.read',
    })
    expect(status).toBe(403)
  })
})

describe('a refusal', () => {
  test('never says invalid_client or invalid_grant: stock clients would drop their credentials', async () => {
    const { token } = await delegateOnce(server)
    const answers = await Promise.all([
      narrow({ scope: 'nope' }),
      narrow({ resource: 'https://nobody.example' }),
      narrow({ requested_actor: 'scraper' }),
      narrow({}, 'garbage'),
      server.exchange('scraper', token),
      narrow({ agent_limits: '{' }),
    ])
    expect(answers.map(({ status, body }) => [status, body.error])).toEqual([
      [400, 'invalid_scope'],
      [400, 'invalid_target'],
      [403, 'access_denied'],
      [400, 'invalid_request'],
      [400, 'invalid_request'],
      [400, 'invalid_request'],
    ])
    for (const { body } of answers) expect(JSON.stringify(body)).not.toContain('eyJ')
  })
})
