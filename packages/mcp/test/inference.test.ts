/** The types of a tool's arguments come from its schema, on both generations, with nothing written. */
import { McpServer as McpServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js'
import { McpServer as McpServerV2 } from '@modelcontextprotocol/server'
import { expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { protectMcp } from '../src/server.js'

const guard = protectMcp({
  issuer: 'https://auth.example',
  resource: 'https://api.example/mcp',
})
const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] })
const info = { name: 'docs', version: '1.0.0' }

test('v1', () => {
  const server = new McpServerV1(info)
  const inputSchema = { q: z.string(), most: z.number().optional() }
  server.registerTool(
    'search',
    { inputSchema },
    guard.tool(
      { action: 'docs.search', cost: '0.04' },
      ({ q, most }, caller, { sendNotification }) => {
        expectTypeOf(q).toEqualTypeOf<string>()
        expectTypeOf(most).toEqualTypeOf<number | undefined>()
        expectTypeOf(caller.subject).toEqualTypeOf<string>()
        expectTypeOf(sendNotification).toBeFunction()
        return text(q)
      },
    ),
  )
  server.registerTool(
    'pages',
    { inputSchema },
    guard.tool({ action: 'docs.read', cost: ({ q }) => `0.0${q.length}` }, async ({ q }) =>
      text(q),
    ),
  )
  server.registerTool(
    'whoami',
    {},
    guard.tool({}, (args, { actor }) => {
      expectTypeOf(args).toBeUnknown()
      return { content: [{ type: 'text', text: actor }] }
    }),
  )
})

/** Where no schema is in sight, what is written is kept. */
const apart = guard.tool({ action: 'docs.read' }, ({ page }: { page: number }) => ({
  content: [{ type: 'text', text: String(page) }],
}))

test('v2', () => {
  const server = new McpServerV2(info)
  const inputSchema = z.object({ q: z.string(), most: z.number().optional() })
  server.registerTool('apart', { inputSchema: z.object({ page: z.number() }) }, apart)
  server.registerTool(
    'search',
    { inputSchema },
    guard.tool({ action: 'docs.search', cost: '0.04' }, async ({ q, most }, caller, { mcpReq }) => {
      expectTypeOf(q).toEqualTypeOf<string>()
      expectTypeOf(most).toEqualTypeOf<number | undefined>()
      expectTypeOf(caller.actor).toEqualTypeOf<string>()
      expectTypeOf(mcpReq.signal).toEqualTypeOf<AbortSignal>()
      return text(q)
    }),
  )
  server.registerTool(
    'pages',
    { inputSchema },
    guard.tool({ action: 'docs.read', cost: ({ q }) => `0.0${q.length}` }, ({ q }) => text(q)),
  )
  server.registerTool(
    'whoami',
    {},
    guard.tool({}, (args, { actor }) => {
      expectTypeOf(args).toBeUnknown()
      return { content: [{ type: 'text', text: actor }] }
    }),
  )
})
