/** What the guard refuses to be made of, and what it says to everybody. Nothing here is online. */
import { createVerifier, OAuthError, type Verifier } from '@behalf/verifier'
import { expect, test } from 'vitest'
import { type ProtectMcpOptions, protectMcp } from '../src/server.js'

const options = { issuer: 'https://auth.example', resource: 'https://api.example/docs/mcp' }
const make = (more: Partial<Record<keyof ProtectMcpOptions, unknown>> = {}) =>
  protectMcp({ ...options, ...more } as ProtectMcpOptions)

test.each([
  ['nothing', undefined, /missing/],
  ['an empty text', '', /missing/],
  ['a path', '/mcp', /absolute/],
  ['a host', 'api.example/mcp', /absolute/],
  ['http on the internet', 'http://api.example/mcp', /https/],
  ['another scheme', 'urn:example:mcp', /https/],
  ['a user in it', 'https://me:secret@api.example/mcp', /https/],
  ['a fragment', 'https://api.example/mcp#tools', /fragment/],
  ['an empty fragment', 'https://api.example/mcp#', /fragment/],
  ['an origin with a slash', 'https://api.example/', /written "https:\/\/api.example"/],
  ['capitals', 'HTTPS://API.example/mcp', /written "https:\/\/api.example\/mcp"/],
  ['the default port', 'https://api.example:443/mcp', /written "https:\/\/api.example\/mcp"/],
  ['dots', 'https://api.example/a/../mcp', /written "https:\/\/api.example\/mcp"/],
])('a resource may not be %s', (_, resource, problem) => {
  expect(() => make({ resource })).toThrow(TypeError)
  expect(() => make({ resource })).toThrow(problem)
})

test.each(['https://api.example', 'https://api.example/mcp/', 'http://127.0.0.1:4100/mcp'])(
  'a resource may be %s',
  (resource) => expect(make({ resource }).resourceUrl).toBe(resource),
)

test.each([
  ['no issuer', { issuer: undefined }],
  ['an issuer with a slash', { issuer: 'https://auth.example/' }],
  ['an issuer on http', { issuer: 'http://auth.example' }],
  ['scopes that are none', { scopes: ['docs read', ''] }],
  ['scopes with a quote', { scopes: ['docs"read'] }],
  ['a name that is none', { resourceName: '' }],
  ['an origin with a path', { allowedOrigins: ['https://app.example/'] }],
  ['any origin', { allowedOrigins: ['*'] }],
  ['half a budget', { budget: { clientId: 'docs-server' } }],
  ['half a client', { client: { clientId: 'docs-server' } }],
  ['a client without a secret', { client: { clientId: 'docs-server', clientSecret: '' } }],
  ['a scope that no resource has', { scopes: 'docs:read offline_access' }],
  ['a host with a scheme', { allowedHosts: ['https://api.example'] }],
  ['a host with a path', { allowedHosts: ['api.example/mcp'] }],
  ['a host with a user', { allowedHosts: ['me@api.example'] }],
  ['any host, in another way', { allowedHosts: ['*'] }],
  ['no hosts at all', { allowedHosts: [] }],
  ['cors that is no answer', { cors: 'yes' }],
])('refuses %s', (_, more) => {
  expect(() => make(more)).toThrow(TypeError)
})

test('refuses a word that it does not know, and says which there are', () => {
  const misspelt: object = { scope: 'docs:read' }
  expect(() => make(misspelt)).toThrow(/unknown option "scope".*\bscopes\b/)
})

test('says in the words of this package which credentials are none', () => {
  expect(() => make({ client: { clientId: 'docs-server' } })).toThrow(/protectMcp: client/)
})

const result = () => ({ content: [] })

test.each([
  ['a cost without an action', { cost: '0.04' }],
  ['a cost that is a number', { action: 'docs.search', cost: 0.04 }],
  ['a negative cost', { action: 'docs.search', cost: '-1' }],
  ['a cost too fine', { action: 'docs.search', cost: '0.0000001' }],
  ['a most without a meter', { action: 'docs.search', cost: { max: '1' } }],
  ['a meter without a most', { action: 'docs.search', cost: { actual: () => '1' } }],
  ['no cost where one was meant', { action: 'docs.search', cost: null }],
  ['an action that is a pattern', { action: 'docs.*' }],
  ['a scope that is none', { scope: 'docs\nread' }],
  ['a time that is none', { action: 'docs.search', cost: '1', ttlSeconds: 0.5 }],
])('a tool may not have %s', (_, tool) => {
  expect(() => make().tool(tool as never, result)).toThrow(TypeError)
})

test('the guard cannot be changed', () => {
  expect(Object.isFrozen(make())).toBe(true)
})

const pathAware = '/.well-known/oauth-protected-resource/docs/mcp'
const atRoot = '/.well-known/oauth-protected-resource'

test.each([pathAware, atRoot])('%s is the document, whatever the Host', async (path) => {
  const guard = make({ scopes: 'docs:read docs:write', resourceName: 'Docs' })
  const request = new Request(`http://evil.example${path}?x=1`, {
    headers: { Host: 'evil.example' },
  })
  const response = guard.metadata(request)
  expect(response?.status).toBe(200)
  expect(response?.headers.get('content-type')).toBe('application/json')
  expect(response?.headers.get('cache-control')).toMatch(/max-age=\d+/)
  expect(response?.headers.get('access-control-allow-origin')).toBe('*')
  expect(await response?.json()).toEqual({
    resource: options.resource,
    authorization_servers: [options.issuer],
    scopes_supported: ['docs:read', 'docs:write'],
    bearer_methods_supported: ['header'],
    resource_name: 'Docs',
  })
})

test('a browser may ask first, others may only read', () => {
  const guard = make()
  const at = (method: string) =>
    guard.metadata(new Request(`https://api.example${pathAware}`, { method }))
  expect(at('OPTIONS')?.status).toBe(204)
  expect(at('OPTIONS')?.headers.get('access-control-allow-headers')).toMatch(
    /MCP-Protocol-Version/i,
  )
  expect(at('HEAD')?.status).toBe(200)
  expect(at('HEAD')?.body).toBeNull()
  expect(at('POST')?.status).toBe(405)
  expect(at('POST')?.headers.get('allow')).toBe('GET, HEAD, OPTIONS')
})

test.each(['/docs/mcp', '/', '/.well-known/oauth-protected-resource/', `${atRoot}/docs`])(
  '%s is not the document',
  (path) => expect(make().metadata(new Request(`https://api.example${path}`))).toBeUndefined(),
)

test('a resource that is an origin has one location', () => {
  const guard = make({ resource: 'https://api.example' })
  expect(guard.resourceMetadataUrl).toBe(`https://api.example${atRoot}`)
})

const statusFrom = async (origin: string, more: Partial<ProtectMcpOptions> = {}) => {
  const headers = { Origin: origin }
  const place = more.resource ?? options.resource
  const answer = await make(more).authenticate(new Request(place, { headers }))
  return answer instanceof Response ? answer.status : 200
}

test('a page may call from its own site, from listed ones, and on loopback from loopback', async () => {
  const local = { resource: 'http://localhost:4100/mcp' }
  const listed = { allowedOrigins: ['https://app.example'] }
  // 401 is past the check of the origin: there is no token.
  expect(await statusFrom('https://api.example')).toBe(401)
  expect(await statusFrom('https://app.example')).toBe(403)
  expect(await statusFrom('http://localhost:6274')).toBe(403)
  expect(await statusFrom('https://api.example.evil.example')).toBe(403)
  expect(await statusFrom('null')).toBe(403)
  expect(await statusFrom('https://app.example', listed)).toBe(401)
  expect(await statusFrom('https://api.example', listed)).toBe(403)
  expect(await statusFrom('http://127.0.0.1:6274', local)).toBe(401)
  expect(await statusFrom('http://localhost.evil.example', local)).toBe(403)
  expect(await statusFrom('http://localhost:6274', { ...local, ...listed })).toBe(403)
})

const statusAt = async (host: string, more: Partial<ProtectMcpOptions> = {}) => {
  const request = new Request(more.resource ?? options.resource, { headers: { Host: host } })
  const answer = await make(more).authenticate(request)
  return answer instanceof Response ? answer.status : 200
}

test('a server is called by its own name, by listed ones, and on loopback by those of loopback', async () => {
  const local = { resource: 'http://localhost:4100/mcp' }
  const listed = { allowedHosts: ['mcp.internal:3000', 'MCP.internal'] }
  // 401 is past the check of the host: there is no token.
  expect(await statusAt('api.example')).toBe(401)
  expect(await statusAt('API.example:443')).toBe(401)
  expect(await statusAt('api.example:8443')).toBe(403)
  expect(await statusAt('evil.example')).toBe(403)
  expect(await statusAt('api.example.evil.example')).toBe(403)
  expect(await statusAt('api.example@evil.example')).toBe(403)
  expect(await statusAt('api.example, evil.example')).toBe(403)
  expect(await statusAt('api.example/evil')).toBe(403)
  expect(await statusAt('localhost:4100')).toBe(403)
  expect(await statusAt('127.0.0.1:9', local)).toBe(401)
  expect(await statusAt('[::1]:9', local)).toBe(401)
  expect(await statusAt('evil.example:4100', local)).toBe(403)
  expect(await statusAt('localhost.evil.example', local)).toBe(403)
  expect(await statusAt('mcp.internal:3000', listed)).toBe(401)
  expect(await statusAt('mcp.internal', listed)).toBe(401)
  expect(await statusAt('api.example', listed)).toBe(403)
  expect(await statusAt('127.0.0.1:9', { ...local, ...listed })).toBe(403)
  expect(await statusAt('evil.example', { allowedHosts: 'any' })).toBe(401)
})

const asPage = async (
  method: string,
  headers: Record<string, string>,
  more: Partial<ProtectMcpOptions> = {},
) => {
  const pages = { allowedOrigins: ['https://app.example'], scopes: 'docs:read', ...more }
  const answer = await make(pages).authenticate(new Request(options.resource, { method, headers }))
  if (answer instanceof Response) return answer
  throw new Error('let in')
}

const preflight = {
  Origin: 'https://app.example',
  'Access-Control-Request-Method': 'POST',
  'Access-Control-Request-Headers': 'authorization,content-type,mcp-protocol-version',
}

test('a browser that asks first needs no token, if its page may call', async () => {
  const answer = await asPage('OPTIONS', preflight)
  expect(answer.status).toBe(204)
  expect(answer.headers.get('access-control-allow-origin')).toBe('https://app.example')
  expect(answer.headers.get('access-control-allow-methods')).toContain('DELETE')
  expect(answer.headers.get('vary')).toBe('Origin')
  const allowed = answer.headers.get('access-control-allow-headers')?.toLowerCase().split(', ')
  for (const name of ['authorization', 'content-type', 'mcp-session-id', 'mcp-protocol-version']) {
    expect(allowed).toContain(name)
  }
  expect(answer.headers.get('access-control-allow-credentials')).toBeNull()
})

test('no other page is told that it may, and what is no preflight needs a token', async () => {
  const foreign = await asPage('OPTIONS', { ...preflight, Origin: 'https://evil.example' })
  expect(foreign.status).toBe(403)
  expect(foreign.headers.get('access-control-allow-origin')).toBeNull()
  expect((await asPage('OPTIONS', { Origin: preflight.Origin })).status).toBe(401)
  expect((await asPage('POST', preflight)).status).toBe(401)
  const { Origin: _, ...withoutOrigin } = preflight
  expect((await asPage('OPTIONS', withoutOrigin)).status).toBe(401)
  expect((await asPage('OPTIONS', preflight, { cors: false })).status).toBe(401)
})

test('a page that may call can read the challenge', async () => {
  const { headers, status } = await asPage('POST', { Origin: 'https://app.example' })
  expect(status).toBe(401)
  expect(headers.get('access-control-allow-origin')).toBe('https://app.example')
  expect(headers.get('access-control-expose-headers')).toContain('WWW-Authenticate')
  expect(headers.get('vary')).toBe('Origin')
  const bare = await asPage('POST', { Origin: 'https://app.example' }, { cors: false })
  expect(bare.headers.get('access-control-allow-origin')).toBeNull()
  expect((await asPage('POST', {})).headers.get('access-control-allow-origin')).toBeNull()
})

test('the 401 of a route names the scopes of the guard and its own, each once', async () => {
  const guard = make({ scopes: 'docs:read' })
  const scope = ['docs:write', 'docs:read']
  const answer = await guard.authenticate(new Request(options.resource), { scope })
  if (!(answer instanceof Response)) throw new Error('let in')
  expect(answer.headers.get('www-authenticate')).toContain('scope="docs:read docs:write"')
})

test('a scope that is none is found where the route is made', () => {
  expect(() => make().express({ scope: 'docs"read' })).toThrow(TypeError)
  expect(() => make().require()).toThrow(TypeError)
  expect(() => make().require('docs read ')).toThrow(TypeError)
})

test('the middleware takes what Node gives it, however odd', async () => {
  const middleware = make().express()
  const ask = async (request: object) => {
    const response = { statusCode: 0, setHeader: () => {}, end: () => {} }
    await middleware(request as never, response, () => {
      throw new Error('let in')
    })
    return response.statusCode
  }
  expect(await ask({ method: 'TRACE', url: '//', headers: {} })).toBe(401)
  expect(await ask({ method: 'GET', url: '*', headers: { ':authority': 'x' } })).toBe(403)
  expect(await ask({ method: 'GET', url: '*', headers: { ':authority': 'api.example' } })).toBe(401)
  expect(await ask({ url: 'http://evil.example/mcp', headers: {} })).toBe(401)
  expect(await ask({ originalUrl: pathAware, url: '/', method: 'GET', headers: {} })).toBe(200)
  expect(await ask({ method: 'GET', url: `http://evil.example${atRoot}`, headers: {} })).toBe(200)
})

/** A guard with a verifier that only notes what it is shown, and then throws. */
const makeWith = (error: Error) => {
  const shown: (string | null)[] = []
  const verify: Verifier['verify'] = async (input) => {
    if (typeof input !== 'string') shown.push(input.headers.get('authorization'))
    throw error
  }
  const rest = createVerifier({ issuer: options.issuer, audience: options.resource })
  return { guard: make({ verifier: { ...rest, verify } }), shown }
}

test('a second Authorization header, which Node drops in silence, is not dropped', async () => {
  const { guard, shown } = makeWith(new OAuthError('invalid_token'))
  const request = {
    ...{ method: 'GET', url: '/docs/mcp', headers: { authorization: 'Bearer a' } },
    headersDistinct: { authorization: ['Bearer a', 'Bearer b'] },
  }
  await guard.express()(request, { statusCode: 0, setHeader: () => {}, end: () => {} }, () => {})
  expect(shown).toEqual(['Bearer a, Bearer b'])
})

test.each([new Error('a bug of ours'), new OAuthError('server_error', { reason: 'a_bug' })])(
  'our own trouble is a 503 that says nothing of it',
  async (error) => {
    const answer = await makeWith(error).guard.authenticate(new Request(options.resource))
    if (!(answer instanceof Response)) throw new Error('let in')
    expect(answer.status).toBe(503)
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await answer.text()).not.toMatch(/bug/)
  },
)
