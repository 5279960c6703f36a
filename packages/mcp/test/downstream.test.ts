/** What a server does for its caller elsewhere: with a token of its own, never with theirs. */

import type { RequestListener } from 'node:http'
import { inspect } from 'node:util'
import { isOAuthError } from '@behalf/protocol'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { createDownstream } from '../src/downstream.js'
import { type AuthInfo, type DownstreamCaller, type Guard, protectMcp } from '../src/server.js'

import { credentialsOf, openPlaces, type Places, serverOf } from './places.js'
import { call, connectModern, connectV1, textOf, withToken } from './world.js'

const info = { name: 'docs', version: '1.0.0' }
const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] })

/** What the next server was sent, whole: every header, the URL and the body. */
let seen: string[] = []

const record =
  (listener: RequestListener): RequestListener =>
  (request, response) => {
    const parts: string[] = [request.url ?? '', ...request.rawHeaders]
    request.on('data', (part: Buffer) => parts.push(String(part)))
    request.on('end', () => seen.push(parts.join('\n')))
    listener(request, response)
  }

const serve = (guard: Guard, make: () => McpServer): RequestListener =>
  toNodeHandler({ fetch: guard.fetch(createMcpHandler(make).fetch) }) as RequestListener

/** Says who called it, for whom and through whom. */
const back = (guard: Guard): RequestListener =>
  record(
    serve(guard, () => {
      const server = new McpServer(info)
      const chain = guard.tool({ scope: 'docs:read' }, (_, caller) =>
        text([caller.subject, ...caller.chain.map(({ sub }) => sub), ...caller.scope].join(' ')),
      )
      server.registerTool('chain', {}, chain)
      return server
    }),
  )

/** A gateway: what it is asked, it asks the next one, which is told by the test. */
const front = (guard: Guard): RequestListener =>
  serve(guard, () => {
    const server = new McpServer(info)
    const inputSchema = z.object({ next: z.string(), how: z.enum(['exchange', 'passthrough']) })
    const forward = guard.tool(
      { scope: 'docs:read' },
      async ({ next, how }: z.infer<typeof inputSchema>, caller, { http }) => {
        if (how === 'passthrough') {
          const token = (http as { authInfo: AuthInfo }).authInfo.token
          const headers = { Authorization: `Bearer ${token}` }
          return text(String((await fetch(next, { method: 'POST', headers })).status))
        }
        const token = await caller.exchangeFor(next, { scope: 'docs:read' })
        const client = await connectModern(next, { fetch: token.fetch })
        const answer = textOf(await call(client, 'chain'))
        await client.close()
        return text(answer)
      },
    )
    server.registerTool('forward', { inputSchema }, forward)
    return server
  })

let places: Places
/** Exchanges that were asked for. */
let exchanges = 0
const counting: typeof fetch = (input, init) => {
  if (String(init?.body).includes('token-exchange')) exchanges += 1
  return fetch(input, init)
}

/** What the server's operator is told. */
let warnings: [string, Record<string, unknown> | undefined][] = []
const logger = {
  warn: (message: string, fields?: Record<string, unknown>) => {
    warnings.push([message, fields])
  },
  error: () => undefined,
}

beforeAll(async () => {
  places = await openPlaces([
    { name: 'front', serve: front, options: { fetch: counting, logger } },
    { name: 'back', serve: back },
  ])
}, 60_000)
afterAll(() => places.stop())
beforeEach(() => {
  exchanges = 0
  seen = []
  warnings = []
})

const at = (name: string) => places.at(name)

const authInfoOf = async (clientId: string, guard = at('front').guard) => {
  const token = await places.auth.token(clientId, at('front').url)
  const headers = { Authorization: `Bearer ${token}` }
  const authInfo = await guard.authenticate(new Request(at('front').url, { headers }))
  if (authInfo instanceof Response) throw new Error(await authInfo.text())
  return { token, authInfo, caller: authInfo.extra.caller as DownstreamCaller }
}

test('a tool calls the next server, which sees the caller, and this server as the one who acts', async () => {
  const token = await places.auth.token('writer', at('front').url)
  const client = await connectV1(at('front').url, withToken(token))
  const args = { next: at('back').url, how: 'exchange' }
  expect(textOf(await call(client, 'forward', args))).toBe(`writer ${serverOf(0)} docs:read`)
  await client.close()
  expect(seen.length).toBeGreaterThan(0)
  const signature = token.split('.')[2] ?? ''
  expect(seen.join('\n')).not.toContain(signature)
  expect(exchanges).toBe(1)
})

test('who sends on what the SDK hands them sends on nothing', async () => {
  const token = await places.auth.token('writer', at('front').url)
  const client = await connectV1(at('front').url, withToken(token))
  const answer = await call(client, 'forward', { next: at('back').url, how: 'passthrough' })
  expect(textOf(answer)).toBe('401')
  await client.close()
  expect(seen.join('\n')).not.toContain(token.split('.')[2])
})

test('neither token shows in JSON, in a log, or when a caller is copied', async () => {
  const { token, authInfo, caller } = await authInfoOf('writer')
  const next = await caller.exchangeFor(at('back').url)
  expect(JSON.parse(JSON.stringify(authInfo))).toMatchObject({
    extra: { limits: { cost_budget_usd: 5 }, caller: { limits: { cost_budget_usd: 5 } } },
  })
  const signatures = [token, next.accessToken].map((one) => one.split('.')[2] ?? '')
  const shown = [authInfo, caller, next].flatMap((one) => [
    JSON.stringify(one),
    inspect(one, { depth: 9, showHidden: true }),
    inspect(one, { depth: 9, getters: true }),
  ])
  for (const signature of signatures) {
    expect(signature).not.toBe('')
    expect(shown.join('\n')).not.toContain(signature)
  }
})

test('one exchange for all who ask the same for the same token, and another for another', async () => {
  const { caller } = await authInfoOf('writer')
  const next = at('back').url
  const ask = (scope?: string) => caller.exchangeFor(next, { scope })
  const many = await Promise.all(Array.from({ length: 20 }, () => ask()))
  expect(new Set(many).size).toBe(1)
  expect(exchanges).toBe(1)
  await Promise.all([ask('docs:read docs:write'), ask('docs:write docs:read')])
  expect(exchanges).toBe(2)
  await caller.exchangeFor(next, { limits: { cost_budget_usd: '1' } })
  expect(exchanges).toBe(3)
  const second = (await authInfoOf('writer')).caller
  await second.exchangeFor(next)
  expect(exchanges).toBe(4)
})

test('limits count in whichever object they are', async () => {
  class Frugal {
    get cost_budget_usd() {
      return '0.50'
    }
  }
  const { caller } = await authInfoOf('writer')
  const ask = async (limits?: object) =>
    (await caller.exchangeFor(at('back').url, { limits })).limits.cost_budget_usd
  await ask()
  expect(await ask(new Frugal())).toBe(0.5)
  expect(await ask({ cost_budget_usd: '0.5' })).toBe(0.5)
  expect(exchanges).toBe(2)
  const limits = { cost_budget_usd: '0.20' }
  const kept = await caller.exchangeFor(at('back').url, { limits })
  limits.cost_budget_usd = '0.90'
  expect(new URLSearchParams((await kept.tokenRequest()).form).get('agent_limits')).toContain('0.2')
})

test('a token with less scope gets nothing of what its neighbour has', async () => {
  const narrow = async (scope: string) => {
    const token = await places.auth.token('writer', at('front').url, scope)
    const headers = { Authorization: `Bearer ${token}` }
    const authInfo = await at('front').guard.authenticate(new Request(at('front').url, { headers }))
    if (authInfo instanceof Response) throw new Error('kept out')
    return authInfo.extra.caller.exchangeFor(at('back').url)
  }
  expect((await narrow('docs:read docs:write')).scope).toEqual(['docs:read', 'docs:write'])
  expect((await narrow('docs:read')).scope).toEqual(['docs:read'])
})

test('the new token goes to its resource, and to no other origin', async () => {
  const { caller } = await authInfoOf('reader')
  const next = await caller.exchangeFor(at('back').url)
  const elsewhere = next.fetch('https://evil.example/mcp')
  await expect(elsewhere).rejects.toMatchObject({ reason: 'wrong_origin' })
  expect(next.resource).toBe(at('back').url)
})

test('a rule that does not let this server act, or a resource that nobody knows, is a refusal', async () => {
  const { caller: lonely } = await authInfoOf('lonely')
  await expect(lonely.exchangeFor(at('back').url)).rejects.toMatchObject({
    code: 'access_denied',
    reason: 'delegation_not_permitted',
  })
  const { caller } = await authInfoOf('reader')
  const unknown = caller.exchangeFor('https://unknown.example/mcp')
  await expect(unknown).rejects.toMatchObject({ code: 'invalid_target' })
  const wider = caller.exchangeFor(at('back').url, { scope: 'docs:write' })
  await expect(wider).rejects.toMatchObject({ code: 'invalid_scope' })
  // What was refused is not kept.
  const before = exchanges
  await expect(lonely.exchangeFor(at('back').url)).rejects.toMatchObject({ code: 'access_denied' })
  expect(exchanges).toBe(before + 1)
})

test('a caller of another tenant is refused in words that say so and what to do', async () => {
  const { caller } = await authInfoOf('foreigner')
  await expect(caller.exchangeFor(at('back').url)).rejects.toMatchObject({
    code: 'access_denied',
    reason: 'exchange_across_tenants',
    description: expect.stringContaining('globex'),
    hint: expect.stringContaining('each tenant a resource of its own'),
  })
})

test('the log of this server says who was refused what, and why, without any token', async () => {
  const { caller, token } = await authInfoOf('lonely')
  await expect(caller.exchangeFor(at('back').url)).rejects.toThrow()
  expect(warnings).toEqual([
    [
      'A token for the next server was refused.',
      expect.objectContaining({
        resource: at('back').url,
        actor: 'lonely',
        tenant_id: 'acme',
        error: 'access_denied',
        reason: 'delegation_not_permitted',
      }),
    ],
  ])
  expect(JSON.stringify(warnings)).not.toContain(token.split('.')[2])
})

test('who stops waiting takes nothing from those who wait on', async () => {
  const { caller } = await authInfoOf('reader')
  const next = at('back').url
  const impatient = new AbortController()
  const gone = caller.exchangeFor(next, { signal: impatient.signal })
  const waiting = caller.exchangeFor(next)
  impatient.abort(new Error('enough'))
  await expect(gone).rejects.toThrow('enough')
  expect((await waiting).resource).toBe(next)
  expect(exchanges).toBe(1)
  const signal = AbortSignal.abort(new Error('too late'))
  const late = caller.exchangeFor(next, { scope: 'docs:read', signal })
  await expect(late).rejects.toThrow('too late')
  expect(exchanges).toBe(1)
  expect(warnings).toEqual([])
})

test('a caller that was taken back takes what was made of it along', async () => {
  const { token, caller } = await authInfoOf('fired')
  const next = await caller.exchangeFor(at('back').url)
  const outcome = async () => {
    try {
      return (await next.fetch(at('back').url, { method: 'POST', body: '{}' })).status
    } catch (error) {
      return isOAuthError(error) && error.reason
    }
  }
  expect(await outcome()).not.toBe(401)
  await places.auth.revoke('fired', token)
  await expect.poll(outcome, { timeout: 4000 }).toBe('delegation_ended')
})

test('another client than that of the ledger may do the exchange, and without any it is a misuse', async () => {
  const { issuer } = places.auth
  const resource = at('front').url
  const other = protectMcp({ issuer, resource, client: credentialsOf(serverOf(0)) })
  const { caller } = await authInfoOf('reader', other)
  expect((await caller.exchangeFor(at('back').url)).actor).toBe(serverOf(0))
  await other.close()
  const none = protectMcp({ issuer, resource })
  const { caller: stuck } = await authInfoOf('reader', none)
  await expect(stuck.exchangeFor(at('back').url)).rejects.toThrow(TypeError)
  await none.close()
})

test('a tool knows its caller although more was given to it', async () => {
  const { guard } = at('front')
  const { authInfo } = await authInfoOf('reader')
  const whoami = guard.tool({}, (_, caller) => text(caller.actor))
  expect(await whoami({ authInfo: { ...authInfo } })).toEqual(text('reader'))
  const copied = { ...authInfo, extra: { ...authInfo.extra, caller: { ...authInfo.extra.caller } } }
  await expect(whoami({ authInfo: copied })).rejects.toThrow(/guarded/)
})

test('the tokens that are kept are bounded: the one that was unused for longest goes', async () => {
  const { caller } = await authInfoOf('reader')
  const client = credentialsOf(serverOf(0))
  const small = { issuer: places.auth.issuer, client, fetch: counting, maxEntries: 2 }
  const { exchangeFor } = createDownstream(small)(caller)
  const ask = (cost_budget_usd: number) =>
    exchangeFor(at('back').url, { limits: { cost_budget_usd } })
  for (const usd of [1, 2, 1, 3]) await ask(usd)
  expect(exchanges).toBe(3)
  await ask(1)
  expect(exchanges).toBe(3)
  await ask(2)
  expect(exchanges).toBe(4)
})
