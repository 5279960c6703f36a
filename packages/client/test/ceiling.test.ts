/** What other libraries carry for an agent, and how far a resource can make it go. */
import { resourceMetadataUrl } from '@behalf/protocol'
import { beforeEach, describe, expect, test } from 'vitest'
import { discoverResource } from '../src/index.js'
import { createWorld, issuer, json, metadata, refusal, resource, secret } from './stub.js'

let world: ReturnType<typeof createWorld>
beforeEach(() => {
  world = createWorld()
})

const challenge = (text: string, status: number) =>
  json({}, status, { 'www-authenticate': `Bearer ${text}` })

const scopesAsked = () => world.tokenCalls().map(({ form }) => form.get('scope'))

describe('maxScope', () => {
  const learn = `resource_metadata="${resourceMetadataUrl(resource)}", scope="docs:read admin"`
  const serveMetadata = () =>
    world.on(resourceMetadataUrl(resource), () =>
      json({ resource, authorization_servers: [issuer] }),
    )

  test('bounds what a 403 makes the agent ask for', async () => {
    world.on(resource, () => challenge('error="insufficient_scope", scope="docs:write admin"', 403))
    const options = { resource, scope: 'docs:read', maxScope: 'docs:read docs:write' }
    await world.agent().fetch(resource, {}, options)
    expect(scopesAsked()).toEqual(['docs:read', 'docs:read docs:write'])
  })

  test('bounds what a 401 makes it ask for', async () => {
    serveMetadata()
    world.on(resource, () => challenge(learn, 401))
    await world.agent().fetch(resource, {}, { maxScope: 'docs:read docs:write' })
    expect(new Set(scopesAsked())).toEqual(new Set(['docs:read']))
  })

  test('is what is asked for where the challenge asks for nothing that is allowed', async () => {
    serveMetadata()
    world.on(resource, () => challenge(learn.replace('docs:read admin', 'admin'), 401))
    await world.agent().fetch(resource, {}, { maxScope: 'docs:write' })
    await world.agent().fetch(resource, {}, { resource, maxScope: 'docs:write' })
    expect(new Set(scopesAsked())).toEqual(new Set(['docs:write']))
  })

  test('holds what is asked for at first', async () => {
    const options = { resource, scope: 'docs:read admin', maxScope: 'docs:read' }
    const error = await refusal(world.agent().fetch(resource, {}, options))
    expect(error).toBeInstanceOf(TypeError)
  })
})

test('a fetch of one call carries that call, and the token requests go as ever', async () => {
  const carried: string[] = []
  const fetch: typeof world.fetch = (input, init) => {
    carried.push(new Headers(init?.headers).get('authorization') ?? '')
    return world.fetch(input, init)
  }
  await world.agent().fetch(resource, {}, { resource, fetch })
  expect(carried).toHaveLength(1)
  expect(carried[0]).toMatch(/^Bearer /)
})

describe('a token request for another library', () => {
  test('is what would be posted here, and is not posted', async () => {
    const agent = world.agent()
    const request = await agent.tokenRequest({ resource, scope: 'docs:read' })
    expect(world.tokenCalls()).toEqual([])
    expect(request.url).toBe(metadata.token_endpoint)
    await agent.token({ resource, scope: 'docs:read' })
    const [posted] = world.tokenCalls()
    expect(`${request.form}`).toBe(`${posted?.form}`)
    expect(request.headers.authorization).toBe(posted?.authorization)
  })

  test('of an exchange and of a hand-off too', async () => {
    const agent = world.agent()
    const handOff = await agent.delegate({ to: 'researcher', resource })
    const delegated = await world.agent({ clientId: 'researcher' }).accept(handOff)
    const accepted = world.tokenCalls().at(-1)
    expect(`${(await delegated.tokenRequest()).form}`).toBe(`${accepted?.form}`)
    const subjectToken = await agent.token({ resource })
    const { form } = await agent.tokenRequest({ subjectToken, scope: 'docs:read' })
    expect(form.get('subject_token')).toBe(subjectToken.accessToken)
  })

  test('is not made with a hand-off that has ended', async () => {
    const handOff = await world.agent().delegate({ to: 'researcher', resource })
    const delegated = await world.agent({ clientId: 'researcher' }).accept(handOff)
    world.clock.seconds += 700
    expect((await refusal(delegated.tokenRequest())).reason).toBe('delegation_ended')
  })

  test('shows nothing of what it carries', async () => {
    const request = await world.agent({ authMethod: 'client_secret_post' }).tokenRequest()
    expect(request.form.get('client_secret')).toBe(secret)
    expect(JSON.stringify(request)).toBe(JSON.stringify({ url: metadata.token_endpoint }))
  })
})

describe('discoverResource', () => {
  const ask = (options = {}) => discoverResource(resource, { fetch: world.fetch, ...options })
  const own = resourceMetadataUrl(resource)
  const root = 'https://mcp.example/.well-known/oauth-protected-resource'
  const document = { resource, authorization_servers: ['https://one.example', issuer] }

  test('looks where the name of the resource says, then at the root', async () => {
    world.on(own, () => json({}, 404))
    world.on(root, () => json(document))
    expect(await ask({ issuer })).toEqual(document)
    expect(world.calls.map(({ url }) => url)).toEqual([own, root])
  })

  test('refuses metadata of another resource, and of other authorization servers', async () => {
    world.on(own, () => json({ ...document, resource: `${resource}/` }))
    expect((await refusal(ask())).reason).toBe('resource_mismatch')
    world.on(own, () => json({ ...document, authorization_servers: ['https://one.example'] }))
    expect((await refusal(ask({ issuer }))).reason).toBe('authorization_server_mismatch')
    world.on(own, () => new Response(`{"resource":"${resource}","resource":"${resource}"}`))
    world.on(root, () => json({}, 404))
    expect((await refusal(ask())).reason).toBe('metadata_not_found')
  })

  test('tells a server that fails from one that has nothing', async () => {
    world.on(own, () => json({}, 502))
    expect((await refusal(ask())).code).toBe('temporarily_unavailable')
    expect(await refusal(discoverResource('http://mcp.example/mcp'))).toBeInstanceOf(TypeError)
  })
})
