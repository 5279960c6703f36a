import { readBasicAuthorization } from '@behalf/protocol'
import { describe, expect, test } from 'vitest'
import { createTokenCache } from '../src/token-cache.js'
import { createWorld, json, metadata, refusal, resource, secret } from './stub.js'

const other = 'https://other.example/api'

describe('an agent’s own token', () => {
  test('is asked for with the resource, the scope and HTTP Basic', async () => {
    const world = createWorld()
    const token = await world.agent().token({ resource, scope: 'docs:read' })
    const [call] = world.tokenCalls()
    expect(Object.fromEntries(call?.form ?? [])).toEqual({
      grant_type: 'client_credentials',
      resource,
      scope: 'docs:read',
    })
    expect(readBasicAuthorization(call?.authorization ?? '')?.clientSecret).toBe(secret)
    expect(token.scope).toEqual(['docs:read'])
    expect(token.resource).toBe(resource)
    expect(token.expiresAt).toBe(world.clock.seconds + 300)
  })

  test('can be asked for with the secret in the body', async () => {
    const world = createWorld()
    await world.agent({ authMethod: 'client_secret_post' }).token()
    const [call] = world.tokenCalls()
    expect(call?.authorization).toBeNull()
    expect(call?.form.get('client_secret')).toBe(secret)
    expect(call?.form.has('resource')).toBe(false)
  })

  test('says its limits, what was cut, and its delegation', async () => {
    const world = createWorld()
    const claims = { sub: 'orchestrator', client_id: 'orchestrator', aud: resource }
    const answer = {
      agent_limits: { cost_budget_usd: 50, limit_of_tomorrow: 1 },
      narrowed: { scope: { asked: 'docs:read docs:admin', granted: 'docs:read' } },
    }
    world.on(metadata.token_endpoint, () =>
      world.issue({ ...claims, agent_lineage: ['dlg_1'] }, 'Bearer', 300, answer),
    )
    expect(await world.agent().token()).toMatchObject({
      limits: answer.agent_limits,
      narrowed: answer.narrowed,
      lineage: ['dlg_1'],
      delegationId: 'dlg_1',
    })
  })

  test('that is opaque says nothing of limits and delegations', async () => {
    const world = createWorld()
    world.on(metadata.token_endpoint, () => json({ access_token: 'opaque', token_type: 'bearer' }))
    const { limits, lineage, delegationId, narrowed } = await world.agent().token()
    expect({ limits, lineage, delegationId, narrowed }).toEqual({ limits: {}, lineage: [] })
  })

  test('with limits that are none is refused', async () => {
    const world = createWorld()
    world.on(metadata.token_endpoint, () =>
      json({
        access_token: 'x',
        token_type: 'bearer',
        agent_limits: { requests_per_hour: 'many' },
      }),
    )
    expect(await refusal(world.agent().token())).toMatchObject({
      reason: 'malformed_token_response',
    })
  })

  test('is asked for once, however many wait for it, and so is the metadata', async () => {
    const world = createWorld()
    const agent = world.agent()
    const tokens = await Promise.all(Array.from({ length: 20 }, () => agent.token({ resource })))
    expect(new Set(tokens.map((token) => token.accessToken)).size).toBe(1)
    expect(world.calls).toHaveLength(2)
  })

  test('is shared between spellings of a scope, and never between resources', async () => {
    const world = createWorld()
    const agent = world.agent()
    const one = await agent.token({ resource, scope: 'docs:read docs:write' })
    const same = await agent.token({ resource, scope: ['docs:write', 'docs:read'] })
    const less = await agent.token({ resource, scope: 'docs:read' })
    const elsewhere = await agent.token({ resource: other, scope: 'docs:read docs:write' })
    expect(same).toBe(one)
    expect(less).not.toBe(one)
    expect(elsewhere.accessToken).not.toBe(one.accessToken)
    expect(world.tokenCalls()).toHaveLength(3)
  })

  test('is renewed a tenth of its life or 30 seconds before it expires', async () => {
    const world = createWorld({ lifeSeconds: 100 })
    const agent = world.agent()
    const first = await agent.token()
    world.clock.seconds += 89
    expect(await agent.token()).toBe(first)
    world.clock.seconds += 1
    expect(await agent.token()).not.toBe(first)
  })

  test('is used to its end when the server is away at renewal', async () => {
    const world = createWorld({ lifeSeconds: 100 })
    const agent = world.agent()
    const first = await agent.token()
    world.on(metadata.token_endpoint, () => new Response('busy', { status: 503 }))
    world.clock.seconds += 95
    expect(await agent.token()).toBe(first)
    world.clock.seconds += 5
    expect(await refusal(agent.token())).toMatchObject({
      code: 'temporarily_unavailable',
      reason: 'server_failure',
      status: 503,
    })
  })

  test('is asked for anew after a refusal: a failure is not kept', async () => {
    const world = createWorld()
    const agent = world.agent()
    world.on(metadata.token_endpoint, () => json({ error: 'invalid_client' }, 401))
    expect(await refusal(agent.token())).toMatchObject({
      code: 'invalid_client',
      hint: expect.stringContaining('clientSecret'),
    })
    world.on(metadata.token_endpoint, () => world.issue({ sub: 'x', aud: resource }))
    expect((await agent.token()).accessToken).toBeTruthy()
  })
})

describe('a token response', () => {
  const refuses = async (response: () => Response) => {
    const world = createWorld()
    world.on(metadata.token_endpoint, response)
    return refusal(world.agent().token())
  }

  test('of an unknown token type is refused', async () => {
    const error = await refuses(() => json({ access_token: 'x', token_type: 'mac' }))
    expect(error).toMatchObject({ code: 'server_error', reason: 'unexpected_token_type' })
  })

  test('that is not JSON, not an object, or has a member twice is refused', async () => {
    const twice = '{"access_token":"a","access_token":"b","token_type":"Bearer"}'
    for (const body of ['<html>', '[]', '{}', twice]) {
      const error = await refuses(() => new Response(body))
      expect(error).toMatchObject({ code: 'server_error', reason: 'malformed_token_response' })
    }
  })

  test('of more than 64 KiB is refused', async () => {
    const access_token = 'x'.repeat(70_000)
    const error = await refuses(() => json({ access_token, token_type: 'Bearer' }))
    expect(error).toMatchObject({ reason: 'response_too_large' })
  })

  test('whose token could not be a header is refused without quoting it', async () => {
    const error = await refuses(() => json({ access_token: 'to\nken', token_type: 'Bearer' }))
    expect(error).toMatchObject({ reason: 'malformed_token_response' })
    expect(error.stack).not.toContain('to\nken')
  })

  test('that is an error with status 200 is an error', async () => {
    const error = await refuses(() => json({ error: 'invalid_scope', error_detail: 'why' }))
    expect(error).toMatchObject({ code: 'invalid_scope', reason: 'why' })
  })

  test('without a lifetime is used and not kept', async () => {
    const world = createWorld()
    world.on(metadata.token_endpoint, () => json({ access_token: 'opaque', token_type: 'bearer' }))
    const agent = world.agent()
    await agent.token({ scope: 'a' })
    const token = await agent.token({ scope: 'a' })
    expect(token.scope).toEqual(['a'])
    expect(world.tokenCalls()).toHaveLength(2)
  })
})

describe('a request to the authorization server', () => {
  test('that fails says so, with the cause and without what fetch hung on it', async () => {
    const world = createWorld()
    world.on(metadata.token_endpoint, () => {
      throw Object.assign(new TypeError('fetch failed'), { config: { secret } })
    })
    const error = await refusal(world.agent().token())
    expect(error).toMatchObject({ code: 'temporarily_unavailable', reason: 'network_error' })
    expect(error.cause).toMatchObject({ name: 'TypeError', message: 'fetch failed' })
    expect(error.cause).not.toHaveProperty('config')
    expect(world.tokenCalls()).toHaveLength(1)
  })

  test('that is never answered ends after timeoutMs', async () => {
    const world = createWorld()
    world.on(metadata.token_endpoint, () => new Promise<Response>(() => undefined))
    const error = await refusal(world.agent({ timeoutMs: 5 }).token())
    expect(error).toMatchObject({ code: 'temporarily_unavailable', reason: 'network_error' })
  })
})

test('the cache is bounded and forgets what was used longest ago', async () => {
  const cache = createTokenCache({ now: () => 0, maxEntries: 2 })
  const loads: string[] = []
  const get = (key: string) =>
    cache.get(key, async () => {
      loads.push(key)
      return { accessToken: key, expiresAt: 100 }
    })
  for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) await get(key)
  expect(loads).toEqual(['a', 'b', 'c', 'b'])
})
