/** Tools with a scope, an action and a cost, on the real ledger. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { budgetKey, denialKey, protectMcp } from '../src/server.js'
import {
  type Answer,
  type AnyClient,
  call,
  connectModern,
  connectV1,
  createWorld,
  optionsFor,
  textOf,
  type World,
  withToken,
} from './world.js'

let world: World
beforeAll(async () => {
  world = await createWorld({ crowd: 12 })
}, 30_000)
afterAll(() => world.stop())

const denialIn = ({ _meta }: Answer) => _meta?.[denialKey]
const budgetIn = ({ _meta }: Answer) => _meta?.[budgetKey]

const generations = [
  { generation: 'v1', connect: connectV1, spender: 'spender', saver: 'saver' },
  { generation: 'v2', connect: connectModern, spender: 'spender-2', saver: 'saver-2' },
] as const

describe.each(generations)('on a $generation server', ({ generation, connect, spender, saver }) => {
  let client: AnyClient
  const as = async (clientId: string): Promise<AnyClient> => {
    const token = await world.auth.token(clientId, world.url(generation))
    client = await connect(world.url(generation), withToken(token))
    return client
  }

  test('a paid tool is sold while the budget lasts, and a free one for ever', async () => {
    await as(spender)
    const first = await call(client, 'search', { q: 'cats' })
    expect(textOf(first)).toBe(`cats for ${spender}`)
    expect(budgetIn(first)).toEqual({
      action: 'docs.search',
      cost_usd: '0.04',
      remaining_usd: '0.06',
    })
    const second = await call(client, 'search', { q: 'dogs' })
    expect(budgetIn(second)).toMatchObject({ remaining_usd: '0.02' })

    const third = await call(client, 'search', { q: 'birds' })
    expect(third.isError).toBe(true)
    expect(textOf(third)).toMatch(/^insufficient_budget: .*needs 0\.04 USD, and 0\.02 USD are left/)
    expect(denialIn(third)).toEqual({
      reason: 'insufficient_authorization',
      remediation: 'unavailable',
      error: 'insufficient_budget',
      error_detail: 'insufficient_budget',
      required: '0.04',
      remaining: '0.02',
      limited_by: expect.any(String),
    })
    expect(third.structuredContent).toBeUndefined()

    const last = await call(client, 'pages', { count: 2 })
    expect(budgetIn(last)).toMatchObject({ cost_usd: '0.02', remaining_usd: '0' })
    expect(denialIn(await call(client, 'pages', { count: 1 }))).toMatchObject({
      error: 'budget_exhausted',
    })
    for (let count = 0; count < 5; count += 1) {
      const free = await call(client, 'whoami')
      expect(textOf(free)).toBe(spender)
      expect(budgetIn(free)).toBeUndefined()
    }
    await client.close()
  })

  test('a tool that fails, by throwing or by saying so, has cost nothing', async () => {
    await as(saver)
    const broken = await call(client, 'broken')
    expect(broken.isError).toBe(true)
    expect(textOf(broken)).toBe('the tool broke')
    const unlucky = await call(client, 'unlucky')
    expect(textOf(unlucky)).toBe('no luck')
    expect(budgetIn(unlucky)).toMatchObject({ cost_usd: '0', remaining_usd: '0.1' })
    await client.close()
  })

  test('a metered tool holds the most and charges what it used', async () => {
    await as(saver)
    const measured = await call(client, 'measured', { used: '0.0125' })
    expect(budgetIn(measured)).toMatchObject({ cost_usd: '0.0125', remaining_usd: '0.0875' })
    const beyond = await call(client, 'measured', { used: '7' })
    expect(budgetIn(beyond)).toMatchObject({ cost_usd: '0.05', remaining_usd: '0.0375' })
    expect(denialIn(await call(client, 'measured', { used: '0' }))).toMatchObject({
      error: 'insufficient_budget',
      required: '0.05',
    })
    await client.close()
  })

  test('a meter that breaks does not make the work free', async () => {
    await as(`agent-${generation === 'v1' ? 0 : 1}`)
    for (const used of ['broken', 'nothing at all']) {
      expect((await call(client, 'measured', { used })).isError).toBe(true)
    }
    expect(denialIn(await call(client, 'measured', { used: '0' }))).toMatchObject({
      error: 'budget_exhausted',
    })
    await client.close()
  })

  test('many calls at once never spend more than there is', async () => {
    await as(`agent-${generation === 'v1' ? 2 : 3}`)
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => call(client, 'search', { q: 'cats' })),
    )
    expect(answers.filter(({ isError }) => !isError)).toHaveLength(2)
    await client.close()
  })

  test('an agent without the scope or the action is told so, and nothing runs', async () => {
    await as('reader')
    const publish = await call(client, 'publish')
    expect(textOf(publish)).toBe('insufficient_scope: The token lacks the scope "docs:write".')
    expect(denialIn(publish)).toMatchObject({
      remediation: 'undisclosed',
      error: 'insufficient_scope',
      scope: 'docs:write',
    })
    await as(spender)
    const mail = await call(client, 'mail')
    expect(mail.isError).toBe(true)
    expect(denialIn(mail)).toMatchObject({ error: 'action_not_allowed', action: 'mail.send' })
    await client.close()
  })
})

const sold = () => ({ content: [{ type: 'text' as const, text: 'sold' }] })

/** A guard with its own way to the issuer, and one call of a paid tool of it. */
const sellWith = async (more: Partial<Parameters<typeof protectMcp>[0]>, clientId: string) => {
  const resource = world.url('v1')
  const logger = { warn: () => {}, error: () => {} }
  const guard = protectMcp({ ...optionsFor(world.auth.issuer, resource), logger, ...more })
  const token = await world.auth.token(clientId, resource)
  const headers = { Authorization: `Bearer ${token}` }
  const authInfo = await guard.authenticate(new Request(resource, { headers }))
  if (authInfo instanceof Response) throw new Error(`kept out: ${authInfo.status}`)
  const tool = guard.tool({ action: 'docs.search', cost: '0.04' }, sold)
  guard.close()
  return { guard, authInfo, tool }
}

test('a tool with no ledger to ask refuses a token with a budget', async () => {
  const { tool, authInfo } = await sellWith({ budget: undefined }, 'agent-4')
  const answer = (await tool({ authInfo })) as Answer
  expect(answer.isError).toBe(true)
  expect(denialIn(answer)).toMatchObject({ error_detail: 'ledger_not_configured' })
  expect(textOf(answer)).not.toContain('createVerifier')
})

test('a ledger that is down sells nothing and blames nobody', async () => {
  const { tool, authInfo } = await sellWith(
    {
      fetch: (input, init) => {
        if (String(input).includes('/ledger')) throw new Error('down')
        return fetch(input, init)
      },
      sleep: async () => {},
    },
    'agent-5',
  )
  const answer = (await tool({ authInfo })) as Answer
  expect(textOf(answer)).toMatch(/^temporarily_unavailable: .* Try again in \d+ s\.$/)
  expect(answer.isError).toBe(true)
  expect(answer._meta).toBeUndefined()
})

test('a call that was cancelled before it ran costs nothing', async () => {
  const { tool, authInfo, guard } = await sellWith({}, 'agent-6')
  const signal = AbortSignal.abort()
  await expect(tool({ authInfo, signal })).rejects.toThrow(/abort/i)
  await expect(tool({ http: { authInfo }, mcpReq: { signal } })).rejects.toThrow(/abort/i)
  const cancelled = guard.tool({ action: 'docs.search', cost: '0.04' }, (_, __, context) => {
    context.signal?.throwIfAborted()
    return sold()
  })
  const controller = new AbortController()
  const answer = cancelled({ authInfo, signal: controller.signal })
  controller.abort()
  await expect(answer).rejects.toThrow(/abort/i)
  expect(await world.auth.remaining(authInfo.extra.lineage[0] ?? '')).toBe('0.1')
})

test('a question to the client is not the answer that was paid for', async () => {
  const { authInfo, guard } = await sellWith({}, 'agent-7')
  const asking = guard.tool({ action: 'docs.search', cost: '0.04' }, () => ({
    resultType: 'input_required' as const,
    inputRequests: {},
    isError: undefined,
  }))
  expect(budgetIn((await asking({ authInfo })) as unknown as Answer)).toMatchObject({
    cost_usd: '0',
  })
})

test('what a tool says it has cost is charged, even when it fails after that', async () => {
  const { authInfo, guard } = await sellWith({}, 'agent-11')
  const rule = { action: 'docs.search', cost: '0.04' }
  const left = () => world.auth.remaining(authInfo.extra.lineage[0] ?? '')
  const unlucky = guard.tool(rule, (_, __, ___, { settle }) => {
    settle('0.01')
    return { ...sold(), isError: true }
  })
  expect(budgetIn((await unlucky({ authInfo })) as Answer)).toMatchObject({ cost_usd: '0.01' })
  const broken = guard.tool(rule, (_, __, ___, { settle }) => {
    settle('0.02')
    throw new Error('broken')
  })
  await expect(broken({ authInfo })).rejects.toThrow('broken')
  await guard.close()
  expect(await left()).toBe('0.07')
  const free = guard.tool({}, (_, __, ___, { settle, reserved }) => {
    settle('7')
    return { ...sold(), reserved }
  })
  expect(await free({ authInfo })).toMatchObject({ reserved: 0n })
})

test('an error of the tool stays its own, even one that looks like ours', async () => {
  const { authInfo, guard } = await sellWith({}, 'agent-8')
  const denied = await guard.tool({ scope: 'mail:send' }, sold)({ authInfo })
  expect(denied).toMatchObject({ isError: true })
  const theirs = Object.assign(new Error('downstream'), {
    name: 'OAuthError',
    code: 'access_denied',
  })
  const tool = guard.tool({ action: 'docs.search', cost: '0.04' }, () => {
    throw theirs
  })
  await expect(tool({ authInfo })).rejects.toBe(theirs)
})

test('a tool is closed to whoever did not come through its guard', async () => {
  const { tool, authInfo } = await sellWith({}, 'agent-9')
  const other = await sellWith({}, 'agent-9')
  const closed = /did not come through its guard/
  const { caller } = authInfo.extra
  await expect(tool({})).rejects.toThrow(closed)
  await expect(tool({ authInfo: { extra: { caller: { ...caller } } } })).rejects.toThrow(closed)
  await expect(tool({ authInfo: other.authInfo })).rejects.toThrow(closed)
  await expect(tool(JSON.parse('{"http":{"authInfo":{"extra":{}}}}'))).rejects.toThrow(closed)
  await expect(other.guard.tool({}, sold)({ authInfo })).rejects.toThrow(closed)
  expect(await tool({ authInfo: { extra: { caller } } })).toMatchObject(sold())
})

test('a cancel of the client reaches the tool, which then has cost nothing', async () => {
  const resource = world.url('v2')
  const token = await world.auth.token('agent-10', resource)
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
  const remaining = () => world.auth.remaining(claims.agent_lineage[0])
  const client = await connectModern(resource, withToken(token))
  const controller = new AbortController()
  const answer = client.callTool({ name: 'slow', arguments: {} }, { signal: controller.signal })
  const rejected = expect(answer).rejects.toThrow()
  // What it can cost is held, and more may be lent with it.
  const isHeld = async () => Number(await remaining()) <= 0.06
  await expect.poll(isHeld, { timeout: 3000 }).toBe(true)
  controller.abort()
  await rejected
  const returned = async () => {
    await world.guard('v2').flush()
    return remaining()
  }
  await expect.poll(returned, { timeout: 3000 }).toBe('0.1')
  await client.close()
})
