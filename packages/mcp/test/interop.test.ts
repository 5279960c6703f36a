/** Stock clients of both generations, at stock servers of both generations. */
import { ClientCredentialsProvider as ProviderV2 } from '@modelcontextprotocol/client'
import { ClientCredentialsProvider as ProviderV1 } from '@modelcontextprotocol/sdk/client/auth-extensions.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { secretOf } from './auth-server.js'
import {
  call,
  connectModern,
  connectV1,
  connectV2,
  createWorld,
  generations,
  textOf,
  type World,
  withToken,
} from './world.js'

let world: World
beforeAll(async () => {
  world = await createWorld()
}, 30_000)
afterAll(() => world.stop())

const clients = [
  { client: 'v1', connect: connectV1, Provider: ProviderV1 },
  { client: 'v2', connect: connectV2, Provider: ProviderV2 },
  { client: 'modern v2', connect: connectModern, Provider: ProviderV2 },
] as const

const pairs = clients.flatMap((one) => generations.map((server) => ({ ...one, server })))

describe.each(pairs)('a $client client at a $server server', ({ connect, Provider, server }) => {
  test('brings its identity to the tool', async () => {
    const token = await world.auth.token('reader', world.url(server))
    const client = await connect(world.url(server), withToken(token))
    expect(textOf(await call(client, 'whoami'))).toBe('reader')
    expect(textOf(await call(client, 'search', { q: 'cats' }))).toBe('cats for reader')
    await client.close()
  })

  test('finds its way from the 401 to the issuer and back with a token', async () => {
    const authProvider = new Provider({
      clientId: 'reader',
      clientSecret: secretOf('reader'),
      expectedIssuer: world.auth.issuer,
    })
    const client = await connect(world.url(server), { authProvider })
    expect(textOf(await call(client, 'whoami'))).toBe('reader')
    await client.close()
  })

  test('is kept out with a token for another server', async () => {
    const other = generations.find((generation) => generation !== server) ?? 'v1'
    const token = await world.auth.token('reader', world.url(other))
    await expect(connect(world.url(server), withToken(token))).rejects.toThrow()
  })

  test('reads a refusal as a tool result, even after it has listed the tools', async () => {
    const token = await world.auth.token('reader', world.url(server))
    const client = await connect(world.url(server), withToken(token))
    await client.listTools()
    const answer = await call(client, 'publish')
    expect(answer.isError).toBe(true)
    expect(textOf(answer)).toContain('docs:write')
    await client.close()
  })
})
