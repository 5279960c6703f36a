/** A missing scope is a 403 that says which to come back with, and clients do. */
import { ClientCredentialsProvider as ProviderV2 } from '@modelcontextprotocol/client'
import type { OAuthClientProvider } from '@modelcontextprotocol/sdk/client/auth.js'
import { ClientCredentialsProvider as ProviderV1 } from '@modelcontextprotocol/sdk/client/auth-extensions.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { denialKey, protectMcp } from '../src/server.js'
import { secretOf } from './auth-server.js'
import { createLibraryV1, type Library, openLibrary, type Shelf, shelves } from './library.js'
import { call, connectModern, connectV1, connectV2, textOf } from './world.js'

let library: Library
beforeAll(async () => {
  library = await openLibrary()
}, 30_000)
afterAll(() => library.stop())

const messageOf = (method: string, params: object) => ({ jsonrpc: '2.0', id: 1, method, params })

const post = (url: string, token: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(url, {
    method: 'POST',
    headers: {
      Accept: 'application/json, text/event-stream',
      'Content-Type': 'application/json',
      'MCP-Protocol-Version': '2025-11-25',
      Authorization: `Bearer ${token}`,
      ...headers,
    },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })

const publish = messageOf('tools/call', { name: 'publish', arguments: { q: 'news' } })

/** Whoever has a session has been through the same, by the clients below. */
const stateless = shelves.filter((shelf) => shelf !== 'v1s')

describe.each(stateless)('%s', (shelf) => {
  const reader = () => library.auth.token('reader', library.url(shelf))
  /** A server of the first generation is known once there was one. */
  const ask = async (body: unknown) => {
    const [url, token] = [library.url(shelf), await reader()]
    await (await post(url, token, messageOf('tools/list', {}))).text()
    return post(url, token, body)
  }

  test.each([
    ['a tool', publish],
    ['a resource', messageOf('resources/read', { uri: 'docs://draft' })],
    ['a prompt', messageOf('prompts/get', { name: 'edit' })],
  ])('%s that needs more scope is a challenge with all that it needs', async (_, body) => {
    const response = await ask(body)
    expect(response.status).toBe(403)
    const challenge = response.headers.get('www-authenticate') ?? ''
    expect(challenge).toMatch(/^Bearer /)
    expect(challenge).toContain('error="insufficient_scope"')
    expect(challenge).toContain('scope="docs:write docs:read"')
    const { resourceMetadataUrl } = library.guard(shelf)
    expect(challenge).toContain(`resource_metadata="${resourceMetadataUrl}"`)
    expect(await response.json()).toMatchObject({ error: 'insufficient_scope' })
  })

  test.each([
    ['purge', 'whose scope is nobody’s business'],
    ['globex', 'of another tenant'],
    ['mail', 'whose action is not allowed'],
    ['zzz', 'that is not there'],
    ['acme', 'that may be used'],
    ['constructor', 'by a name of the language'],
  ])('the tool %s, %s, is no reason to step up', async (name) => {
    const response = await ask(messageOf('tools/call', { name, arguments: { q: 'cats' } }))
    expect(response.status).toBe(200)
    await response.text()
  })
})

describe.each(['v1', 'v1f'] as const)('what %s cannot read is left to it', (shelf) => {
  test.each([
    ['no JSON', '{"method":"tools/call"'],
    ['an array of nothing', '[null, 7, []]'],
    ['odd parameters', JSON.stringify({ ...publish, params: ['publish'] })],
    [
      'a URI that is too long',
      JSON.stringify(messageOf('resources/read', { uri: `docs://page/${'x'.repeat(1_010_000)}` })),
    ],
    ['a name that is none', JSON.stringify({ ...publish, params: { name: { a: 1 } } })],
  ])('%s', async (_, body) => {
    const token = await library.auth.token('reader', library.url(shelf))
    await (await post(library.url(shelf), token, messageOf('tools/list', {}))).text()
    const response = await post(library.url(shelf), token, body)
    expect(response.status).toBeLessThan(500)
    expect(response.status).not.toBe(403)
    await response.text()
  })
})

test('a large body is not held for it, and reaches the server whole', async () => {
  const url = library.url('v1f')
  const token = await library.auth.token('reader', url)
  await (await post(url, token, messageOf('tools/list', {}))).text()
  const q = 'x'.repeat(2 * 1024 * 1024)
  const small = await post(
    url,
    token,
    messageOf('tools/call', { name: 'search', arguments: { q: 'x' } }),
  )
  expect(await small.text()).toContain('"text":"x"')
  const search = await post(
    url,
    token,
    messageOf('tools/call', { name: 'search', arguments: { q } }),
  )
  expect(await search.text()).toContain(q)
  // Beyond what is looked at, the tool itself says no.
  const refused = await post(
    url,
    token,
    messageOf('tools/call', { name: 'publish', arguments: { q } }),
  )
  expect(refused.status).toBe(200)
  expect(await refused.text()).toContain('insufficient_scope')
})

test('the first of many messages that needs more is enough', async () => {
  const url = library.url('v1')
  const guard = library.guard('v1')
  createLibraryV1(guard)
  const headers = { Authorization: `Bearer ${await library.auth.token('reader', url)}` }
  const authInfo = await guard.authenticate(new Request(url, { headers }))
  if (authInfo instanceof Response) throw new Error('kept out')
  const list = messageOf('tools/list', {})
  expect(guard.challenge(authInfo, [list, publish])?.status).toBe(403)
  expect(guard.challenge(authInfo, [list])).toBeUndefined()
  const forged = { ...authInfo, extra: { ...authInfo.extra, caller: { ...authInfo.extra.caller } } }
  expect(guard.challenge(forged, publish)).toBeUndefined()
})

test('what differs between two servers, or asks a function, is left to the tool', async () => {
  const url = library.url('v1')
  const guard = protectMcp({ issuer: library.auth.issuer, resource: url, revocation: 'off' })
  const headers = { Authorization: `Bearer ${await library.auth.token('reader', url)}` }
  const authInfo = await guard.authenticate(new Request(url, { headers }))
  if (authInfo instanceof Response) throw new Error('kept out')
  const { McpServer } = await import('@modelcontextprotocol/sdk/server/mcp.js')
  const nothing = () => ({ content: [] })
  const offer = (name: string, rule: object) =>
    guard.tool(new McpServer({ name: 'a', version: '1' }), name, rule, undefined, nothing)
  const asks = (name: string) =>
    guard.challenge(authInfo, messageOf('tools/call', { name, arguments: {} }))?.status
  offer('same', { scope: 'docs:write' })
  offer('same', { scope: 'docs:write' })
  offer('other', { scope: 'docs:write' })
  offer('other', { scope: 'docs:admin' })
  offer('free', { scope: 'docs:write' })
  offer('free', {})
  offer('asked', { scope: 'docs:write', visible: () => true })
  expect(['same', 'other', 'free', 'asked'].map(asks)).toEqual([
    ...[403, undefined, undefined, undefined],
  ])
  await guard.close()
})

/**
 * A machine's provider of the first generation is told of no challenge. This one asks for what the last
 * one said, as the SDK does by itself where a person is asked.
 */
class SteppingV1 extends ProviderV1 {
  wanted: string | undefined
  override prepareTokenRequest(): URLSearchParams {
    const grant_type = 'client_credentials'
    return new URLSearchParams({ grant_type, ...(this.wanted && { scope: this.wanted }) })
  }
}

const clients = [
  { client: 'v1', connect: connectV1, Provider: SteppingV1 },
  { client: 'v2', connect: connectV2, Provider: ProviderV2 },
  { client: 'modern v2', connect: connectModern, Provider: ProviderV2 },
] as const

const [v1, , modern] = clients

/** All pairs of the two generations, and every other way to serve once. */
const pairs: ((typeof clients)[number] & { shelf: Shelf })[] = [
  ...clients.flatMap((one) => (['v1', 'v2'] as const).map((shelf) => ({ ...one, shelf }))),
  { ...v1, shelf: 'v1s' },
  { ...v1, shelf: 'v1f' },
  { ...modern, shelf: 'v2x' },
]

/** A stock client with its stock way to tokens, and how often it asked for what. */
const enter = async (
  { shelf, connect, Provider }: (typeof pairs)[number] & { shelf: Shelf },
  clientId: string,
) => {
  const asked: string[] = []
  const counting: typeof fetch = async (input, init) => {
    const url = input instanceof Request ? input.url : String(input)
    if (init?.method === 'POST') asked.push(new URL(url).pathname)
    const response = await fetch(input, init)
    const scope = /scope="([^"]+)"/.exec(response.headers.get('www-authenticate') ?? '')?.[1]
    if (scope && authProvider instanceof SteppingV1) authProvider.wanted = scope
    return response
  }
  const authProvider = new Provider({
    clientId,
    clientSecret: secretOf(clientId),
    expectedIssuer: library.auth.issuer,
  })
  const client = await connect(library.url(shelf), { authProvider, fetch: counting })
  return { client, authProvider, asked: (path: string) => asked.filter((one) => one === path) }
}

describe.each(pairs)('a $client client at a $shelf server', (pair) => {
  test('steps up when a tool needs it, and keeps what it had', async () => {
    const { client, authProvider, asked } = await enter(pair, 'writer')
    expect((await authProvider.tokens())?.scope).toBe('docs:read')
    expect(textOf(await call(client, 'publish', { q: 'news' }))).toBe('news')
    expect((await authProvider.tokens())?.scope?.split(' ').sort()).toEqual([
      ...['docs:read', 'docs:write'],
    ])
    expect(asked('/token')).toHaveLength(2)
    expect(textOf(await call(client, 'search', { q: 'cats' }))).toBe('cats')
    expect(textOf(await call(client, 'publish', { q: 'more' }))).toBe('more')
    expect(asked('/token')).toHaveLength(2)
    await client.close()
  })

  test('stops when it cannot have more, and goes on with what it has', async () => {
    const { client, asked } = await enter(pair, 'reader')
    const before = asked('/mcp').length
    await expect(call(client, 'publish', { q: 'news' })).rejects.toThrow()
    expect(asked('/mcp').length - before).toBeLessThanOrEqual(3)
    expect(asked('/token').length).toBeLessThanOrEqual(3)
    expect(textOf(await call(client, 'search', { q: 'cats' }))).toBe('cats')
    await client.close()
  })
})

test.each(shelves)(
  'a v1 client of a person is sent to ask for more by a %s server',
  async (shelf) => {
    const url = library.url(shelf)
    const sentTo: URL[] = []
    const tokens = { access_token: await library.auth.token('reader', url), token_type: 'Bearer' }
    const authProvider: OAuthClientProvider = {
      redirectUrl: 'http://127.0.0.1:1/callback',
      clientMetadata: { redirect_uris: ['http://127.0.0.1:1/callback'] },
      clientInformation: () => ({ client_id: 'reader' }),
      tokens: () => tokens,
      saveTokens: () => undefined,
      saveCodeVerifier: () => undefined,
      codeVerifier: () => '',
      redirectToAuthorization: (to) => {
        sentTo.push(to)
      },
    }
    const client = await connectV1(url, { authProvider })
    await expect(call(client, 'publish', { q: 'news' })).rejects.toThrow()
    expect(sentTo.map(({ searchParams }) => searchParams.get('scope'))).toEqual([
      'docs:write docs:read',
    ])
    expect(sentTo[0]?.searchParams.get('resource')).toBe(url)
    await client.close()
  },
)

test('where there can be no 403, the tool says it', async () => {
  const url = library.url('v1')
  const guard = protectMcp({ issuer: library.auth.issuer, resource: url, revocation: 'off' })
  const headers = { Authorization: `Bearer ${await library.auth.token('reader', url)}` }
  const authInfo = await guard.authenticate(new Request(url, { headers }))
  if (authInfo instanceof Response) throw new Error('kept out')
  const tool = guard.tool({ scope: 'docs:write' }, () => ({ content: [] }))
  expect(await tool({ authInfo })).toMatchObject({
    isError: true,
    _meta: {
      [denialKey]: { error: 'insufficient_scope', remediation: 'undisclosed', scope: 'docs:write' },
    },
  })
  await guard.close()
})
