/** The configuration file: what it may say, and where it says something wrong. */
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { checkConfig } from '../src/check-config.js'
import { configSchema, parseConfig } from '../src/config.js'

const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange'

/** As in the guide, with its gaps filled. */
const example = {
  tenants: [{ tenant_id: 'acme', name: 'Acme', limits: { cost_budget_usd: 1000 } }],
  resources: [
    {
      resource: 'http://127.0.0.1:4100/mcp',
      tenant_id: 'acme',
      scopes_supported: ['docs:read', 'docs:write'],
      client_id: 'docs-server',
    },
  ],
  clients: [
    {
      client_id: 'orchestrator',
      kind: 'agent',
      agent_type: 'planner',
      tenant_id: 'acme',
      client_secret: 'a-secret-for-tests',
      token_endpoint_auth_method: 'client_secret_basic',
      grant_types: ['client_credentials', exchange],
      scope: 'docs:read docs:write',
      resources: ['http://127.0.0.1:4100/mcp'],
      agent_limits: {
        requests_per_hour: 100,
        cost_budget_usd: 50,
        allowed_actions: ['docs.*'],
        max_delegation_depth: 3,
      },
    },
    { client_id: 'researcher', kind: 'agent', tenant_id: 'acme', client_secret: { env: 'SECRET' } },
    {
      client_id: 'docs-server',
      kind: 'resource_server',
      tenant_id: 'acme',
      client_secret: 'a-secret-for-tests',
    },
    {
      client_id: 'desktop',
      kind: 'app',
      token_endpoint_auth_method: 'none',
      redirect_uris: ['http://127.0.0.1:6276/oauth/callback'],
      grant_types: ['authorization_code', 'refresh_token'],
      scope: 'docs:read docs:write',
    },
  ],
  delegation_rules: [
    {
      from: 'orchestrator',
      to: 'researcher',
      scope: 'docs:read',
      cost_budget_usd: 5,
      max_delegation_depth: 1,
    },
  ],
  users: [
    {
      email: 'alice@acme.test',
      password: 'a-password',
      name: 'Alice',
      tenant_id: 'acme',
      org_role: 'owner',
    },
  ],
}

const env = { SECRET: 'a-secret-from-the-environment' }

const check = (config: object, environment: Record<string, string> = env): void =>
  checkConfig(parseConfig(JSON.stringify(config), environment))

type Path = (string | number)[]

/** The example with one member set, or taken out. */
const change = (path: Path, value: unknown): object => {
  const config = structuredClone(example)
  const last = path.at(-1) ?? ''
  const parent = path
    .slice(0, -1)
    .reduce<Record<string, unknown>>((at, step) => at[step] as never, config as never)
  if (value === undefined) delete parent[last]
  else parent[last] = value
  return config
}

describe('the file', () => {
  test('of the guide is accepted, and so is one that says nothing', () => {
    check(example)
    check({})
  })

  test('takes a secret from the environment', () => {
    const { clients } = parseConfig(JSON.stringify(example), env)
    expect(clients[1]?.client_secret).toBe(env.SECRET)
  })

  const refusals: [Path, unknown, string][] = [
    [['nonsense'], 1, '(the file): Unrecognized key: "nonsense"'],
    [['clients', 0, 'client_ids'], [], 'clients[0]: Unrecognized key: "client_ids"'],
    [['signing_alg'], 'HS256', 'signing_alg: Invalid option: expected one of'],
    [['signing_alg'], 'none', 'signing_alg: Invalid option: expected one of'],
    [['tenants', 0, 'tenant_id'], 'Acme Inc', 'tenants[0].tenant_id: is lower case letters'],
    [['tenants', 0, 'limits'], { cost_budget_usd: -1 }, 'tenants[0].limits.cost_budget_usd: '],
    [
      ['tenants', 0, 'limits'],
      { cost_budget_usd: '1.0000001' },
      'tenants[0].limits.cost_budget_usd: ',
    ],
    [['tenants', 0, 'limits'], { costs: 1 }, 'tenants[0].limits: Unrecognized key: "costs"'],
    [
      ['tenants', 0, 'limits'],
      { requests_per_hour: 5 },
      'tenants[0].limits: Unrecognized key: "requests_per_hour"',
    ],
    [['resources', 0, 'resource'], '/mcp', 'resources[0].resource: must be an absolute URI'],
    [
      ['resources', 0, 'scopes_supported'],
      ['a b'],
      'resources[0].scopes_supported[0]: must be one scope word',
    ],
    [
      ['resources', 0, 'client_id'],
      'orchestrator',
      'resources[0].client_id: "orchestrator" is not a client of kind',
    ],
    [
      ['resources', 0, 'client_id'],
      'nobody',
      'resources[0].client_id: "nobody" is not a client of kind',
    ],
    [
      ['resources', 0, 'tenant_id'],
      'globex',
      'resources[0].tenant_id: "globex" is not among tenants',
    ],
    [['clients', 0, 'client_id'], 'usr_alice', 'clients[0].client_id: must not begin with "usr_"'],
    [['clients', 0, 'client_id'], 'a b', 'clients[0].client_id: may hold visible ASCII only'],
    [['clients', 0, 'kind'], 'robot', 'clients[0].kind: Invalid option: expected one of'],
    [['clients', 0, 'tenant_id'], 'globex', 'clients[0].tenant_id: "globex" is not among tenants'],
    [['clients', 0, 'client_secret'], 'short', 'clients[0].client_secret: '],
    [['clients', 0, 'client_secret'], undefined, 'clients[0].client_secret: is missing'],
    [
      ['clients', 1, 'client_secret'],
      { env: 'GONE' },
      'clients[1].client_secret: the environment variable GONE is not set',
    ],
    [
      ['clients', 1, 'client_secret'],
      { env: 'SHORT' },
      'clients[1].client_secret: SHORT is too short',
    ],
    [
      ['clients', 3, 'client_secret'],
      'a-secret-for-tests',
      'clients[3].client_secret: a public client has none',
    ],
    [
      ['clients', 0, 'token_endpoint_auth_method'],
      'private_key',
      'clients[0].token_endpoint_auth_method: ',
    ],
    [
      ['clients', 1, 'token_endpoint_auth_method'],
      'none',
      'clients[1].token_endpoint_auth_method: only an app may be public',
    ],
    [['clients', 0, 'grant_types'], ['password'], 'clients[0].grant_types[0]: Invalid option'],
    [['clients', 0, 'scope'], 'a  b', 'clients[0].scope: must be words with one space between'],
    [
      ['clients', 0, 'resources'],
      ['https://x.example'],
      'clients[0].resources[0]: "https://x.example" is not among resources',
    ],
    [
      ['clients', 0, 'agent_limits'],
      { requests_per_hour: 1.5 },
      'clients[0].agent_limits.requests_per_hour: ',
    ],
    [
      ['clients', 3, 'redirect_uris'],
      ['http://evil.example/'],
      'clients[3].redirect_uris[0]: must be https',
    ],
    [
      ['clients', 3, 'redirect_uris'],
      ['https://a.example/#x'],
      'clients[3].redirect_uris[0]: must have no fragment',
    ],
    [['registration'], { dynamic: { mode: 'ajar' } }, 'registration.dynamic.mode: Invalid option'],
    [
      ['registration'],
      { dynamic: { mode: 'initial_access_token' } },
      'registration.dynamic.initial_access_tokens: is missing',
    ],
    [
      ['registration'],
      { dynamic: { mode: 'open', initial_access_tokens: [{ env: 'MISSING' }] } },
      'registration.dynamic.initial_access_tokens[0]: the environment variable MISSING is not set',
    ],
    [
      ['registration'],
      { dynamic: { mode: 'open', tenant_id: 'globex' } },
      'registration.dynamic.tenant_id: "globex" is not among tenants',
    ],
    [
      ['registration'],
      { client_id_metadata_documents: { resources: ['http://127.0.0.1:4100/mcp'] } },
      'registration.client_id_metadata_documents.resources[0]: "http://127.0.0.1:4100/mcp" belongs to another tenant',
    ],
    [
      ['registration'],
      { client_id_metadata_documents: { allowed_hosts: ['https://claude.ai'] } },
      'registration.client_id_metadata_documents.allowed_hosts[0]: must be a host',
    ],
    [
      ['delegation_rules', 0, 'from'],
      'nobody',
      'delegation_rules[0].from: "nobody" is not among clients',
    ],
    [
      ['delegation_rules', 0, 'to'],
      'nobody',
      'delegation_rules[0].to: "nobody" is not among clients',
    ],
    [
      ['delegation_rules', 0, 'to'],
      'desktop',
      'delegation_rules[0]: from and to belong to different tenants (from: "acme", to: none)',
    ],
    [
      ['delegation_rules', 0, 'max_delegation_depth'],
      -1,
      'delegation_rules[0].max_delegation_depth: ',
    ],
    [['delegation_rules', 0, 'expires_in_seconds'], 0, 'delegation_rules[0].expires_in_seconds: '],
    [['delegation_rules', 0, 'from'], { agent_types: 'x' }, 'delegation_rules[0].from: '],
    [['delegation_rules', 0, 'to'], {}, 'delegation_rules[0].to: '],
    [['delegation_rules', 0, 'mode'], 'any', 'delegation_rules[0].mode: Invalid option'],
    [
      ['delegation_rules', 0],
      { from: '*', to: { agent_type: 'researcher' } },
      'delegation_rules[0].tenant_id: is missing, since neither end names a client',
    ],
    [
      ['delegation_rules', 0],
      { from: '*', to: '*', tenant_id: 'globex' },
      'delegation_rules[0].tenant_id: "globex" is not among tenants',
    ],
    [['delegation_bounds'], { max_children: -1 }, 'delegation_bounds.max_children: '],
    [['clients', 0, 'client_id'], '*', 'clients[0].client_id: must not be "*"'],
    [
      ['resources', 0, 'resource'],
      'http://127.0.0.1:4100/',
      'resources[0].resource: must be written without the slash at its end',
    ],
    [['users', 0, 'email'], 'alice', 'users[0].email: '],
    [['users', 0, 'org_role'], 'king', 'users[0].org_role: Invalid option'],
  ]

  test.each(refusals)('with %j set to %j is refused at that place', (path, value, problem) => {
    const attempt = () => check(change(path, value), { ...env, SHORT: 'short' })
    expect(attempt).toThrow(problem)
    expect(attempt).toThrow(expect.objectContaining({ name: 'ConfigError' }))
  })

  test.each(['tenants', 'resources', 'clients', 'delegation_rules'] as const)(
    'with two equal %s is refused',
    (name) => {
      const twice = [...example[name], example[name][0]]
      expect(() => check({ ...example, [name]: twice })).toThrow(/" is there twice$/)
    },
  )

  test('with a rule that names a client and the tenant of another is refused', () => {
    const tenants = [...example.tenants, { tenant_id: 'globex' }]
    const rule = { from: 'orchestrator', to: '*', tenant_id: 'globex' }
    expect(() => check({ ...example, tenants, delegation_rules: [rule] })).toThrow(
      'from and to belong to different tenants (from: "acme", the rule: "globex")',
    )
    check({ ...example, delegation_rules: [{ ...rule, tenant_id: 'acme' }] })
  })

  test("with another tenant's resource at a client is refused", () => {
    const tenants = [...example.tenants, { tenant_id: 'globex' }]
    const resources = example.resources.map((one) => ({ ...one, tenant_id: 'globex' }))
    expect(() => check({ ...example, tenants, resources })).toThrow(
      'clients[0].resources[0]: "http://127.0.0.1:4100/mcp" belongs to another tenant',
    )
  })

  test('with several mistakes names each on a line of its own', () => {
    const config = { tenants: [{ tenant_id: '!' }], resources: [{ resource: 'x' }] }
    expect(() => check(config)).toThrow(
      /^tenants\[0\]\.tenant_id: .*\nresources\[0\]\.resource: .*$/,
    )
    const clients = [
      { client_id: 'a', kind: 'agent', tenant_id: 'x' },
      { client_id: 'b', kind: 'agent' },
    ]
    expect(() => check({ clients })).toThrow(/tenant_id.*\n.*clients\[0\].*\n.*clients\[1\]/)
  })

  test.each([
    '',
    'x',
    '{',
    '{"clients":[}',
    '{"client_secret": supersecretvalue}',
    '{"s":"supersecretvalue" x}',
  ])('that is not JSON, as %j, is refused without a word of what it holds', (text) => {
    expect(() => parseConfig(text, {})).toThrow(/^it is not JSON: (?!.*supersecre).+$/)
  })
})

describe('the JSON Schema beside the file', () => {
  const path = fileURLToPath(new URL('../behalf.config.schema.json', import.meta.url))
  const generated = z.toJSONSchema(configSchema, { io: 'input' })
  const document = { title: 'Configuration of the Behalf authorization server', ...generated }

  test('is the one of this version; `pnpm schema` writes it', async () => {
    const text = `${JSON.stringify(document, undefined, 2)}\n`
    await expect(text).toMatchFileSnapshot(path)
  })

  test('takes the example of the guide, and not one with a member misspelt', () => {
    const judge = z.fromJSONSchema(document)
    expect(
      judge.safeParse({ $schema: './behalf.config.schema.json', ...example }).error,
    ).toBeUndefined()
    expect(judge.safeParse(change(['clients', 0, 'client_ids'], 1)).success).toBe(false)
    expect(judge.safeParse(change(['clients', 0, 'kind'], 'robot')).success).toBe(false)
    expect(judge.safeParse(change(['clients', 0, 'client_id'], undefined)).success).toBe(false)
  })
})

describe('a client of people', () => {
  const check = (client: object) => () => {
    const config = {
      tenants: [{ tenant_id: 'acme' }],
      resources: [{ resource: 'https://docs.example', tenant_id: 'acme' }],
      clients: [{ client_id: 'one', kind: 'agent', ...client }],
    }
    checkConfig(parseConfig(JSON.stringify(config), {}))
  }
  const open = { token_endpoint_auth_method: 'none' }
  const grant_types = ['authorization_code', 'refresh_token']

  test.each([
    ['logo_uri', 'http://app.example/logo.png'],
    ['client_uri', 'https://127.0.0.1/'],
    ['policy_uri', 'javascript:alert(1)'],
    ['tos_uri', 'https://name:word@app.example/'],
    ['client_name', 'turned \u202e around'],
    ['client_name', ''],
  ])('has no %s such as %j', (member, value) => {
    const fine = { ...open, grant_types }
    expect(check({ ...fine, [member]: 'https://app.example/page' })).not.toThrow()
    expect(check({ ...fine, [member]: value })).toThrow(`clients[0].${member}: `)
  })

  test('may be a public agent, as long as all that it has comes from people', () => {
    expect(check({ ...open, grant_types })).not.toThrow()
    for (const own of ['client_credentials', 'urn:ietf:params:oauth:grant-type:token-exchange']) {
      expect(check({ ...open, grant_types: [...grant_types, own] })).toThrow('may be public')
    }
    expect(check({ ...open, grant_types: ['refresh_token'] })).toThrow('may be public')
    expect(check({ ...open, kind: 'resource_server', grant_types })).toThrow('may be public')
  })

  test('may reach what is a tenant’s without being of one', () => {
    const more = { client_secret: 'a-secret-for-tests', resources: ['https://docs.example'] }
    expect(check({ ...more, grant_types })).not.toThrow()
    expect(check({ ...more, grant_types, tenant_id: 'acme' })).not.toThrow()
    expect(check(more)).toThrow('belongs to another tenant')
  })
})
