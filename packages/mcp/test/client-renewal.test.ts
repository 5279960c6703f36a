/** One token for all who wait for it, renewed before it expires, under a lock that others may hold. */
import { createAgent } from '@behalf/client'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { agentAuthProvider, type Lock } from '../src/client.js'
import { forbidden, type Scripted, secret, startScripted, unauthorized } from './scripted.js'
import { connectV1, connectV2 } from './world.js'

let world: Scripted
let seconds: number
beforeEach(async () => {
  world = await startScripted()
  seconds = 1_800_000_000
})
afterEach(() => world.stop())

const now = () => seconds * 1000

const clockedProvider = (more: { lock?: Lock; scope?: string; maxScope?: string } = {}) => {
  const { issuer } = world.as
  const agent = createAgent({ issuer, clientId: 'agent', clientSecret: secret, now })
  return agentAuthProvider({ agent, resource: world.rs.resource, scope: 'docs:read', now, ...more })
}

const connects = [connectV1, connectV2]

test.each(connects)(
  'many calls at once, near the end of a token, ask once (%#)',
  async (connect) => {
    const client = await connect(world.rs.resource, { authProvider: clockedProvider() })
    await client.listTools()
    expect(world.as.tokenRequests()).toHaveLength(1)
    seconds += 280
    await Promise.all(Array.from({ length: 20 }, () => client.listTools()))
    expect(world.as.tokenRequests()).toHaveLength(2)
    expect(world.rs.authorizations().at(-1)).toBe('Bearer token-2')
    await client.close()
  },
)

test.each(connects)('many calls at once whose token was refused ask once (%#)', async (connect) => {
  const provider = clockedProvider()
  const { fetch } = provider
  const clients = await Promise.all(
    Array.from({ length: 6 }, () => connect(world.rs.resource, { authProvider: provider, fetch })),
  )
  expect(world.as.tokenRequests()).toHaveLength(1)
  world.rs.script.gate = (token) =>
    token === 'Bearer token-2' ? undefined : unauthorized('Bearer scope="docs:read"')
  await Promise.all(clients.map((client) => client.listTools()))
  expect(world.as.tokenRequests()).toHaveLength(2)
  for (const client of clients) await client.close()
})

test.each(connects)(
  'a late refusal of the token before asks for no other (%#)',
  async (connect) => {
    const provider = clockedProvider()
    let isLate = false
    let release = () => {}
    const late = new Promise<void>((resolve) => {
      release = resolve
    })
    const fetch = async (url: string | URL, init?: RequestInit) => {
      const response = await provider.fetch(url, init)
      if (isLate && response.status === 401 && init?.method === 'POST') {
        isLate = false
        await late
      }
      return response
    }
    const connectOne = () => connect(world.rs.resource, { authProvider: provider, fetch })
    const [slow, quick] = [await connectOne(), await connectOne()]
    world.rs.script.gate = (token) =>
      token === 'Bearer token-2' ? undefined : unauthorized('Bearer scope="docs:read"')
    isLate = true
    const slowly = slow.listTools()
    await expect.poll(() => isLate).toBe(false)
    await quick.listTools()
    await quick.listTools()
    release()
    await slowly
    expect(world.as.tokenRequests()).toHaveLength(2)
    await Promise.all([slow.close(), quick.close()])
  },
)

test.each(connects)(
  'the first token and the one after a 401 hold the lock (%#)',
  async (connect) => {
    const held: number[] = []
    const lock: Lock = async (_, run) => {
      const before = world.as.tokenRequests().length
      const result = await run()
      held.push(world.as.tokenRequests().length - before)
      return result
    }
    const authProvider = clockedProvider({ lock })
    const client = await connect(world.rs.resource, { authProvider, fetch: authProvider.fetch })
    expect(held).toEqual([1])
    world.rs.script.gate = (token) =>
      token === 'Bearer token-2' ? undefined : unauthorized('Bearer scope="docs:read"')
    await client.listTools()
    expect(held).toEqual([1, 1])
    await client.close()
  },
)

test('a renewal holds the lock, which bears the name of issuer, client and server', async () => {
  const names: string[] = []
  const held: string[] = []
  const lock: Lock = async (name, run) => {
    names.push(name)
    const before = world.as.tokenRequests().length
    const result = await run()
    held.push(`${world.as.tokenRequests().length - before} request`)
    return result
  }
  const client = await connectV2(world.rs.resource, { authProvider: clockedProvider({ lock }) })
  seconds += 280
  await Promise.all([client.listTools(), client.listTools()])
  expect(names).toEqual([`behalf:${world.as.issuer}:agent:${world.rs.resource}`])
  expect(held).toEqual(['1 request'])
  await client.close()
})

test('a server that is briefly away does not end a token that still lives', async () => {
  const client = await connectV2(world.rs.resource, { authProvider: clockedProvider() })
  world.as.script.token = () => ({ status: 503, body: {} })
  seconds += 280
  expect((await client.listTools()).tools).toHaveLength(1)
  seconds += 30
  await expect(client.listTools()).rejects.toMatchObject({ code: 'temporarily_unavailable' })
  await client.close()
})

test('a renewal asks for what was had, a step-up with it', async () => {
  world.rs.script.gate = (token) => {
    if (token === undefined) return unauthorized('Bearer scope="docs:read"')
    return token === 'Bearer token-1' ? forbidden('docs:write') : undefined
  }
  const authProvider = clockedProvider({ maxScope: 'docs:read docs:write' })
  const client = await connectV2(world.rs.resource, { authProvider })
  seconds += 280
  await client.listTools()
  const scopes = world.as.tokenRequests().map(({ form }) => form.get('scope'))
  expect(scopes).toEqual(['docs:read', 'docs:read docs:write', 'docs:read docs:write'])
  await client.close()
})

test('a renewal asks for what was given, where that was less than asked', async () => {
  const { token } = world.as.script
  world.as.script.token = () => token(new URLSearchParams({ scope: 'docs:read' }))
  const authProvider = clockedProvider({ scope: 'docs:read docs:write' })
  const client = await connectV2(world.rs.resource, { authProvider })
  seconds += 280
  await client.listTools()
  const scopes = world.as.tokenRequests().map(({ form }) => form.get('scope'))
  expect(scopes).toEqual(['docs:read docs:write', 'docs:read'])
  await client.close()
})

test('a step-up that the server refuses leaves the token as it was', async () => {
  const { token } = world.as.script
  world.rs.script.gate = (authorization) =>
    authorization === undefined ? unauthorized('Bearer scope="docs:read"') : undefined
  const authProvider = clockedProvider({ maxScope: 'docs:read docs:write' })
  const client = await connectV2(world.rs.resource, { authProvider })
  world.rs.script.gate = () => forbidden('docs:write')
  world.as.script.token = () => ({ status: 400, body: { error: 'invalid_scope' } })
  await expect(client.listTools()).rejects.toThrow()
  world.rs.script.gate = () => undefined
  world.as.script.token = token
  seconds += 280
  await client.listTools()
  expect(world.as.tokenRequests().at(-1)?.form.get('scope')).toBe('docs:read')
  await client.close()
})

test('transports that share a provider ask once it is known, and never before', async () => {
  const authProvider = clockedProvider()
  const first = await connectV1(world.rs.resource, { authProvider })
  const second = await connectV2(world.rs.resource, { authProvider })
  expect(world.as.tokenRequests()).toHaveLength(1)
  expect(world.rs.authorizations()[0]).toBeUndefined()
  await Promise.all([first.close(), second.close()])
})

test('a hand-off in place of a token is refused', async () => {
  world.as.script.token = () => ({ body: { access_token: 'hand-off', token_type: 'N_A' } })
  const connecting = connectV2(world.rs.resource, { authProvider: clockedProvider() })
  await expect(connecting).rejects.toMatchObject({ reason: 'unexpected_token_type' })
})

test('options that could never work are refused at once', () => {
  const { agent, rs } = world
  const { resource } = rs
  const make = (more: object) => () => agentAuthProvider({ agent, resource, ...more })
  expect(make({ expectedIssuer: 'https://other.example' })).toThrow(TypeError)
  expect(make({ expectedIssuer: agent.issuer })).not.toThrow()
  expect(make({ scope: 'docs:read admin', maxScope: 'docs:read' })).toThrow(TypeError)
  expect(make({ scope: '' })).toThrow(TypeError)
  expect(make({ resource: 'docs' })).toThrow(TypeError)
})
