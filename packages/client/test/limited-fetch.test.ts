import { describe, expect, test, vi } from 'vitest'
import { isBudgetError, isRateLimitError } from '../src/index.js'
import { createWorld, json, metadata, refusal, resource, secret } from './stub.js'

const exhausted = { error: 'budget_exhausted', required: '0.04', remaining: '0.01' }

const problem = (body: unknown) => json(body, 402, { 'content-type': 'application/problem+json' })

describe('fetch', () => {
  const refusing = () => {
    const world = createWorld()
    world.on(resource, () => problem(exhausted))
    return world
  }

  test('gives a refusal by a limit back, unless it is told to throw', async () => {
    const world = refusing()
    const response = await world.agent({ resource }).fetch(resource)
    expect(response.status).toBe(402)
    expect(await response.json()).toEqual(exhausted)
  })

  test('throws it where the agent or the call says so; the call has the last word', async () => {
    const world = refusing()
    const throwing = world.agent({ resource, limitErrors: 'throw' })
    expect(isBudgetError(await refusal(throwing.fetch(resource)))).toBe(true)
    expect((await throwing.fetch(resource, {}, { limitErrors: 'return' })).status).toBe(402)
    const thrown = await refusal(
      world.agent({ resource }).fetch(resource, {}, { limitErrors: 'throw' }),
    )
    expect(thrown).toMatchObject({ code: 'budget_exhausted', remaining: '0.01' })
  })

  test('throws it for what was lent as well', async () => {
    const world = refusing()
    const handOff = await world.agent().delegate({ to: 'researcher' })
    const lent = await world.agent({ clientId: 'researcher' }).accept(handOff)
    expect((await lent.fetch(resource)).status).toBe(402)
    const thrown = await refusal(lent.fetch(resource, {}, { limitErrors: 'throw' }))
    expect(isBudgetError(thrown)).toBe(true)
    const researcher = world.agent({ clientId: 'researcher', limitErrors: 'throw' })
    const other = await researcher.accept(handOff)
    expect(isBudgetError(await refusal(other.fetch(resource)))).toBe(true)
    expect((await other.fetch(resource, {}, { limitErrors: 'return' })).status).toBe(402)
  })

  test('throws nothing else, and nothing for a 402 of somebody else', async () => {
    const world = createWorld()
    const agent = world.agent({ resource, limitErrors: 'throw' })
    expect((await agent.fetch(resource)).status).toBe(200)
    world.on(resource, () => problem({ error: 'payment_required' }))
    const response = await agent.fetch(resource)
    expect(await response.json()).toEqual({ error: 'payment_required' })
  })

  test.each([
    ['that is no JSON', 'text/plain', undefined, undefined],
    ['that does not come', 'application/json', undefined, 50],
    ['without end', 'application/json', new Uint8Array(16_384), undefined],
  ])('lets go of a body %s, of what it throws', async (_, type, part, timeoutMs) => {
    const world = createWorld()
    const cancel = vi.fn()
    const pull = (controller: ReadableStreamDefaultController) => {
      if (part) controller.enqueue(part)
    }
    const headers = { 'content-type': type, 'retry-after': '9' }
    world.on(
      resource,
      () => new Response(new ReadableStream({ pull, cancel }), { status: 429, headers }),
    )
    const agent = world.agent({ resource, limitErrors: 'throw', timeoutMs })
    const error = await refusal(agent.fetch(resource))
    expect(error.retryAt).toEqual(new Date((world.clock.seconds + 9) * 1000))
    expect(cancel).toHaveBeenCalledOnce()
  })

  test('throws no credential that the resource quotes', async () => {
    const world = createWorld()
    const agent = world.agent({ resource, limitErrors: 'throw' })
    const { accessToken } = await agent.token()
    world.on(resource, () =>
      problem({ error: 'budget_exhausted', error_detail: accessToken, limited_by: accessToken }),
    )
    const error = await refusal(agent.fetch(resource))
    expect(`${error.stack} ${JSON.stringify(error)}`).not.toContain(accessToken)
  })

  test('takes no other word than return and throw', async () => {
    const world = refusing()
    const limitErrors = 'ignore' as 'throw'
    expect(() => world.agent({ limitErrors })).toThrow(TypeError)
    const wrong = world.agent({ resource }).fetch(resource, {}, { limitErrors })
    expect(await refusal(wrong)).toBeInstanceOf(TypeError)
    const handOff = await world.agent().delegate({ to: 'researcher' })
    const lent = await world.agent({ clientId: 'researcher' }).accept(handOff)
    expect(await refusal(lent.fetch(resource, {}, { limitErrors }))).toBeInstanceOf(TypeError)
    expect(world.to(resource)).toEqual([])
  })
})

describe('a limit of the authorization server', () => {
  test('is told as one, whoever stands before it', async () => {
    const world = createWorld()
    const busy = () => new Response('busy', { status: 429, headers: { 'retry-after': '7' } })
    world.on(metadata.token_endpoint, busy)
    const error = await refusal(world.agent().token())
    expect(error).toMatchObject({ code: 'rate_limited', retryAfterSeconds: 7 })
    expect(error.retryAt).toEqual(new Date((world.clock.seconds + 7) * 1000))
    world.on(metadata.agent_budget_endpoint, busy)
    world.on(`${metadata.agent_budget_endpoint}/budgets/dlg_1`, busy)
    const other = await refusal(world.agent().budget('dlg_1'))
    expect(other.retryAt).toEqual(error.retryAt)
  })

  test('does not make a token worthless that still lives', async () => {
    const world = createWorld()
    const agent = world.agent()
    const own = await agent.token()
    world.clock.seconds += 280
    world.on(metadata.token_endpoint, () => new Response('busy', { status: 429 }))
    expect(await agent.token()).toBe(own)
    world.clock.seconds += 20
    expect(isRateLimitError(await refusal(agent.token()))).toBe(true)
  })

  test('repeats no credential', async () => {
    const world = createWorld()
    world.on(metadata.token_endpoint, () =>
      json({ error: 'rate_limited', limited_by: `agent:${secret}` }, 429),
    )
    const agent = world.agent({ authMethod: 'client_secret_post' })
    const error = await refusal(agent.token())
    expect(`${error.stack} ${JSON.stringify(error)}`).not.toContain(secret)
  })
})
