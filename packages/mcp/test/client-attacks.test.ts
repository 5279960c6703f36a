/** Servers that want more than they should get: other scopes, other credentials, other addresses, no end. */
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type AgentAuthProviderOptions, agentAuthProvider, withAgent } from '../src/client.js'
import { forbidden, type Scripted, secret, startScripted, unauthorized } from './scripted.js'
import { type AnyClient, connectModern, connectV1, connectV2 } from './world.js'

let world: Scripted
beforeEach(async () => {
  world = await startScripted()
})
afterEach(() => world.stop())

type Options = Omit<AgentAuthProviderOptions, 'agent' | 'resource'>

const provider = (options: Options = {}) =>
  agentAuthProvider({ agent: world.agent, resource: world.rs.resource, ...options })

const ways = [
  ['v1', (options?: Options) => connectV1(world.rs.resource, { authProvider: provider(options) })],
  ['v2', (options?: Options) => connectV2(world.rs.resource, { authProvider: provider(options) })],
  [
    'modern v2',
    (options?: Options) => connectModern(world.rs.resource, { authProvider: provider(options) }),
  ],
  [
    'v1 with fetch',
    (options?: Options) => {
      const authProvider = provider(options)
      return connectV1(world.rs.resource, { authProvider, fetch: authProvider.fetch })
    },
  ],
  [
    'v2 with fetch',
    (options?: Options) => {
      const authProvider = provider(options)
      return connectV2(world.rs.resource, { authProvider, fetch: authProvider.fetch })
    },
  ],
] as const satisfies [string, (options?: Options) => Promise<AnyClient>][]

const failure = async (work: Promise<unknown>): Promise<Error & { reason?: string }> => {
  try {
    await work
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error('It was not refused.')
}

const scopesAsked = () => world.as.tokenRequests().map(({ form }) => form.get('scope'))

/** The first request of a client, whatever becomes of it afterwards. */
const mcpRequests = () => world.rs.seen.filter(({ url }) => url === world.rs.resource)

/** What a call, all of it, costs the two servers. */
const costOf = async (call: () => Promise<unknown>) => {
  const before = [mcpRequests().length, world.as.tokenRequests().length] as const
  await failure(call())
  return {
    requests: mcpRequests().length - before[0],
    tokens: world.as.tokenRequests().length - before[1],
  }
}

describe.each(ways)('%s', (_, connect) => {
  test('an honest server gets the token, and the token endpoint the secret', async () => {
    const client = await connect({ scope: 'docs:read' })
    expect((await client.listTools()).tools).toHaveLength(1)
    const [asked, ...more] = world.as.tokenRequests()
    expect(more).toEqual([])
    expect(Object.fromEntries(asked?.form ?? [])).toEqual({
      grant_type: 'client_credentials',
      resource: world.rs.resource,
      scope: 'docs:read',
    })
    expect(asked?.headers.authorization).toBe(`Basic ${btoa(`agent:${secret}`)}`)
    await client.close()
  })

  test('no challenge and no metadata widens what is asked', async () => {
    const challenge = 'Bearer scope="docs:read admin"'
    world.rs.script.gate = (token) => (token ? undefined : unauthorized(challenge))
    world.rs.script.prm = { ...world.rs.script.prm, scopes_supported: ['admin'] }
    await (await connect({ scope: 'docs:read' })).close()
    await (await connect({ maxScope: 'docs:read docs:write' })).close()
    expect(scopesAsked()[0]).toBe('docs:read')
    expect(scopesAsked()[1]?.split(' ')).not.toContain('admin')
  })

  test('a challenge for nothing that is allowed asks for what is allowed, not for all', async () => {
    const challenge = 'Bearer scope="admin"'
    world.rs.script.gate = (token) => (token ? undefined : unauthorized(challenge))
    await (await connect({ maxScope: 'docs:read' })).close()
    expect(scopesAsked()).toEqual(['docs:read'])
  })

  test('CLI-02: metadata of another issuer is refused', async () => {
    world.as.script.metadata = {
      ...Object(world.as.script.metadata),
      issuer: 'https://honest.example',
    }
    expect((await failure(connect())).reason).toBe('issuer_mismatch')
    expect(world.as.tokenRequests()).toEqual([])
  })

  test('CLI-03: metadata about another resource is refused, and no token is asked for', async () => {
    world.rs.script.prm = { ...world.rs.script.prm, resource: 'https://other.example/mcp' }
    expect((await failure(connect())).reason).toBe('resource_mismatch')
    expect(world.as.tokenRequests()).toEqual([])
  })

  test('CLI-11: another authorization server gets no credential', async () => {
    world.rs.script.prm = {
      resource: world.rs.resource,
      authorization_servers: [world.evil.origin],
    }
    expect((await failure(connect())).reason).toBe('authorization_server_mismatch')
    expect(world.as.tokenRequests()).toEqual([])
    expect(world.evil.seen).toEqual([])
  })

  test('a challenge that points to metadata elsewhere is not followed', async () => {
    const challenge = `Bearer resource_metadata="${world.evil.origin}/prm"`
    world.rs.script.gate = (token) => (token ? undefined : unauthorized(challenge))
    await (await connect()).close()
    expect(world.evil.seen).toEqual([])
  })

  test('CLI-09: a token endpoint that redirects takes the secret nowhere', async () => {
    const location = `${world.evil.origin}/steal`
    world.as.script.token = () => ({ status: 307, headers: { location }, body: {} })
    await failure(connect())
    expect(world.evil.seen).toEqual([])
  })

  test('CLI-17: a polluted or ambiguous document leads nowhere', async () => {
    const { issuer } = world.as
    const endpoint = `"token_endpoint":"${world.evil.origin}/token"`
    world.as.script.metadata = `{"__proto__":{${endpoint}},"issuer":"${issuer}"}`
    await failure(connect())
    const honest = `"token_endpoint":"${issuer}/token"`
    world.as.script.metadata = `{"issuer":"${issuer}",${honest},${endpoint}}`
    await failure(connect())
    expect(world.evil.seen).toEqual([])
    expect(world.as.tokenRequests()).toEqual([])
  })

  test('CLI-13: an endless 401 ends', async () => {
    world.rs.script.gate = () => unauthorized('Bearer scope="docs:read"')
    await failure(connect())
    expect(world.as.tokenRequests().length).toBeLessThanOrEqual(3)
    expect(mcpRequests().length).toBeLessThanOrEqual(3)
  })

  test('CLI-13: an endless 403 ends', async () => {
    world.rs.script.gate = (token) => (token ? forbidden('docs:write') : unauthorized('Bearer'))
    await failure(connect({ scope: 'docs:read', maxScope: 'docs:read docs:write' }))
    expect(world.as.tokenRequests().length).toBeLessThanOrEqual(3)
    expect(mcpRequests().length).toBeLessThanOrEqual(3)
  })

  test('CLI-13: even one that names another scope each time', async () => {
    let count = 0
    world.rs.script.gate = (token) => {
      count += 1
      return token ? forbidden(`docs:${count}`) : unauthorized('Bearer')
    }
    await failure(connect({ scope: 'docs:read' }))
    expect(world.as.tokenRequests().length).toBeLessThanOrEqual(3)
    expect(mcpRequests().length).toBeLessThanOrEqual(3)
  })

  test('CLI-13: a call with a token that was good makes no more than three requests', async () => {
    const scopes = Array.from({ length: 20 }, (_, index) => `docs:${index + 1}`)
    const client = await connect({ scope: 'docs:1', maxScope: scopes })
    // In the protocol of 2025 a client listens as well, which is a call of its own.
    if (connect !== ways[2][1]) {
      await expect.poll(() => mcpRequests().some(({ method }) => method === 'GET')).toBe(true)
    }
    let count = 0
    world.rs.script.gate = () => {
      count += 1
      return count % 2 === 1 ? forbidden(`docs:${count + 1}`) : unauthorized(`Bearer n="${count}"`)
    }
    const inTurn = await costOf(() => client.listTools())
    world.rs.script.gate = () => {
      count += 1
      return forbidden(`docs:${count}`)
    }
    const always = await costOf(() => client.listTools())
    for (const { requests, tokens } of [inTurn, always]) {
      expect(requests).toBeLessThanOrEqual(3)
      expect(tokens).toBeLessThanOrEqual(3)
    }
    await client.close()
  })

  test('CLI-13: nor does a token endpoint that takes the token back each time add any', async () => {
    const { token } = world.as.script
    let asked = 0
    world.as.script.token = (form) => {
      asked += 1
      return asked % 2 === 1 ? { status: 400, body: { error: 'invalid_grant' } } : token(form)
    }
    world.rs.script.gate = (sent) => (sent ? forbidden('docs:write') : unauthorized('Bearer'))
    await failure(connect({ scope: 'docs:read', maxScope: 'docs:read docs:write' }))
    expect(asked).toBeLessThanOrEqual(3)
  })

  test('a missing scope is asked for beside what was had, and only once', async () => {
    world.rs.script.gate = (token) => {
      if (token === undefined) return unauthorized('Bearer scope="docs:read"')
      return token === 'Bearer token-1' ? forbidden('docs:write') : undefined
    }
    const client = await connect({ scope: 'docs:read', maxScope: 'docs:read docs:write' })
    await client.listTools()
    expect(scopesAsked()).toEqual(['docs:read', 'docs:read docs:write'])
    await client.close()
  })

  test('CLI-14: no error and no log shows a secret or a token', async () => {
    const authProvider = provider()
    const client = await connectV2(world.rs.resource, { authProvider })
    await client.close()
    world.as.script.token = (form) => ({
      status: 400,
      body: { error: 'invalid_scope', error_description: `no ${secret} ${form}` },
    })
    const error = await failure(connect())
    const shown = [
      inspect(authProvider, { depth: 9, showHidden: true }),
      JSON.stringify(authProvider),
      inspect(world.agent, { depth: 9 }),
      inspect(await world.agent.tokenRequest(), { depth: 9 }),
      JSON.stringify(await world.agent.tokenRequest()),
    ].join()
    expect(shown).not.toContain(secret)
    expect(shown).not.toContain(btoa(`agent:${secret}`))
    expect(shown).not.toContain('token-1')
    expect(String(error.stack)).not.toContain(btoa(`agent:${secret}`))
  })
})

test('credentials are added for the token endpoint of the issuer only', async () => {
  const { addClientAuthentication } = provider()
  const elsewhere = new URL(`${world.evil.origin}/token`)
  const headers = new Headers()
  const params = new URLSearchParams()
  const error = await failure(addClientAuthentication(headers, params, elsewhere))
  expect(error.reason).toBe('foreign_token_endpoint')
  expect([...headers, ...params]).toEqual([])
})

test('a transport to another server than the provider is for gets no token', async () => {
  const other = await startScripted()
  other.rs.script.prm = world.rs.script.prm
  const error = await failure(connectV1(other.rs.resource, { authProvider: provider() }))
  expect(error.reason).toBe('wrong_origin')
  expect(world.as.tokenRequests()).toEqual([])
  expect(other.rs.authorizations().filter(Boolean)).toEqual([])
  await other.stop()
})

describe('withAgent', () => {
  const call = (options = {}) =>
    withAgent(fetch, world.agent, { resource: world.rs.resource, ...options })(world.rs.resource)

  test('sends the token to its resource only', async () => {
    const elsewhere = withAgent(fetch, world.agent, { resource: world.rs.resource })
    const error = await failure(elsewhere(`${world.evil.origin}/mcp`))
    expect(error.reason).toBe('wrong_origin')
    expect(world.evil.seen).toEqual([])
  })

  test('no challenge widens what is asked', async () => {
    world.rs.script.gate = () => forbidden('admin')
    expect((await call({ scope: 'docs:read' })).status).toBe(403)
    expect(scopesAsked()).toEqual(['docs:read'])
  })

  test.each([
    ['401', () => unauthorized('Bearer')],
    ['403', () => forbidden('docs:write')],
    [
      'both in turn',
      (count: number) => (count % 2 === 1 ? unauthorized('Bearer') : forbidden(`docs:${count}`)),
    ],
  ])('CLI-13: an endless %s ends after three attempts', async (_, answer) => {
    let count = 0
    world.rs.script.gate = () => {
      count += 1
      return answer(count)
    }
    const scopes = ['docs:read', 'docs:write', ...Array.from({ length: 9 }, (_, n) => `docs:${n}`)]
    const { status } = await call({ scope: 'docs:read', maxScope: scopes })
    expect([401, 403]).toContain(status)
    expect(mcpRequests().length).toBeLessThanOrEqual(3)
    expect(world.as.tokenRequests().length).toBeLessThanOrEqual(3)
  })
})
