/** What a client does not ask for again and again, and what it does not ask for at all. */
import { createAgent } from '@behalf/client'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { agentAuthProvider } from '../src/client.js'
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

const provider = (more: { maxScope?: string } = {}) => {
  const { issuer } = world.as
  const agent = createAgent({ issuer, clientId: 'agent', clientSecret: secret, now })
  return agentAuthProvider({ agent, resource: world.rs.resource, scope: 'docs:read', now, ...more })
}

const refuse = () => {
  world.as.script.token = () => ({ status: 400, body: { error: 'access_denied' } })
}

const clients = [
  ['v1', connectV1],
  ['v2', connectV2],
] as const

describe.each(clients)('a %s client', (_, connect) => {
  test.each([
    ['with', true],
    ['without', false],
  ])('that is refused a token does not ask for each request, %s our fetch', async (__, isOurs) => {
    refuse()
    const authProvider = provider()
    const options = { authProvider, ...(isOurs && { fetch: authProvider.fetch }) }
    const tries = async (count: number) =>
      Promise.allSettled(Array.from({ length: count }, () => connect(world.rs.resource, options)))
    await tries(1)
    const outcomes = await tries(10)
    expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true)
    // One by the SDK; without our fetch nobody hears what came of it, so there is one more.
    expect(world.as.tokenRequests()).toHaveLength(isOurs ? 1 : 2)
    seconds += 6
    await tries(1)
    expect(world.as.tokenRequests()).toHaveLength(isOurs ? 2 : 3)
  })

  test('whose renewal is refused does not ask again at once', async () => {
    const client = await connect(world.rs.resource, { authProvider: provider() })
    await client.listTools()
    refuse()
    seconds += 301
    for (let call = 0; call < 5; call += 1) await client.listTools().catch(() => undefined)
    expect(world.as.tokenRequests()).toHaveLength(2)
    await client.close()
  })

  test('steps up to what it had and what was asked for, not to all that it may have', async () => {
    world.rs.script.gate = (token) => {
      if (token === undefined) return unauthorized('Bearer scope="docs:read"')
      return token === 'Bearer token-1' ? forbidden('docs:write') : undefined
    }
    const authProvider = provider({ maxScope: 'docs:read docs:write docs:admin' })
    const { fetch } = authProvider
    const client = await connect(world.rs.resource, { authProvider, fetch })
    await client.listTools()
    const scopes = world.as.tokenRequests().map(({ form }) => form.get('scope'))
    expect(scopes).toEqual(['docs:read', 'docs:read docs:write'])
    await client.close()
  })
})
