/** `guard.tool(server, …)` keeps the types of the SDK whose server it is given, and needs none written. */

import type { Caller } from '@behalf/verifier'
import {
  McpServer as McpServerV1,
  ResourceTemplate as ResourceTemplateV1,
} from '@modelcontextprotocol/sdk/server/mcp.js'
import type { CallToolResult as ResultV1 } from '@modelcontextprotocol/sdk/types.js'
import {
  inputRequired,
  McpServer as McpServerV2,
  ResourceTemplate as ResourceTemplateV2,
  type CallToolResult as ResultV2,
  type ServerContext,
} from '@modelcontextprotocol/server'
import { expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { protectMcp } from '../src/server.js'

const { tool, resource, prompt } = protectMcp({
  issuer: 'https://auth.example',
  resource: 'https://api.example/mcp',
})
const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] })
const info = { name: 'docs', version: '1.0.0' }

type Tiered = Caller & { claims: { hardware_tier: 'basic' | 'pro' } }
const isTiered = (caller: Caller): caller is Tiered =>
  ['basic', 'pro'].includes(String(caller.claims.hardware_tier))

test('v1, from a raw shape and from an object', () => {
  const server = new McpServerV1(info)
  const registered = tool(
    server,
    'search',
    {
      title: 'Search',
      description: 'Finds documents.',
      annotations: { readOnlyHint: true },
      scope: 'docs:read',
      action: 'docs.search',
      cost: {
        max: ({ q }) => `0.0${q.length}`,
        actual: (result) => {
          expectTypeOf(result).toEqualTypeOf<ResultV1>()
          return '0.01'
        },
      },
    },
    { q: z.string(), most: z.number().optional() },
    async ({ q, most }, caller, { sendNotification }, charge) => {
      expectTypeOf(q).toEqualTypeOf<string>()
      expectTypeOf(most).toEqualTypeOf<number | undefined>()
      expectTypeOf(caller.tenantId).toEqualTypeOf<string | undefined>()
      expectTypeOf(caller.claims).toEqualTypeOf<Caller['claims']>()
      expectTypeOf(sendNotification).toBeFunction()
      expectTypeOf(charge.reserved).toEqualTypeOf<bigint>()
      return text(q)
    },
  )
  expectTypeOf(registered).toEqualTypeOf<ReturnType<McpServerV1['registerTool']>>()
  tool(server, 'object', {}, z.object({ page: z.coerce.number() }), ({ page }) => {
    expectTypeOf(page).toEqualTypeOf<number>()
    return text(String(page))
  })
  tool(server, 'none', { visible: isTiered }, undefined, (args, caller) => {
    expectTypeOf(args).toEqualTypeOf<Record<string, never>>()
    expectTypeOf(caller.claims.hardware_tier).toEqualTypeOf<'basic' | 'pro'>()
    return text(caller.claims.hardware_tier)
  })
  // @ts-expect-error: no kind of content that the SDK knows
  tool(server, 'wrong', {}, undefined, () => ({ content: [{ type: 'smell', text: 'roses' }] }))
  // @ts-expect-error: the first generation has no such thing
  tool(server, 'input', {}, undefined, () => ({ resultType: 'input_required', content: 7 }))
  const broken = () =>
    // @ts-expect-error: a cost is decimal text
    tool(server, 'price', { action: 'docs.read', cost: 0.04 }, undefined, () => text(''))
  expect(broken).toThrow(TypeError)
})

test('v2, from an object and from a raw shape', () => {
  const server = new McpServerV2(info)
  const registered = tool(
    server,
    'search',
    {
      title: 'Search',
      outputSchema: z.object({ hits: z.number() }),
      action: 'docs.search',
      cost: {
        max: ({ q }) => `0.0${q.length}`,
        actual: (result) => {
          expectTypeOf(result).toEqualTypeOf<ResultV2>()
          return '0.01'
        },
      },
      visible: (caller) => caller.tenantId === 'acme',
    },
    z.object({ q: z.string(), most: z.number().optional() }),
    async ({ q, most }, caller, context) => {
      expectTypeOf(q).toEqualTypeOf<string>()
      expectTypeOf(most).toEqualTypeOf<number | undefined>()
      expectTypeOf(caller.actor).toEqualTypeOf<string>()
      expectTypeOf(context).toEqualTypeOf<ServerContext>()
      return { ...text(q), structuredContent: { hits: 1 } }
    },
  )
  expectTypeOf(registered).toEqualTypeOf<ReturnType<McpServerV2['registerTool']>>()
  tool(server, 'shape', {}, { page: z.coerce.number() }, ({ page }) => {
    expectTypeOf(page).toEqualTypeOf<number>()
    return text(String(page))
  })
  tool(server, 'none', { visible: isTiered }, undefined, (_, caller) =>
    text(caller.claims.hardware_tier),
  )
  tool(server, 'asks', {}, undefined, () => inputRequired({ requestState: 'halfway' }))
  // @ts-expect-error: no kind of content that the SDK knows
  tool(server, 'wrong', {}, undefined, () => ({ content: [{ type: 'smell', text: 'roses' }] }))
})

test('an answer is written as the SDK has it, with no word of TypeScript in it', () => {
  const schema = z.object({ q: z.string() })
  const [serverV1, serverV2] = [new McpServerV1(info), new McpServerV2(info)]
  tool(serverV1, 'plain', {}, undefined, () => ({ content: [{ type: 'text', text: 'roses' }] }))
  tool(serverV1, 'shape', {}, { q: z.string() }, async ({ q }) => ({
    content: [{ type: 'text', text: q }],
  }))
  tool(serverV2, 'plain', {}, undefined, () => ({ content: [{ type: 'text', text: 'roses' }] }))
  tool(
    serverV2,
    'object',
    { cost: '0.01', action: 'docs.read' },
    schema,
    async ({ q }, caller) => ({
      content: [{ type: 'text', text: `${q} ${caller.tenantId}` }],
    }),
  )
  tool(serverV2, 'tiered', { visible: isTiered }, undefined, (_, { claims }) => ({
    content: [{ type: 'text', text: claims.hardware_tier }],
  }))
  prompt(serverV1, 'ask', {}, { q: z.string() }, ({ q }) => ({
    messages: [{ role: 'user', content: { type: 'text', text: q } }],
  }))
  prompt(serverV2, 'ask', {}, schema, ({ q }) => ({
    messages: [{ role: 'user', content: { type: 'text', text: q } }],
  }))
})

test('resources, with a URI and with a template', () => {
  const contents = (uri: URL) => ({ contents: [{ uri: uri.href, text: '' }] })
  const serverV1 = new McpServerV1(info)
  const one = resource(
    serverV1,
    'readme',
    'docs://readme',
    { mimeType: 'text/plain' },
    ({ uri, variables }, caller, { sendNotification }) => {
      expectTypeOf(uri).toEqualTypeOf<URL>()
      expectTypeOf(variables).toEqualTypeOf<{ [name: string]: string | string[] }>()
      expectTypeOf(caller.subject).toEqualTypeOf<string>()
      expectTypeOf(sendNotification).toBeFunction()
      return contents(uri)
    },
  )
  expectTypeOf(one.readCallback).toBeFunction()
  expectTypeOf(one).not.toHaveProperty('resourceTemplate')
  const templateV1 = new ResourceTemplateV1('docs://{id}', { list: undefined })
  const many = resource(serverV1, 'doc', templateV1, {}, ({ uri }) => contents(uri))
  expectTypeOf(many).toHaveProperty('resourceTemplate')

  const serverV2 = new McpServerV2(info)
  const templateV2 = new ResourceTemplateV2('docs://{id}', { list: undefined })
  resource(serverV2, 'readme', 'docs://readme', {}, async ({ uri }, _, context) => {
    expectTypeOf(context).toEqualTypeOf<ServerContext>()
    return contents(uri)
  })
  resource(serverV2, 'doc', templateV2, { cacheHint: { ttlMs: 1000 } }, ({ uri }) => contents(uri))
  // @ts-expect-error: a template of the other generation
  resource(serverV2, 'other', templateV1, {}, ({ uri }) => contents(uri))
})

test('prompts', () => {
  const messages = (value: string) => ({
    messages: [{ role: 'user' as const, content: { type: 'text' as const, text: value } }],
  })
  const serverV1 = new McpServerV1(info)
  prompt(serverV1, 'ask', { title: 'Ask' }, { q: z.string() }, ({ q }, { subject }) => {
    expectTypeOf(q).toEqualTypeOf<string>()
    return messages(q + subject)
  })
  const serverV2 = new McpServerV2(info)
  prompt(serverV2, 'ask', { title: 'Ask' }, z.object({ q: z.string() }), ({ q }, _, context) => {
    expectTypeOf(q).toEqualTypeOf<string>()
    expectTypeOf(context).toEqualTypeOf<ServerContext>()
    return messages(q)
  })
})

test('handlers for the SDK’s own way to register', () => {
  const server = new McpServerV2(info)
  server.registerResource(
    'readme',
    'docs://readme',
    {},
    resource({ scope: 'docs:read' }, ({ uri }, { subject }) => ({
      contents: [{ uri: uri.href, text: subject }],
    })),
  )
  const template = new ResourceTemplateV2('docs://{id}', { list: undefined })
  server.registerResource(
    'doc',
    template,
    {},
    resource({}, ({ uri, variables }) => ({
      contents: [{ uri: uri.href, text: String(variables.id) }],
    })),
  )
  server.registerPrompt(
    'ask',
    { argsSchema: z.object({ q: z.string() }) },
    prompt({ action: 'docs.ask', cost: '0.01' }, ({ q }) => {
      expectTypeOf(q).toEqualTypeOf<string>()
      return { messages: [{ role: 'user', content: { type: 'text', text: q } }] }
    }),
  )
})
