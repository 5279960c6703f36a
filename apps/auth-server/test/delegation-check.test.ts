/** Why not? The check endpoint answers as the exchange would, to those concerned, and makes nothing. */
import { tokenTypes } from '@behalf/protocol'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { resign } from './forge.js'
import {
  agent,
  baseConfig,
  decode,
  delegateOnce,
  docs,
  type FormFields,
  issuer,
  mail,
  openTestServer,
  otherTenantDocs,
  resourceServer,
  secretOf,
  type TestServer,
} from './harness.js'

const admin = (client_id: string, tenant_id?: string) => ({
  ...resourceServer(client_id, tenant_id),
  scope: 'admin',
})

const config = {
  ...baseConfig,
  clients: [
    ...baseConfig.clients,
    agent('idle'),
    admin('acme-admin'),
    admin('globex-admin', 'globex'),
    { ...admin('any-admin'), tenant_id: undefined },
  ],
  delegation_rules: [
    ...baseConfig.delegation_rules,
    { from: 'orchestrator', to: { agent_type: 'planner' }, cost_budget_usd: 1 },
    { from: 'orchestrator', to: 'mail-server', mode: 'push' },
    { from: 'researcher', to: 'cc-only', cost_budget_usd: 1 },
    { from: 'orchestrator', to: 'cc-only', mode: 'push', expires_in_seconds: 100 },
  ],
}

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({ config })
})
afterAll(() => server.close())

const lineageOf = (token: string): string[] => decode(token).agent_lineage as string[]
const leafOf = (token: string): string => lineageOf(token).at(-1) ?? ''

const exchange = (token: string): Record<string, string> => ({
  subject_token: token,
  subject_token_type: tokenTypes.accessToken,
})

/** Every row of every table. */
const fingerprint = async (): Promise<Record<string, unknown>> => {
  const tables = await server.database.read(
    `select table_name as name from information_schema.tables where table_schema = 'public'`,
    [],
  )
  const found: Record<string, unknown> = {}
  for (const { name } of tables) {
    const text = `select count(*)::int as n, md5(string_agg(t::text, '|' order by t::text)) as hash
      from "${name}" t`
    ;[found[String(name)]] = await server.database.read(text, [])
  }
  expect(found).toHaveProperty('delegations')
  return found
}

/** Asks, sees that nothing was written, and then does it. */
const askAndDo = async (clientId: string, token: string, fields: FormFields) => {
  const before = await fingerprint()
  const asked = await server.check(clientId, { ...exchange(token), ...fields })
  expect(await fingerprint()).toEqual(before)
  const done = await server.exchange(clientId, token, fields)
  return { asked, done }
}

interface Tokens {
  own: string
  /** The researcher's, for docs:read. */
  lent: string
  handOff: string
  /** Their agents' own, for this server. */
  researcher: string
  foreign: string
  bad: string
  ended: string
}

const forServer = async (clientId: string): Promise<string> =>
  (await server.clientCredentials(clientId, { resource: issuer })).body.access_token

const makeTokens = async (): Promise<Tokens> => {
  const both = { resource: [docs, mail] }
  const own = (await server.clientCredentials('orchestrator', both)).body.access_token
  const fields = { scope: 'docs:read', resource: docs }
  const lending = await delegateOnce(server, fields, 'orchestrator', 'researcher', own)
  const second = await delegateOnce(server, fields, 'orchestrator', 'researcher', own)
  await server.revoke('researcher', second.token)
  const globex = await server.clientCredentials('globex-agent', { resource: otherTenantDocs })
  return {
    own,
    lent: lending.token,
    handOff: lending.handOff.body.access_token,
    researcher: await forServer('researcher'),
    foreign: globex.body.access_token,
    bad: `${own.slice(0, -8)}AAAAAAAA`,
    ended: second.token,
  }
}

type Case = [string, keyof Tokens, string, (tokens: Tokens) => FormFields]

const hands = (requested_actor: string, more: FormFields = {}) => ({ requested_actor, ...more })
const brings = (actor_token: string) => ({ actor_token, actor_token_type: tokenTypes.accessToken })

const yes: Case[] = [
  ['narrow', 'own', 'orchestrator', () => ({})],
  ['narrow to one resource', 'own', 'orchestrator', () => ({ resource: docs })],
  ['narrow a lent token', 'lent', 'researcher', () => ({ agent_limits: '{"cost_budget_usd":1}' })],
  ['hand off', 'own', 'orchestrator', () => hands('researcher', { scope: 'docs:read' })],
  ['hand off for longer than a rule lets', 'own', 'orchestrator', () => hands('cc-only')],
  [
    'hand off with limits that are cut',
    'own',
    'orchestrator',
    () => hands('researcher', { agent_limits: '{"cost_budget_usd":400,"requests_per_hour":7}' }),
  ],
  ['hand on', 'lent', 'researcher', () => hands('scraper')],
  ['push', 'own', 'orchestrator', (tokens) => brings(tokens.researcher)],
  ['accept', 'handOff', 'researcher', () => ({})],
  ['accept less', 'handOff', 'researcher', () => ({ scope: 'docs:read', resource: docs })],
  ['pull', 'lent', 'docs-server', () => ({})],
]

const no: Case[] = [
  ['more scope', 'lent', 'researcher', () => ({ scope: 'docs:write' })],
  ['a word unknown to the target', 'own', 'orchestrator', () => ({ scope: 'x', resource: docs })],
  ['another resource', 'lent', 'researcher', () => ({ resource: mail })],
  ["another tenant's resource", 'own', 'orchestrator', () => ({ resource: otherTenantDocs })],
  ['no rule', 'own', 'orchestrator', () => hands('scraper')],
  ['no such actor', 'own', 'orchestrator', () => hands('nobody-knows-it')],
  ['an actor of another tenant', 'own', 'orchestrator', () => hands('globex-agent')],
  ['an actor in the chain', 'lent', 'researcher', () => hands('orchestrator')],
  [
    'scope that the rule lacks',
    'lent',
    'researcher',
    () => hands('scraper', { scope: 'mail:send' }),
  ],
  [
    'actions that are not covered',
    'own',
    'orchestrator',
    () => hands('researcher', { agent_limits: '{"allowed_actions":["billing.pay"]}' }),
  ],
  ['limits that are malformed', 'own', 'orchestrator', () => ({ agent_limits: '{"x":1}' })],
  ['a stray limit', 'own', 'orchestrator', () => ({ budget: '1' })],
  ['an empty parameter', 'own', 'orchestrator', () => ({ scope: '' })],
  ["someone else's token", 'lent', 'scraper', () => ({})],
  ["someone else's hand-off", 'handOff', 'scraper', () => ({})],
  ['a pull without a rule', 'own', 'mail-server', () => ({ resource: mail })],
  ['a delegated actor token', 'own', 'orchestrator', (tokens) => brings(tokens.lent)],
  ["another tenant's token", 'foreign', 'orchestrator', () => ({})],
  ['a forged token', 'bad', 'orchestrator', () => ({})],
  ['a revoked delegation', 'ended', 'researcher', () => ({})],
  ['a token for the server itself', 'researcher', 'researcher', () => ({})],
  ['a grant type that is not its own', 'own', 'cc-only', () => ({})],
]

describe('the answer', () => {
  let tokens: Tokens
  beforeAll(async () => {
    tokens = await makeTokens()
  })

  test.each(yes)('is yes where the exchange is: %s', async (_, name, clientId, fieldsOf) => {
    const { asked, done } = await askAndDo(clientId, tokens[name], fieldsOf(tokens))
    expect([asked.status, done.status]).toEqual([200, 200])
    const claims = decode(done.body.access_token)
    const [row] = await server.database.read(
      'select resources, rule_ids from delegations where id = $1',
      [leafOf(done.body.access_token)],
    )
    const { shape } = asked.body
    expect(asked.body).toEqual({
      allowed: true,
      shape: expect.stringMatching(/^(narrow|hand_off|accept|pull|push)$/),
      scope: done.body.scope,
      resources: shape === 'accept' ? [claims.aud].flat() : row?.resources,
      agent_limits: done.body.agent_limits,
      expires_in: done.body.expires_in,
      ...(shape !== 'accept' && row?.rule_ids ? { rule_ids: row.rule_ids } : {}),
      ...(done.body.narrowed && { narrowed: done.body.narrowed }),
    })
  })

  test.each(no)('is no where the exchange is: %s', async (_, name, clientId, fieldsOf) => {
    const { asked, done } = await askAndDo(clientId, tokens[name], fieldsOf(tokens))
    expect(asked.status).toBe(200)
    expect(done.status).toBeGreaterThanOrEqual(400)
    expect(asked.body).toEqual({ allowed: false, ...done.body })
    expect(asked.body.error_detail).toBeDefined()
  })

  test('names the rule that decided, in a yes and in a no', async () => {
    const ask = (fields: FormFields) =>
      server.check('orchestrator', { ...exchange(tokens.own), ...hands('researcher'), ...fields })
    const agreed = await ask({})
    const refused = await ask({ agent_limits: '{"allowed_actions":["*"]}' })
    expect(agreed.body).toMatchObject({ allowed: true, shape: 'hand_off' })
    expect(refused.body).toMatchObject({ allowed: false, error_detail: 'action_not_covered' })
    expect(agreed.body.rule_ids).toEqual([expect.stringMatching(/^rul_/)])
    expect(refused.body.rule_ids).toEqual(agreed.body.rule_ids)
  })
})

describe('a rule that was taken away', () => {
  afterEach(() => server.applyConfig(config))

  test('is a no, as for the exchange', async () => {
    const { token } = await delegateOnce(server)
    await server.applyConfig({ ...config, delegation_rules: [] })
    const { asked, done } = await askAndDo('researcher', token, {})
    expect(asked.body).toEqual({ allowed: false, ...done.body })
    const about = await server.check('orchestrator', { delegation_id: leafOf(token) })
    expect([asked.body.error_detail, about.body.error_detail]).toEqual([
      'rule_withdrawn',
      'rule_withdrawn',
    ])
  })
})

describe('about a delegation', () => {
  let tokens: Tokens
  let id: string
  beforeEach(async () => {
    tokens = await makeTokens()
    id = leafOf(tokens.lent)
  })

  test('says what its holder could do, to the holder, the giver and admins alike', async () => {
    const callers = ['researcher', 'orchestrator', 'acme-admin', 'any-admin']
    for (const fields of [{}, hands('scraper'), hands('loner'), { scope: 'docs:write' }]) {
      const before = await fingerprint()
      const answers = await Promise.all(
        callers.map((each) => server.check(each, { delegation_id: id, ...fields })),
      )
      expect(await fingerprint()).toEqual(before)
      for (const { status, body } of answers) {
        expect([status, body]).toEqual([200, answers[0]?.body])
      }
      const real = await server.check('researcher', { ...exchange(tokens.lent), ...fields })
      const { expires_in, ...same } = real.body
      expect(answers[0]?.body).toMatchObject(same)
      if (expires_in) expect(answers[0]?.body.expires_in).toBeGreaterThanOrEqual(Number(expires_in))
    }
  })

  test('of an agent itself, its subject may ask', async () => {
    const root = lineageOf(tokens.own)[0] ?? ''
    const { body } = await server.check('orchestrator', { delegation_id: root })
    expect(body).toMatchObject({ allowed: true, shape: 'narrow', expires_in: 300 })
  })

  test('of who holds it and may not exchange at all is a no', async () => {
    const answer = await server.exchange('researcher', tokens.lent, hands('cc-only'))
    const { body } = await server.check('researcher', {
      delegation_id: leafOf(answer.body.access_token),
    })
    expect(body).toMatchObject({
      allowed: false,
      error: 'unauthorized_client',
      error_detail: 'grant_type_not_allowed',
    })
  })

  test('that has ended is a no', async () => {
    const { body } = await server.check('orchestrator', { delegation_id: leafOf(tokens.ended) })
    expect(body).toMatchObject({ allowed: false, error_detail: 'subject_token_revoked' })
  })

  test.each(['scraper', 'idle', 'docs-server', 'globex-agent', 'globex-admin'])(
    'tells %s nothing, not even whether there is one',
    async (clientId) => {
      const unknown = await server.check(clientId, { delegation_id: 'dlg_unknown' })
      expect([unknown.status, unknown.body.error]).toEqual([404, 'not_found'])
      for (const fields of [{}, hands('scraper'), { agent_limits: '{' }]) {
        const { status, body } = await server.check(clientId, { delegation_id: id, ...fields })
        expect([status, body]).toEqual([404, unknown.body])
      }
    },
  )

  test('what lies above its own is not for the holder to ask about', async () => {
    const root = lineageOf(tokens.lent)[0] ?? ''
    expect((await server.check('researcher', { delegation_id: root })).status).toBe(404)
  })

  test('and about a token is two questions', async () => {
    const { body } = await server.check('researcher', {
      delegation_id: id,
      ...exchange(tokens.lent),
    })
    expect(body).toMatchObject({ allowed: false, error_detail: 'two_questions' })
  })
})

describe('who asks', () => {
  test('must be a confidential client with its own credentials', async () => {
    const ask = (headers: Record<string, string>, fields: FormFields) =>
      server.post<Record<string, unknown>>('/delegations/check', fields, headers)
    expect((await ask({}, {})).status).toBe(401)
    expect((await ask({}, { client_id: 'loner', client_secret: 'wrong' })).status).toBe(401)
    const open = await ask({}, { client_id: 'desktop', delegation_id: 'dlg_unknown' })
    expect([open.status, open.body.error_detail]).toEqual([400, 'public_client'])
    const posted = { client_id: 'posting', client_secret: secretOf('posting') }
    expect((await ask({}, { ...posted, delegation_id: 'dlg_unknown' })).status).toBe(404)
  })

  test('and asks badly is told so, without a failure', async () => {
    const own = (await server.clientCredentials('orchestrator')).body.access_token
    const crafted = resign(server, own, { agent_lineage: ['dlg_unknown'] })
    for (const fields of [
      {},
      { delegation_id: '' },
      exchange(''),
      exchange(crafted),
      { ...exchange(own), actor_token: own },
    ]) {
      const { status, body } = await server.check('orchestrator', fields)
      expect([status, body.allowed]).toEqual([200, false])
    }
    const long = await server.check('orchestrator', { delegation_id: 'x'.repeat(5000) })
    expect(long.status).toBe(404)
  })
})
