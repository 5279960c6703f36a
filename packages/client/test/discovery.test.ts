import { metadataUrl } from '@behalf/protocol'
import { describe, expect, test } from 'vitest'
import { createAgent, discover } from '../src/index.js'
import { createWorld, issuer, json, metadata, refusal, secret } from './stub.js'

const evil = 'https://evil.example'

/** A world whose metadata is this, and what asking for a token then throws. */
const withMetadata = async (respond: () => Response) => {
  const world = createWorld()
  world.on(metadataUrl(issuer), respond)
  world.on(`${evil}/token`, () => json({ access_token: 'x', token_type: 'Bearer' }))
  const error = await refusal(world.agent().token())
  return { world, error }
}

describe('metadata', () => {
  test('is kept for five minutes', async () => {
    const world = createWorld()
    const agent = world.agent()
    await agent.token({ scope: 'a' })
    world.clock.seconds += 299
    await agent.token({ scope: 'b' })
    expect(world.to(metadataUrl(issuer))).toHaveLength(1)
    world.clock.seconds += 1
    await agent.token({ scope: 'c' })
    expect(world.to(metadataUrl(issuer))).toHaveLength(2)
  })

  test('that names another issuer is refused, and no credential leaves', async () => {
    const { world, error } = await withMetadata(() =>
      json({ ...metadata, issuer: 'https://honest.example', token_endpoint: `${evil}/token` }),
    )
    expect(error).toMatchObject({ code: 'server_error', reason: 'issuer_mismatch' })
    expect(world.calls.map((call) => call.url)).toEqual([metadataUrl(issuer)])
  })

  test('with __proto__ or a member twice is refused, and no request goes where it points', async () => {
    const hostile = [
      `{"__proto__":{"token_endpoint":"${evil}/token"},"issuer":"${issuer}"}`,
      `{"issuer":"${issuer}","token_endpoint":"${issuer}/token","token_endpoint":"${evil}/token"}`,
    ]
    for (const body of hostile) {
      const { world, error } = await withMetadata(() => new Response(body))
      expect(error).toMatchObject({ reason: 'malformed_metadata' })
      expect(world.to(`${evil}/token`)).toEqual([])
    }
    expect(Object.hasOwn(Object.prototype, 'token_endpoint')).toBe(false)
  })

  test('with a plain http endpoint is refused', async () => {
    const { error } = await withMetadata(() =>
      json({ ...metadata, token_endpoint: 'http://auth.example/token' }),
    )
    expect(error).toMatchObject({ reason: 'insecure_endpoint' })
  })

  test('that redirects is refused', async () => {
    const { world, error } = await withMetadata(() => Response.redirect(`${evil}/metadata`, 302))
    expect(error).toMatchObject({ reason: 'unexpected_redirect' })
    expect(world.calls).toHaveLength(1)
  })

  test('of more than 64 KiB is refused', async () => {
    const { error } = await withMetadata(() => json({ ...metadata, more: 'x'.repeat(70_000) }))
    expect(error).toMatchObject({ reason: 'response_too_large' })
  })

  test('that is not there is told from a server that is away', async () => {
    const missing = await withMetadata(() => new Response('no', { status: 404 }))
    expect(missing.error).toMatchObject({ code: 'server_error', reason: 'metadata_not_found' })
    const away = await withMetadata(() => new Response('no', { status: 502 }))
    expect(away.error).toMatchObject({ code: 'temporarily_unavailable' })
  })

  test('can be read on its own', async () => {
    const { fetch } = createWorld()
    expect(await discover(issuer, { fetch })).toMatchObject(metadata)
  })
})

test('a token endpoint that redirects gets no second request, here or elsewhere', async () => {
  for (const status of [307, 308] as const) {
    const world = createWorld()
    world.on(metadata.token_endpoint, () => Response.redirect(`${evil}/token`, status))
    expect(await refusal(world.agent().token())).toMatchObject({ reason: 'unexpected_redirect' })
    expect(world.to(`${evil}/token`)).toEqual([])
    expect(world.tokenCalls()).toHaveLength(1)
  }
})

test('requests with credentials ask fetch not to follow redirects', async () => {
  const world = createWorld()
  const modes: unknown[] = []
  const agent = world.agent({
    fetch: (input, init) => {
      modes.push(init?.redirect)
      return world.fetch(input, init)
    },
  })
  await agent.revoke(await agent.token())
  expect(modes).toEqual(['manual', 'manual', 'manual'])
})

describe('misuse', () => {
  const options = { issuer, clientId: 'a', clientSecret: secret }

  test('is a TypeError when the agent is made', () => {
    const wrong = [
      { ...options, issuer: '' },
      { ...options, issuer: 'http://auth.example' },
      { ...options, issuer: `${issuer}/` },
      { ...options, clientId: '' },
      { ...options, clientSecret: '' },
      { ...options, resource: 'not a uri' },
      { ...options, timeoutMs: 0 },
    ]
    for (const each of wrong) expect(() => createAgent(each)).toThrow(TypeError)
    expect(() => createAgent({ ...options, issuer: 'http://127.0.0.1:4000' })).not.toThrow()
  })

  test('is a TypeError when something is asked that no server could answer', async () => {
    const agent = createWorld().agent()
    const wrong = [
      agent.token({ resource: 'nowhere' }),
      agent.token({ scope: 'a  b' }),
      agent.delegate({ to: '' }),
      agent.delegate({ to: 'x', limits: { cost_budget_usd: -1 } }),
      agent.delegate({ to: 'x', limits: JSON.parse('{"budget":1}') }),
      discover('http://auth.example'),
    ]
    for (const each of wrong) expect(await refusal(each)).toBeInstanceOf(TypeError)
  })
})
