/** Who may delegate to whom, as the file says it: selectors, direction, precedence, and rules that go. */
import { tokenTypes } from '@behalf/protocol'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  agent,
  baseConfig,
  decode,
  docs,
  type FormFields,
  issuer,
  mail,
  openTestServer,
  type TestServer,
} from './harness.js'

const bare = 'http://127.0.0.1:4500/mcp'

const config = {
  ...baseConfig,
  resources: [...baseConfig.resources, { resource: bare, tenant_id: 'acme' }],
  clients: [
    ...baseConfig.clients,
    agent('writer', { agent_type: 'researcher' }),
    agent('bare-agent', { resources: [bare], agent_limits: { max_delegation_depth: 3 } }),
  ],
}

const planners = { agent_type: 'planner' }
const researchers = { agent_type: 'researcher' }

let server: TestServer
/** The orchestrator's own token for docs and mail. */
let own: string
beforeAll(async () => {
  server = await openTestServer({ config })
})
afterAll(() => server.close())
beforeEach(async () => {
  await withRules([])
  const { body } = await server.clientCredentials('orchestrator', { resource: [docs, mail] })
  own = body.access_token
})

const withRules = (delegation_rules: object[], more: object = {}): Promise<void> =>
  server.applyConfig({ ...config, ...more, delegation_rules })

const handOff = (to = 'researcher', fields: FormFields = {}, from = 'orchestrator', token = own) =>
  server.exchange(from, token, { requested_actor: to, ...fields })

const push = async (to: string) => {
  const actor = await server.clientCredentials(to, { resource: issuer })
  return server.exchange('orchestrator', own, {
    actor_token: actor.body.access_token,
    actor_token_type: tokenTypes.accessToken,
  })
}

const pull = () => server.exchange('docs-server', own, { resource: docs })

const outcome = ({ status, body }: Awaited<ReturnType<typeof handOff>>) =>
  status === 200 ? 'yes' : body.error_detail

const accept = async (answer: Awaited<ReturnType<typeof handOff>>, to = 'researcher') =>
  server.exchange(to, answer.body.access_token, { resource: docs })

const rulesOf = async (token: string): Promise<unknown> => {
  const { agent_lineage } = decode(token)
  const text = 'select rule_ids from delegations where id = $1'
  const [row] = await server.database.read(text, [(agent_lineage as string[]).at(-1)])
  return row?.rule_ids
}

const idsOfAll = async (): Promise<unknown[]> => {
  const rows = await server.database.read('select id from delegation_rules order by id', [])
  return rows.map(({ id }) => id)
}

/** The ids that the store gave to these rules, one after the other. */
const idsOf = async (rules: object[]): Promise<unknown[]> => {
  const found: unknown[] = []
  for (const rule of rules) {
    await withRules([rule])
    found.push(...(await idsOfAll()))
  }
  await withRules(rules)
  return found
}

const no = 'delegation_not_permitted'

describe('a selector', () => {
  test.each([
    ['a client to a client', { from: 'orchestrator', to: 'researcher' }, ['yes', no, no, no]],
    ['a client to a type', { from: 'orchestrator', to: researchers }, ['yes', 'yes', no, no]],
    ['a type to a client', { from: planners, to: 'scraper' }, [no, no, 'yes', no]],
    ['a client to any', { from: 'orchestrator', to: '*' }, ['yes', 'yes', 'yes', no]],
    [
      'a type to a type',
      { from: planners, to: researchers, tenant_id: 'acme' },
      ['yes', 'yes', no, no],
    ],
    ['any to any', { from: '*', to: '*', tenant_id: 'acme' }, ['yes', 'yes', 'yes', no]],
    ['another type to any', { from: researchers, to: '*', tenant_id: 'acme' }, [no, no, no, no]],
    ['any to any of another tenant', { from: '*', to: '*', tenant_id: 'globex' }, [no, no, no, no]],
  ])('from %s fits whom it names, and nobody beyond the tenant', async (_, rule, expected) => {
    await withRules([rule])
    const to = ['researcher', 'writer', 'scraper', 'globex-agent']
    const answers = await Promise.all(to.map((one) => handOff(one)))
    expect(answers.map(outcome)).toEqual(expected)
  })

  test('for any is not for who is switched off, unknown, or in the chain already', async () => {
    await withRules([{ from: '*', to: '*', tenant_id: 'acme' }])
    expect(outcome(await handOff('switched-off'))).toBe(no)
    expect(outcome(await handOff('nobody-knows-it'))).toBe(no)
    expect(outcome(await handOff('orchestrator'))).toBe('delegation_cycle')
    const first = await accept(await handOff())
    const back = await handOff('orchestrator', {}, 'researcher', first.body.access_token)
    expect(outcome(back)).toBe('delegation_cycle')
  })

  test('by type follows the type that a client has today', async () => {
    await withRules([{ from: 'orchestrator', to: researchers }])
    expect(outcome(await handOff('scraper'))).toBe(no)
    const clients = config.clients.map((one) =>
      one.client_id === 'scraper' ? { ...one, ...researchers } : one,
    )
    await withRules([{ from: 'orchestrator', to: researchers }], { clients })
    expect(outcome(await handOff('scraper'))).toBe('yes')
  })
})

describe('a mode', () => {
  test.each([
    ['push', ['yes', 'yes', no]],
    ['pull', [no, no, 'yes']],
    ['both', ['yes', 'yes', 'yes']],
    [undefined, ['yes', 'yes', 'yes']],
  ])('of %s is for handing on, for taking, or for both', async (mode, expected) => {
    await withRules([{ from: 'orchestrator', to: '*', mode }])
    const answers = [await handOff(), await push('researcher'), await pull()]
    expect(answers.map(outcome)).toEqual(expected)
  })

  test('that does not fit leaves the decision to a less specific rule that does', async () => {
    const open = { from: '*', to: '*', tenant_id: 'acme', cost_budget_usd: 1 }
    await withRules([{ from: 'orchestrator', to: 'researcher', mode: 'pull' }, open])
    expect((await handOff()).body.agent_limits).toMatchObject({ cost_budget_usd: 1 })
  })
})

describe('of several rules', () => {
  const any = { from: '*', to: '*', tenant_id: 'acme', cost_budget_usd: 1 }
  const byType = { from: planners, to: researchers, tenant_id: 'acme', cost_budget_usd: 3 }
  const named = { from: 'orchestrator', to: 'researcher', cost_budget_usd: 5 }

  test('the most specific decides alone, whether it allows more or less', async () => {
    const [anyId, typeId, namedId] = await idsOf([any, byType, named])
    const decided = async (to: string) => {
      const { body } = await handOff(to)
      return [body.agent_limits?.cost_budget_usd, await rulesOf(body.access_token)]
    }
    expect(await decided('researcher')).toEqual([5, [namedId]])
    expect(await decided('writer')).toEqual([3, [typeId]])
    expect(await decided('scraper')).toEqual([1, [anyId]])
    await withRules([{ ...any, cost_budget_usd: 9 }, named])
    expect((await decided('researcher'))[0]).toBe(5)
  })

  test('those that weigh the same meet in every dimension, and all are named', async () => {
    const tied = [
      { from: 'orchestrator', to: '*', cost_budget_usd: 5, scope: 'docs:read mail:send' },
      { from: '*', to: 'researcher', max_delegation_depth: 1, expires_in_seconds: 200 },
      { ...byType, scope: 'docs:read docs:write', allowed_actions: ['docs.read', 'x.*'] },
      { from: planners, to: researchers, tenant_id: 'acme', expires_in_seconds: 100 },
    ]
    const ids = await idsOf(tied)
    const { body } = await handOff()
    expect(body).toMatchObject({
      scope: 'docs:read',
      expires_in: 100,
      agent_limits: {
        cost_budget_usd: 3,
        max_delegation_depth: 1,
        requests_per_hour: 100,
        allowed_actions: ['docs.read'],
      },
    })
    expect(await rulesOf(body.access_token)).toEqual(ids.toSorted())
    await withRules(tied.toReversed())
    expect((await handOff()).body).toMatchObject({ scope: 'docs:read', expires_in: 100 })
  })

  test('those that weigh the same and share nothing allow nothing', async () => {
    const tied = [
      { from: 'orchestrator', to: '*', scope: 'docs:read' },
      { from: '*', to: 'researcher', scope: 'docs:write' },
    ]
    const ids = await idsOf(tied)
    const { status, body } = await handOff()
    expect([status, body.error]).toEqual([400, 'invalid_scope'])
    expect(body.rule_ids).toEqual(ids.toSorted())
    await withRules([
      { from: 'orchestrator', to: '*', resources: [docs] },
      { from: '*', to: 'researcher', resources: [mail] },
    ])
    expect((await handOff()).body.error).toBe('invalid_target')
  })

  test('one that is switched off does not count', async () => {
    await withRules([any, { ...named, enabled: false }])
    expect((await handOff()).body.agent_limits).toMatchObject({ cost_budget_usd: 1 })
    await withRules([{ ...named, enabled: false }])
    expect(outcome(await handOff())).toBe(no)
  })
})

describe('a refusal under a rule', () => {
  test.each<[string, FormFields, string, string]>([
    ['scope', { scope: 'docs:write', resource: docs }, 'invalid_scope', 'scope_not_allowed'],
    ['a resource', { resource: mail }, 'invalid_target', 'resource_not_allowed'],
    [
      'an action',
      { resource: docs, agent_limits: '{"allowed_actions":["mail.send"]}' },
      'access_denied',
      'action_not_covered',
    ],
  ])('of %s names the rule', async (_, fields, error, error_detail) => {
    const rule = {
      from: 'orchestrator',
      to: 'researcher',
      scope: 'docs:read mail:send',
      resources: [docs],
      allowed_actions: ['docs.*'],
    }
    const ids = await idsOf([rule])
    const { body } = await handOff('researcher', fields)
    expect(body).toMatchObject({ error, error_detail, rule_ids: ids })
    expect(body.access_token).toBeUndefined()
  })

  test('of depth names the rule, and one without any rule names none', async () => {
    const rules = [
      { from: 'orchestrator', to: 'researcher', max_delegation_depth: 0 },
      { from: 'researcher', to: 'scraper' },
    ]
    const [, second] = await idsOf(rules)
    const first = await accept(await handOff())
    const { body } = await handOff('scraper', {}, 'researcher', first.body.access_token)
    expect(body).toMatchObject({ error_detail: 'max_depth', rule_ids: [second] })
    expect((await handOff('loner')).body).not.toHaveProperty('rule_ids')
  })
})

describe('a rule that is no longer there', () => {
  const first = { from: 'orchestrator', to: 'researcher' }
  const second = { from: 'researcher', to: 'scraper' }

  /** What the researcher and the scraper hold, and the hand-offs that they accepted. */
  const openChain = async () => {
    await withRules([first, second])
    const toResearcher = await handOff('researcher', { resource: docs })
    const researcher = (await accept(toResearcher)).body.access_token
    const toScraper = await handOff('scraper', {}, 'researcher', researcher)
    const scraper = (await accept(toScraper, 'scraper')).body.access_token
    const [handed = '', below = ''] = [toResearcher, toScraper].map(({ body }) => body.access_token)
    return { researcher, scraper, handed, below }
  }

  test.each([
    ['removed', [second]],
    ['switched off', [{ ...first, enabled: false }, second]],
    ['changed', [{ ...first, cost_budget_usd: 1 }, second]],
    ['replaced by a wider one', [{ from: '*', to: '*', tenant_id: 'acme' }, second]],
  ])('as it was %s stops what it let happen, and all below', async (_, rules) => {
    const { researcher, scraper, handed, below } = await openChain()
    await withRules(rules)
    const answers = [
      await server.exchange('researcher', researcher),
      await server.exchange('scraper', scraper),
      await server.exchange('researcher', handed),
      await server.exchange('scraper', below),
    ]
    for (const answer of answers) expect(outcome(answer)).toBe('rule_withdrawn')
    expect(answers.map(({ status }) => status)).toEqual([403, 403, 403, 403])
    // What did not need it goes on.
    expect(outcome(await server.exchange('orchestrator', own))).toBe('yes')
  })

  test('counts as gone when only its row was switched off', async () => {
    const { researcher, scraper } = await openChain()
    const text = 'update delegation_rules set enabled = $1 where from_selector = $2'
    await server.database.write(text, [false, 'client:orchestrator'])
    for (const [holder, token] of [
      ['researcher', researcher],
      ['scraper', scraper],
    ] as const) {
      expect(outcome(await server.exchange(holder, token))).toBe('rule_withdrawn')
    }
    await server.database.write(text, [true, 'client:orchestrator'])
    expect(outcome(await server.exchange('researcher', researcher))).toBe('yes')
  })

  test('below stops nothing above', async () => {
    const { researcher, scraper } = await openChain()
    await withRules([first])
    expect(outcome(await server.exchange('scraper', scraper))).toBe('rule_withdrawn')
    expect(outcome(await server.exchange('researcher', researcher))).toBe('yes')
  })

  test('stops what met with another as well, though the other is still there', async () => {
    const tied = [
      { from: 'orchestrator', to: '*' },
      { from: '*', to: 'researcher' },
    ]
    await withRules(tied)
    const { body } = await accept(await handOff())
    await withRules(tied.slice(0, 1))
    expect(outcome(await server.exchange('researcher', body.access_token))).toBe('rule_withdrawn')
  })

  test('holds again once it is back, and is the same however its members are ordered', async () => {
    const { researcher } = await openChain()
    await withRules([])
    expect(outcome(await server.exchange('researcher', researcher))).toBe('rule_withdrawn')
    await withRules([second, { to: 'researcher', from: 'orchestrator' }])
    expect(outcome(await server.exchange('researcher', researcher))).toBe('yes')
  })
})

describe('what the target knows', () => {
  const rules = [{ from: 'orchestrator', to: 'researcher' }]
  const knowing = (scopes_supported: string[]) => ({
    resources: config.resources.map((one) =>
      one.resource === docs ? { ...one, scopes_supported } : one,
    ),
  })

  test('bounds what a token for it may say, today and not when authority was lent', async () => {
    await withRules(rules)
    const lent = await accept(await handOff('researcher', { resource: docs }))
    expect(lent.body.scope).toBe('docs:read docs:write')
    await withRules(rules, knowing(['docs:read']))
    const token = lent.body.access_token
    const silent = await server.exchange('researcher', token)
    expect(silent.body.scope).toBe('docs:read')
    const explicit = await server.exchange('researcher', token, { scope: 'docs:read docs:write' })
    expect(explicit.body.error).toBe('invalid_scope')
  })

  test('bounds each of several targets together, and an unknown word is none', async () => {
    await withRules(rules)
    expect((await handOff('researcher', { resource: mail })).body.scope).toBe('mail:send')
    expect((await handOff('researcher', { resource: [docs, mail] })).body.scope).toBe(
      'docs:read docs:write mail:send',
    )
    const wrong = await handOff('researcher', { resource: mail, scope: 'docs:read' })
    expect(wrong.body.error).toBe('invalid_scope')
  })

  test('bounds what a rule allows as well: words of another target do not come along', async () => {
    await withRules([{ from: 'orchestrator', to: 'researcher', scope: 'docs:read mail:send' }])
    expect((await handOff('researcher', { resource: docs })).body.scope).toBe('docs:read')
    expect((await handOff('researcher', { resource: mail })).body.scope).toBe('mail:send')
    const asked = await handOff('researcher', { resource: docs, scope: 'docs:read mail:send' })
    expect(asked.body.error).toBe('invalid_scope')
  })

  test('may be no scope at all: such a token is lent on as well, by its actions', async () => {
    await withRules([{ from: 'bare-agent', to: 'researcher' }])
    const { body } = await server.clientCredentials('bare-agent', { resource: bare })
    expect(body).not.toHaveProperty('scope')
    const lent = await handOff('researcher', {}, 'bare-agent', body.access_token)
    expect(outcome(lent)).toBe('yes')
    const token = await server.exchange('researcher', lent.body.access_token)
    expect(decode(token.body.access_token)).toMatchObject({ aud: bare, sub: 'bare-agent' })
    expect(decode(token.body.access_token)).not.toHaveProperty('scope')
    const more = await handOff(
      'researcher',
      { scope: 'docs:read' },
      'bare-agent',
      body.access_token,
    )
    expect(more.body.error).toBe('invalid_scope')
  })
})

describe('a token answer', () => {
  test('says what was asked for and cut, by its wire name', async () => {
    await withRules([{ from: 'orchestrator', to: 'researcher', cost_budget_usd: 5 }])
    const asked = { cost_budget_usd: '500', requests_per_hour: 10, max_delegation_depth: 3 }
    const { body } = await handOff('researcher', { agent_limits: JSON.stringify(asked) })
    expect(body.narrowed).toEqual({
      cost_budget_usd: { asked: 500, granted: 5 },
      max_delegation_depth: { asked: 3, granted: 2 },
    })
    expect(body.agent_limits).toEqual(decode(body.access_token).agent_limits)
  })

  test('says so of scope that client credentials were not given', async () => {
    const scope = 'docs:read docs:write mail:send'
    const { body } = await server.clientCredentials('orchestrator', { resource: docs, scope })
    expect(body.narrowed).toEqual({
      scope: { asked: scope, granted: 'docs:read docs:write' },
    })
  })

  test('has no such member when nothing was cut, and its limits whenever there are any', async () => {
    await withRules([{ from: 'orchestrator', to: 'researcher', cost_budget_usd: 5 }])
    const silent = await handOff()
    expect(silent.body).not.toHaveProperty('narrowed')
    expect(silent.body.agent_limits).toMatchObject({ cost_budget_usd: 5 })
    const accepted = await accept(silent)
    expect(accepted.body.agent_limits).toEqual(silent.body.agent_limits)
    const modest = await handOff('researcher', { agent_limits: '{"cost_budget_usd":1}' })
    expect(modest.body).not.toHaveProperty('narrowed')
  })
})
