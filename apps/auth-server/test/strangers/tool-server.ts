/**
 * The tools that the conformance tool asks a server for, all of them guarded and paid, on a server of
 * each generation of the SDK; and a proxy that brings the token which the tool cannot bring.
 */
import type { Guard } from '@behalf/mcp/server'
import { McpServer as McpServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import { CreateMessageResultSchema, ElicitResultSchema } from '@modelcontextprotocol/sdk/types.js'
import { createMcpHandler, McpServer as McpServerV2 } from '@modelcontextprotocol/server'
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

const rule = { scope: 'docs:read', action: 'docs.test', cost: '0.0001', description: 'A test.' }

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

const createV1 = ({ tool }: Guard): McpServerV1 => {
  const server = new McpServerV1(info, { capabilities })
  for (const [name, content] of Object.entries(answers)) {
    tool(server, name, rule, undefined, () => ({ content }))
  }
  tool(server, 'test_error_handling', rule, undefined, fail)
  tool(server, 'test_tool_with_progress', rule, {}, (_, __, { _meta, sendNotification }) =>
    walk((progress) => sendNotification(progressOf(_meta?.progressToken, progress))),
  )
  tool(server, 'test_tool_with_logging', rule, {}, (_, __, { sendNotification }) =>
    log((data) =>
      sendNotification({ method: 'notifications/message', params: { level: 'info', data } }),
    ),
  )
  const prompt = { prompt: z.string() }
  tool(server, 'test_sampling', rule, prompt, async ({ prompt }, _, { sendRequest }) => {
    const asked = { method: 'sampling/createMessage' as const, params: question(prompt) }
    const { content } = await sendRequest(asked, CreateMessageResultSchema)
    return { content: [text(`LLM response: ${content.type === 'text' ? content.text : ''}`)] }
  })
  const message = { message: z.string() }
  tool(server, 'test_elicitation', rule, message, async ({ message }, _, { sendRequest }) => {
    const params = { message, requestedSchema: form }
    const asked = { method: 'elicitation/create' as const, params }
    const { action, content } = await sendRequest(asked, ElicitResultSchema)
    return { content: [text(`User response: ${action}, ${JSON.stringify(content)}`)] }
  })
  return server
}

const createV2 = ({ tool }: Guard): McpServerV2 => {
  const server = new McpServerV2(info, { capabilities })
  for (const [name, content] of Object.entries(answers)) {
    tool(server, name, rule, undefined, () => ({ content }))
  }
  tool(server, 'test_error_handling', rule, undefined, fail)
  tool(server, 'test_tool_with_progress', rule, undefined, (_, __, { mcpReq }) =>
    walk((progress) => mcpReq.notify(progressOf(mcpReq._meta?.progressToken, progress))),
  )
  tool(server, 'test_tool_with_logging', rule, undefined, (_, __, { mcpReq }) =>
    log((data) => mcpReq.log('info', data)),
  )
  return server
}

type Fetch = (request: Request) => Response | Promise<Response>

/** With sessions, since it asks the client in between. */
export const serveV1 = (guard: Guard): Fetch => {
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>()
  const begin = async () => {
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => crypto.randomUUID(),
      onsessioninitialized: (id) => {
        sessions.set(id, transport)
      },
    })
    // The SDK's own class does not fit its interface under exactOptionalPropertyTypes.
    await createV1(guard).connect(transport as Parameters<McpServerV1['connect']>[0])
    return transport
  }
  return guard.fetch(async (request, options) => {
    const known = sessions.get(request.headers.get('mcp-session-id') ?? '')
    return (known ?? (await begin())).handleRequest(request, options)
  })
}

export const serveV2 = (guard: Guard): Fetch =>
  guard.fetch(createMcpHandler(() => createV2(guard)).fetch)

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
