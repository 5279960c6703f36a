import { describe, expect, test } from 'vitest'
import { createWorld, issuer, json, metadata, refusal, resource } from './stub.js'

const prmUrl = 'https://mcp.example/.well-known/oauth-protected-resource/mcp'
const prm = { resource, authorization_servers: [issuer] }

const challenge = (params: string) => ({ 'www-authenticate': `Bearer ${params}` })
const unauthorized = (params = `resource_metadata="${prmUrl}"`) => json({}, 401, challenge(params))

type World = ReturnType<typeof createWorld>

/** A resource server that wants a token, and says where to learn of it. */
const guard = (world: World, document: unknown = prm, params?: string) => {
  world.on(prmUrl, () => json(document))
  world.on(resource, (request) =>
    request.headers.has('authorization') ? json({ ok: true }) : unauthorized(params),
  )
}

const scopesAsked = (world: World) => world.tokenCalls().map((call) => call.form.get('scope'))

describe('fetch with a resource', () => {
  test('adds the token, and keeps method, body and headers', async () => {
    const world = createWorld()
    const agent = world.agent({ resource })
    world.on(resource, (request, body) => json([request.method, body, request.headers.get('x-a')]))
    const init = { method: 'POST', body: 'hello', headers: { 'x-a': '1' } }
    const response = await agent.fetch(resource, init)
    expect(await response.json()).toEqual(['POST', 'hello', '1'])
    const { accessToken } = await agent.token()
    expect(world.to(resource)[0]?.authorization).toBe(`Bearer ${accessToken}`)
  })

  test('sends the token to no other origin', async () => {
    const world = createWorld()
    const agent = world.agent({ resource })
    for (const url of ['https://evil.example/mcp', 'https://mcp.example:8443/mcp']) {
      expect(await refusal(agent.fetch(url))).toMatchObject({ reason: 'wrong_origin' })
    }
    const error = await refusal(agent.fetch('http://mcp.example/mcp'))
    expect(error).toMatchObject({ code: 'invalid_target', reason: 'insecure_url' })
    expect(world.calls).toEqual([])
  })

  test('drops a refused token, fetches another once, and hands back the last answer', async () => {
    const world = createWorld()
    const agent = world.agent({ resource })
    world.on(resource, () => unauthorized())
    const response = await agent.fetch(resource)
    expect(response.status).toBe(401)
    const sent = world.to(resource).map((call) => call.authorization)
    expect(new Set(sent).size).toBe(2)
    expect(sent).toHaveLength(2)
  })

  test('succeeds with the second token where only the first was refused', async () => {
    const world = createWorld()
    const agent = world.agent({ resource })
    const { accessToken } = await agent.token()
    world.on(resource, (request) =>
      request.headers.get('authorization') === `Bearer ${accessToken}`
        ? unauthorized()
        : json({ ok: true }),
    )
    expect((await agent.fetch(resource)).status).toBe(200)
    expect(world.tokenCalls()).toHaveLength(2)
  })

  test('does not send a stream twice', async () => {
    const world = createWorld()
    const agent = world.agent({ resource })
    world.on(resource, () => unauthorized())
    const stream = new Blob(['hello']).stream()
    const init = { method: 'POST', body: stream, duplex: 'half' }
    expect((await agent.fetch(resource, init)).status).toBe(401)
    const request = new Request(resource, { method: 'POST', body: 'hello' })
    expect((await agent.fetch(request)).status).toBe(401)
    expect(world.to(resource)).toHaveLength(2)
  })

  test('leaves alone what another origin answers after a redirect', async () => {
    const world = createWorld()
    const agent = world.agent({ resource })
    world.on(resource, () => {
      const response = unauthorized()
      Object.defineProperty(response, 'url', { value: 'https://evil.example/mcp' })
      return response
    })
    expect((await agent.fetch(resource)).status).toBe(401)
    expect(world.to(resource)).toHaveLength(1)
  })
})

describe('fetch that has to learn the resource', () => {
  test('asks without a token, reads the metadata, and asks again with one', async () => {
    const world = createWorld()
    const agent = world.agent()
    guard(world, prm, `scope="docs:read", resource_metadata="${prmUrl}"`)
    expect((await agent.fetch(resource)).status).toBe(200)
    const [call] = world.tokenCalls()
    expect(call?.form.get('resource')).toBe(resource)
    expect(call?.form.get('scope')).toBe('docs:read')
    expect(world.to(resource)).toHaveLength(2)
  })

  test('remembers it for five minutes, for what lies below as well', async () => {
    const world = createWorld()
    const agent = world.agent()
    guard(world)
    world.on(`${resource}/deep`, () => json({ ok: true }))
    await agent.fetch(resource)
    await agent.fetch(`${resource}/deep`)
    expect(world.to(prmUrl)).toHaveLength(1)
    expect(world.to(`${resource}/deep`)[0]?.authorization).toMatch(/^Bearer /)
    world.clock.seconds += 300
    await agent.fetch(resource)
    expect(world.to(prmUrl)).toHaveLength(2)
  })

  test('asks for the scope of the caller rather than that of the challenge', async () => {
    const world = createWorld()
    guard(world, prm, `scope="docs:read docs:admin", resource_metadata="${prmUrl}"`)
    await world.agent().fetch(resource, {}, { scope: 'docs:read' })
    expect(scopesAsked(world)).toEqual(['docs:read'])
  })

  test('hands back a 401 that does not say where to read on', async () => {
    const world = createWorld()
    guard(world, prm, 'realm="x"')
    expect((await world.agent().fetch(resource)).status).toBe(401)
    expect(world.calls).toHaveLength(1)
  })

  test('refuses metadata about another resource before any token is asked for', async () => {
    const others = [
      'https://other.example/mcp',
      'https://mcp.example/other',
      'https://mcp.example/mc',
      'https://mcp.example/mcp/deeper',
      'https://user@mcp.example/mcp',
      'https://mcp.example/mcp?a=1',
      42,
    ]
    for (const other of others) {
      const world = createWorld()
      guard(world, { ...prm, resource: other })
      const error = await refusal(world.agent().fetch(resource))
      expect(error).toMatchObject({ code: 'invalid_target', reason: 'resource_mismatch' })
      expect(world.tokenCalls()).toEqual([])
    }
  })

  test('sends nothing to an authorization server that is not its own', async () => {
    for (const servers of [['https://evil-as.example'], [`${issuer}/`], undefined, issuer]) {
      const world = createWorld()
      guard(world, { ...prm, authorization_servers: servers })
      const error = await refusal(world.agent().fetch(resource))
      expect(error).toMatchObject({
        code: 'invalid_target',
        reason: 'authorization_server_mismatch',
        hint: expect.any(String),
      })
      expect(world.calls.map((call) => call.url)).toEqual([resource, prmUrl])
    }
  })

  test('reads no metadata from another origin or over plain http', async () => {
    for (const url of ['https://evil.example/prm', 'http://mcp.example/prm', 'nonsense']) {
      const world = createWorld()
      guard(world, prm, `resource_metadata="${url}"`)
      const error = await refusal(world.agent().fetch(resource))
      expect(error).toMatchObject({ reason: 'foreign_resource_metadata' })
      expect(world.calls).toHaveLength(1)
    }
  })

  test('refuses metadata that redirects, is missing or is not JSON', async () => {
    const answers = [
      () => Response.redirect('https://evil.example/prm', 302),
      () => json({}, 404),
      () => new Response('<html>'),
    ]
    for (const answer of answers) {
      const world = createWorld()
      guard(world)
      world.on(prmUrl, answer)
      expect(await refusal(world.agent().fetch(resource))).toMatchObject({ code: 'server_error' })
      expect(world.tokenCalls()).toEqual([])
    }
  })

  test('gives up on endless 401s after three attempts', async () => {
    const world = createWorld()
    world.on(prmUrl, () => json(prm))
    world.on(resource, () => unauthorized())
    expect((await world.agent().fetch(resource)).status).toBe(401)
    expect(world.to(resource)).toHaveLength(3)
  })
})

describe('fetch that lacks scope', () => {
  const lacking = (scope: string) => () =>
    json({}, 403, challenge(`error="insufficient_scope", scope="${scope}"`))

  test('asks once for what it had and what is needed', async () => {
    const world = createWorld()
    const agent = world.agent({ resource })
    let times = 0
    world.on(resource, () => {
      times += 1
      return times === 1 ? lacking('docs:write')() : json({ ok: true })
    })
    const response = await agent.fetch(resource, {}, { scope: 'docs:read' })
    expect(response.status).toBe(200)
    expect(scopesAsked(world)).toEqual(['docs:read', 'docs:read docs:write'])
  })

  test('gives up on endless challenges, even for ever more scope', async () => {
    const world = createWorld()
    const agent = world.agent({ resource })
    let times = 0
    world.on(resource, () => {
      times += 1
      return lacking(`docs:${times}`)()
    })
    expect((await agent.fetch(resource, {}, { scope: 'docs:read' })).status).toBe(403)
    expect(times).toBe(2)
  })

  test('makes three attempts at most where 401 and 403 alternate', async () => {
    const world = createWorld()
    world.on(prmUrl, () => json(prm))
    let times = 0
    world.on(resource, () => {
      times += 1
      return times % 2 === 1 ? unauthorized() : lacking(`docs:${times}`)()
    })
    await world.agent().fetch(resource)
    expect(times).toBe(3)
  })

  test('hands back the 403 when the new token has no more scope, or there is none', async () => {
    const answers = [
      () => json({ error: 'invalid_scope' }, 400),
      (world: World) => world.issue({ sub: 'a', aud: resource, scope: 'docs:read' }),
    ]
    for (const answer of answers) {
      const world = createWorld()
      const agent = world.agent({ resource })
      await agent.token({ scope: 'docs:read' })
      world.on(metadata.token_endpoint, () => answer(world))
      world.on(resource, lacking('docs:write'))
      const response = await agent.fetch(resource, {}, { scope: 'docs:read' })
      expect(response.status).toBe(403)
      expect(response.bodyUsed).toBe(false)
      expect(world.to(resource)).toHaveLength(1)
    }
  })

  test('does not ask again for scope that it has, or when none is named', async () => {
    const world = createWorld()
    const agent = world.agent({ resource })
    world.on(resource, lacking('docs:read'))
    await agent.fetch(resource, {}, { scope: 'docs:read' })
    world.on(resource, () => json({}, 403))
    await agent.fetch(resource, {}, { scope: 'docs:read' })
    expect(world.tokenCalls()).toHaveLength(1)
  })

  test('remembers what a learned resource needed', async () => {
    const world = createWorld()
    const agent = world.agent()
    guard(world, prm, `scope="docs:read", resource_metadata="${prmUrl}"`)
    await agent.fetch(resource)
    let times = 0
    world.on(resource, () => {
      times += 1
      return times === 1 ? lacking('docs:write')() : json({ ok: true })
    })
    await agent.fetch(resource)
    await agent.fetch(resource)
    expect(times).toBe(3)
    expect(scopesAsked(world)).toEqual(['docs:read', 'docs:read docs:write'])
  })
})
