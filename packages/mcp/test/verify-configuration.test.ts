/** What the guard finds out about its configuration before the first caller does. */
import { isOAuthError } from '@behalf/protocol'
import { expect, test } from 'vitest'
import { type ProtectMcpOptions, protectMcp } from '../src/server.js'

const issuer = 'https://auth.example'
const resource = 'https://api.example/mcp'
const tokenExchange = 'urn:ietf:params:oauth:grant-type:token-exchange'
const own = 'https://api.example/.well-known/oauth-protected-resource/mcp'

const metadata: Record<string, unknown> = {
  issuer,
  token_endpoint: `${issuer}/token`,
  jwks_uri: `${issuer}/jwks`,
  introspection_endpoint: `${issuer}/introspect`,
  agent_budget_endpoint: `${issuer}/ledger`,
  agent_revocation_feed_endpoint: `${issuer}/revocations`,
  scopes_supported: ['docs:read', 'docs:write'],
  protected_resources: [resource, 'https://other.example'],
  grant_types_supported: ['client_credentials', tokenExchange],
}
const described = { resource, authorization_servers: [issuer], scopes_supported: ['docs:read'] }

type Pages = Record<string, (() => Response | Promise<Response>) | undefined>

const pages: Pages = {
  [`${issuer}/.well-known/oauth-authorization-server`]: () => Response.json(metadata),
  [`${issuer}/jwks`]: () => Response.json({ keys: [{ kty: 'EC' }] }),
  [`${issuer}/introspect`]: () => Response.json({ active: false }),
  [own]: () => Response.json(described),
}

const withMetadata = (more: object): Pages => ({
  [`${issuer}/.well-known/oauth-authorization-server`]: () =>
    Response.json({ ...metadata, ...more }),
})

interface Check {
  changed?: Pages
  options?: Partial<ProtectMcpOptions>
  ask?: { ownMetadata?: boolean; signal?: AbortSignal }
}

const verify = async ({ changed = {}, options = {}, ask = {} }: Check) => {
  const asked: { url: string; init: RequestInit | undefined }[] = []
  const fetch: ProtectMcpOptions['fetch'] = async (input, init) => {
    asked.push({ url: String(input), init })
    const page = { ...pages, ...changed }[String(input)]
    return page ? page() : new Response('', { status: 404 })
  }
  const budget = { clientId: 'docs-server', clientSecret: 'a secret of the docs server' }
  const base = { issuer, resource, scopes: 'docs:read', budget, fetch, timeoutMs: 50 }
  const guard = protectMcp({ ...base, ...options })
  try {
    await guard.verifyConfiguration(ask)
    return { asked, error: undefined, names: [] }
  } catch (error) {
    if (!isOAuthError(error)) throw error
    const mismatches = error.details.mismatches as { name: string; found: string }[]
    return { asked, error, names: mismatches.map(({ name }) => name) }
  } finally {
    await guard.close()
  }
}

test('says nothing when everything fits', async () => {
  const { error, asked } = await verify({ ask: { ownMetadata: true } })
  expect(error).toBeUndefined()
  expect(asked.map(({ url }) => url).sort()).toEqual(Object.keys(pages).sort())
})

test('says all that does not fit, to the slash', async () => {
  const { error, names } = await verify({
    changed: {
      ...withMetadata({
        issuer: `${issuer}/`,
        jwks_uri: undefined,
        agent_revocation_feed_endpoint: 'http://auth.example/revocations',
        agent_budget_endpoint: undefined,
        scopes_supported: ['docs:write'],
        protected_resources: [`${resource}/`],
        grant_types_supported: ['client_credentials'],
      }),
      [own]: () =>
        Response.json({ resource: `${resource}/`, authorization_servers: [`${issuer}/`] }),
    },
    ask: { ownMetadata: true },
  })
  expect(error?.code).toBe('server_error')
  expect(error?.reason).toBe('configuration_mismatch')
  expect(names).toEqual([
    'issuer',
    'jwks_uri',
    'agent_revocation_feed_endpoint',
    'agent_budget_endpoint',
    'scopes_supported',
    'protected_resources',
    'grant_types_supported',
    'resource',
    'authorization_servers',
  ])
  expect(error?.message).toContain(`issuer: expected "${issuer}", found "${issuer}/".`)
  expect(error?.message).toContain(`resource: expected "${resource}", found "${resource}/".`)
})

test.each([
  ['no ledger', { budget: undefined }, ['agent_budget_endpoint', 'token_endpoint']],
  ['no ledger but advice', { budget: 'advisory' }, ['agent_budget_endpoint']],
  ['no revocations', { revocation: 'off' }, ['agent_revocation_feed_endpoint']],
] as const)('asks nothing of the issuer that %s needs', async (_, options, missing) => {
  const more = Object.fromEntries(missing.map((name) => [name, undefined]))
  expect((await verify({ changed: withMetadata(more), options })).names).toEqual([])
  expect((await verify({ changed: withMetadata(more) })).names).toEqual([...missing])
})

test('an issuer that keeps its scopes and resources to itself is not blamed for it', async () => {
  const silent = { scopes_supported: undefined, protected_resources: undefined }
  expect((await verify({ changed: withMetadata(silent) })).names).toEqual([])
})

test.each([
  ['the resource', { resource: 'https://api.example/other' }, 'protected_resources'],
  ['a scope', { scopes: 'docs:erase' }, 'scopes_supported'],
] as const)(
  '%s that the issuer does not list is told, with what is listed',
  async (_, options, name) => {
    const { error, names } = await verify({ options })
    expect(names).toEqual([name])
    const asked = 'resource' in options ? options.resource : options.scopes
    expect(error?.message).toContain(asked)
    expect(error?.details.mismatches).toEqual([
      { name, expected: expect.stringContaining(asked), found: expect.any(String) },
    ])
  },
)

test('an issuer that says that its lists are not whole is not blamed for what they lack', async () => {
  const some = { scopes_supported: ['a'], protected_resources: ['https://other.example'] }
  const lists = ['scopes_supported', 'protected_resources']
  expect((await verify({ changed: withMetadata(some) })).names).toEqual(lists)
  const partial = { ...some, protected_resources_partial: true }
  expect((await verify({ changed: withMetadata(partial) })).names).toEqual([])
})

test('credentials that the issuer does not know are found, and go to no other issuer', async () => {
  const introspect = `${issuer}/introspect`
  const refuse = () => Response.json({ error: 'invalid_client' }, { status: 401 })
  const { error, names } = await verify({ changed: { [introspect]: refuse } })
  expect(names).toEqual(['client'])
  expect(error?.message).toContain('docs-server')
  expect(JSON.stringify(error) + error?.stack).not.toContain('a secret')
  const other = await verify({ changed: withMetadata({ issuer: 'https://other.example' }) })
  expect(other.names).toEqual(['issuer'])
  expect(other.asked.map(({ url }) => url)).not.toContain(introspect)
  const bare = { introspection_endpoint: 'http://auth.example/introspect' }
  const unsafe = await verify({ changed: withMetadata(bare) })
  expect(unsafe.asked.some(({ init }) => init?.method === 'POST')).toBe(false)
})

test.each([
  ['none', () => Response.json({ keys: [] })],
  ['no list', () => Response.json({})],
  ['a page', () => new Response('<html>')],
  ['nothing', () => new Response('', { status: 404 })],
])('keys that are %s are a mismatch', async (_, answer) => {
  const { names, error } = await verify({ changed: { [`${issuer}/jwks`]: answer } })
  expect(names).toEqual(['jwks_uri'])
  expect(error?.code).toBe('server_error')
})

const issuerPage = `${issuer}/.well-known/oauth-authorization-server`

test.each([
  ['is away', () => Promise.reject(new TypeError('no route'))],
  ['never answers', () => new Promise<Response>(() => {})],
  ['fails', () => new Response('', { status: 502 })],
])('an issuer that %s may fit after all: 503', async (_, answer) => {
  const { error } = await verify({ changed: { [issuerPage]: answer } })
  expect(error?.code).toBe('temporarily_unavailable')
  expect(error?.reason).toBe('configuration_unverified')
})

test.each([
  [
    'elsewhere',
    () => new Response('', { status: 302, headers: { Location: 'https://b.example' } }),
  ],
  ['not there', () => new Response('', { status: 404 })],
  ['not JSON', () => new Response('<html>')],
  ['endless', () => new Response('x'.repeat(100_000))],
])('metadata that is %s is a mismatch', async (_, answer) => {
  const { error, names } = await verify({ changed: { [issuerPage]: answer } })
  expect(names).toEqual(['issuer'])
  expect(error?.reason).toBe('configuration_mismatch')
})

test('what others write is cut, and stays in its place', async () => {
  const { error } = await verify({ changed: withMetadata({ issuer: `${'x'.repeat(5000)}\n` }) })
  expect(error?.message.length).toBeLessThan(600)
  const two = await verify({ changed: withMetadata({ issuer: 'a\nb' }) })
  expect(two.error?.message).not.toContain('\n')
})

test('who does not want to wait does not', async () => {
  let asked = 0
  const counted = () => {
    asked += 1
    return Response.json(metadata)
  }
  const ask = { signal: AbortSignal.abort(new Error('enough')) }
  await expect(verify({ changed: { [issuerPage]: counted }, ask })).rejects.toThrow('enough')
  expect(asked).toBe(0)
  const later = new AbortController()
  const changed = { [issuerPage]: () => new Promise<Response>(() => later.abort(new Error('now'))) }
  await expect(verify({ changed, ask: { signal: later.signal } })).rejects.toThrow('now')
})
