/**
 * The tools that the conformance tool asks a server for, all of them guarded and paid, on a server of
 * each generation of the SDK; the same server without the guard, to compare with; and a proxy that brings
 * the token which the tool cannot bring.
 */
import type { Guard } from '@behalf/mcp/server'
import { McpServer as McpServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js'
import { WebStandardStreamableHTTPServerTransport as TransportV1 } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js'
import {
  type CallToolResult,
  CreateMessageResultSchema,
  ElicitResultSchema,
  type ServerNotification,
  type ServerRequest,
} from '@modelcontextprotocol/sdk/types.js'
import {
  createMcpHandler,
  isLegacyRequest,
  McpServer as McpServerV2,
  type ServerContext,
  WebStandardStreamableHTTPServerTransport as TransportV2,
} from '@modelcontextprotocol/server'
import { z } from 'zod'

const info = { name: 'conformance', version: '1.0.0' }
const capabilities = { logging: {} }

const pixel =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=='
const silence = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA='

const text = (value: string) => ({ type: 'text' as const, text: value })
const image = { type: 'image' as const, data: pixel, mimeType: 'image/png' }
const audio = { type: 'audio' as const, data: silence, mimeType: 'audio/wav' }
const embedded = (uri: string, mimeType: string, value: string) => ({
  type: 'resource' as const,
  resource: { uri, mimeType, text: value },
})

const mixed = [
  text('Multiple content types test:'),
  image,
  embedded('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}'),
]

/** What these answer does not depend on who calls. */
const answers = {
  test_simple_text: [text('This is a simple text response for testing.')],
  test_image_content: [image],
  test_audio_content: [audio],
  test_embedded_resource: [embedded('test://embedded-resource', 'text/plain', 'An embedded text.')],
  test_multiple_content_types: mixed,
}

const description = 'A test.'
const rule = { scope: 'docs:read', action: 'docs.test', cost: '0.0001', description }

const fail = (): never => {
  throw new Error('This tool intentionally returns an error for testing')
}

const later = () => new Promise((resolve) => setTimeout(resolve, 50))

const walk = async (tell: (progress: number) => Promise<void>) => {
  for (const progress of [0, 50, 100]) {
    await tell(progress)
    await later()
  }
  return { content: [text('done')] }
}

const progressOf = (token: string | number | undefined, progress: number) => ({
  method: 'notifications/progress' as const,
  params: { progressToken: token ?? 0, progress, total: 100 },
})

const steps = ['Tool execution started', 'Tool processing data', 'Tool execution completed']

const log = async (say: (data: string) => Promise<void>) => {
  for (const step of steps) {
    await say(step)
    await later()
  }
  return { content: [text('logged')] }
}

const form = {
  type: 'object' as const,
  properties: {
    username: { type: 'string' as const, description: "User's response" },
    email: { type: 'string' as const, description: "User's email address" },
  },
  required: ['username', 'email'],
}

const question = (value: string) => ({
  messages: [{ role: 'user' as const, content: text(value) }],
  maxTokens: 100,
})

type Args = Record<string, unknown>
type Content = { content: CallToolResult['content'] }
type Schema = { prompt?: z.ZodString; message?: z.ZodString }
type Run<Context> = (args: Args, context: Context) => Content | Promise<Content>

/** Puts a tool on a server, behind a guard or as it is. */
type Add<Context> = (name: string, schema: Schema | undefined, run: Run<Context>) => unknown

type ContextV1 = RequestHandlerExtra<ServerRequest, ServerNotification>

/** The tools that are the same in both generations. */
const addSimple = (add: Add<unknown>): void => {
  for (const [name, content] of Object.entries(answers)) add(name, undefined, () => ({ content }))
  add('test_error_handling', undefined, fail)
}

const addAllV1 = (add: Add<ContextV1>): void => {
  addSimple(add)
  add('test_tool_with_progress', {}, (_, { _meta, sendNotification }) =>
    walk((progress) => sendNotification(progressOf(_meta?.progressToken, progress))),
  )
  add('test_tool_with_logging', {}, (_, { sendNotification }) =>
    log((data) =>
      sendNotification({ method: 'notifications/message', params: { level: 'info', data } }),
    ),
  )
  add('test_sampling', { prompt: z.string() }, async ({ prompt }, { sendRequest }) => {
    const params = question(String(prompt))
    const asked = { method: 'sampling/createMessage' as const, params }
    const { content } = await sendRequest(asked, CreateMessageResultSchema)
    return { content: [text(`LLM response: ${content.type === 'text' ? content.text : ''}`)] }
  })
  add('test_elicitation', { message: z.string() }, async ({ message }, { sendRequest }) => {
    const params = { message: String(message), requestedSchema: form }
    const asked = { method: 'elicitation/create' as const, params }
    const { action, content } = await sendRequest(asked, ElicitResultSchema)
    return { content: [text(`User response: ${action}, ${JSON.stringify(content)}`)] }
  })
}

const addAllV2 = (add: Add<ServerContext>): void => {
  addSimple(add)
  add('test_tool_with_progress', undefined, (_, { mcpReq }) =>
    walk((progress) => mcpReq.notify(progressOf(mcpReq._meta?.progressToken, progress))),
  )
  add('test_tool_with_logging', undefined, (_, { mcpReq }) =>
    log((data) => mcpReq.log('info', data)),
  )
  add('test_sampling', { prompt: z.string() }, async ({ prompt }, { mcpReq }) => {
    const { content } = await mcpReq.requestSampling(question(String(prompt)))
    return { content: [text(`LLM response: ${JSON.stringify(content)}`)] }
  })
  add('test_elicitation', { message: z.string() }, async ({ message }, { mcpReq }) => {
    const asked = { message: String(message), requestedSchema: form }
    const { action, content } = await mcpReq.elicitInput(asked)
    return { content: [text(`User response: ${action}, ${JSON.stringify(content)}`)] }
  })
}

const createV1 = (guard: Guard | undefined): McpServerV1 => {
  const server = new McpServerV1(info, { capabilities })
  addAllV1((name, schema, run) => {
    if (guard) return guard.tool(server, name, rule, schema, (args, _, extra) => run(args, extra))
    if (!schema) return server.registerTool(name, { description }, (extra) => run({}, extra))
    return server.registerTool(name, { description, inputSchema: schema }, run)
  })
  return server
}

const createV2 = (guard: Guard | undefined): McpServerV2 => {
  const server = new McpServerV2(info, { capabilities })
  addAllV2((name, schema, run) => {
    const inputSchema = schema && z.object(schema)
    if (guard) {
      return guard.tool(server, name, rule, inputSchema, (args, _, context) => run(args, context))
    }
    if (!inputSchema)
      return server.registerTool(name, { description }, (context) => run({}, context))
    return server.registerTool(name, { description, inputSchema }, run)
  })
  return server
}

type Fetch = (request: Request) => Response | Promise<Response>
type Handle = Parameters<Guard['fetch']>[0]
type Options = Partial<Parameters<Handle>[1]>
type HandleAny = (request: Request, options?: Options) => Response | Promise<Response>

interface SessionTransport {
  handleRequest: HandleAny
}

/** A transport for each session, since the tools ask the client in between. */
const withSessions = (
  begin: (remember: (id: string, transport: SessionTransport) => void) => Promise<SessionTransport>,
): HandleAny => {
  const sessions = new Map<string, SessionTransport>()
  return async (request, options) => {
    const known = sessions.get(request.headers.get('mcp-session-id') ?? '')
    const transport = known ?? (await begin((id, begun) => sessions.set(id, begun)))
    return transport.handleRequest(request, options)
  }
}

const sessionIdGenerator = () => crypto.randomUUID()

const sessionsOfV1 = (guard: Guard | undefined): HandleAny =>
  withSessions(async (remember) => {
    const transport: TransportV1 = new TransportV1({
      sessionIdGenerator,
      onsessioninitialized: (id) => remember(id, transport),
    })
    // The SDK's own class does not fit its interface under exactOptionalPropertyTypes.
    await createV1(guard).connect(transport as Parameters<McpServerV1['connect']>[0])
    return transport
  })

const sessionsOfV2 = (guard: Guard | undefined): HandleAny =>
  withSessions(async (remember) => {
    const transport: TransportV2 = new TransportV2({
      sessionIdGenerator,
      onsessioninitialized: (id) => remember(id, transport),
    })
    await createV2(guard).connect(transport)
    return transport
  })

/** As the SDK says to: sessions for the older protocol, beside a handler of the newer one alone. */
const bothErasOfV2 = (guard: Guard | undefined): HandleAny => {
  const legacy = sessionsOfV2(guard)
  const modern = createMcpHandler(() => createV2(guard), { legacy: 'reject' })
  return async (request, options) =>
    (await isLegacyRequest(request)) ? legacy(request, options) : modern.fetch(request, options)
}

const statelessV2 = (guard: Guard | undefined): HandleAny =>
  createMcpHandler(() => createV2(guard)).fetch

/** How the tools are served: with a guard, or without one to compare. */
export const kinds = {
  v1: sessionsOfV1,
  v2: bothErasOfV2,
  'v2 without sessions': statelessV2,
} as const

export type Kind = keyof typeof kinds

export const serveGuarded = (kind: Kind, guard: Guard): Fetch => guard.fetch(kinds[kind](guard))

export const serveBare = (kind: Kind): Fetch => {
  const handle = kinds[kind](undefined)
  return (request) => handle(request)
}

/** To `target`, with the token; everything else as it came. */
export const createTokenProxy =
  (target: string, token: () => Promise<string>): Fetch =>
  async (request) => {
    const headers = new Headers(request.headers)
    headers.set('Authorization', `Bearer ${await token()}`)
    for (const name of ['host', 'connection', 'content-length']) headers.delete(name)
    const body = request.method === 'GET' ? null : await request.text()
    const { method, signal } = request
    return fetch(target, { method, headers, body, signal })
  }
