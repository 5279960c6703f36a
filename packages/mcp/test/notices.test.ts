/** Notifications of changes: who does not see a thing does not hear of it either. */

import type { RequestListener } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { McpServer as McpServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import { createMcpHandler, McpServer as McpServerV2 } from '@modelcontextprotocol/server'
import express from 'express'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Message, opening, rpcRequest } from '../src/conformance/rpc.js'
import { createEventFilter } from '../src/event-filter.js'
import type { Guard } from '../src/server.js'
import { guardOf, headersOf } from './known-callers.js'
import { open } from './servers.js'

const info = { name: 'docs', version: '1.0.0' }
const capabilities = { capabilities: { resources: { subscribe: true } } }
const ofGlobex = { visible: { tenants: ['globex'] } }
const gold = { contents: [{ uri: 'docs://vault', text: 'gold' }] }

const uris = ['docs://vault', 'docs://terms']

/** Lets something change: first what is hidden from most, then what is for all. */
interface Served {
  listener: RequestListener
  change: () => void
}

const serveV1 = (guard: Guard): Served => {
  const server = new McpServerV1(info, capabilities)
  guard.resource(server, 'vault', 'docs://vault', ofGlobex, () => gold)
  server.registerResource('terms', 'docs://terms', {}, () => gold)
  guard.tool(server, 'secret', ofGlobex, undefined, () => ({ content: [] }))
  guard.prompt(server, 'open', { scope: 'docs:write' }, undefined, () => ({ messages: [] }))
  const transport = new WebStandardStreamableHTTPServerTransport({
    sessionIdGenerator: () => crypto.randomUUID(),
  })
  const connected = server.connect(transport as Parameters<McpServerV1['connect']>[0])
  const serve = guard.fetch(async (request, options) => {
    await connected
    return transport.handleRequest(request, options)
  })
  return {
    listener: getRequestListener((request) => serve(request), { overrideGlobalObjects: false }),
    change: () => {
      server.sendToolListChanged()
      for (const uri of uris) void server.server.sendResourceUpdated({ uri })
      server.sendPromptListChanged()
    },
  }
}

const makeV2 = (guard: Guard): McpServerV2 => {
  const server = new McpServerV2(info, capabilities)
  guard.resource(server, 'vault', 'docs://vault', ofGlobex, () => gold)
  server.registerResource('terms', 'docs://terms', {}, () => gold)
  guard.tool(server, 'secret', ofGlobex, undefined, () => ({ content: [] }))
  guard.prompt(server, 'open', { scope: 'docs:write' }, undefined, () => ({ messages: [] }))
  return server
}

const serveV2 =
  (face: 'fetch' | 'Express') =>
  (guard: Guard): Served => {
    const handler = createMcpHandler(() => makeV2(guard))
    const app = express()
    app.use(guard.express())
    app.all('/mcp', toNodeHandler(handler))
    const onFetch = toNodeHandler({ fetch: guard.fetch(handler.fetch) }) as RequestListener
    return {
      listener: face === 'fetch' ? onFetch : app,
      change: () => {
        handler.notify.toolsChanged()
        for (const uri of uris) handler.notify.resourceUpdated(uri)
        handler.notify.promptsChanged()
      },
    }
  }

const kinds = [
  { name: 'fetch, v1 with a session', serve: serveV1, isListen: false },
  { name: 'fetch, v2', serve: serveV2('fetch'), isListen: true },
  { name: 'Express, v2', serve: serveV2('Express'), isListen: true },
]

const send = (url: string, headers: object, message: Message) =>
  fetch(url, { method: 'POST', headers: { ...message.headers, ...headers }, body: message.body })

const openStream = async (url: string, headers: object, isListen: boolean): Promise<Response> => {
  if (isListen) {
    const changes = { toolsListChanged: true, promptsListChanged: true }
    const notifications = { ...changes, resourceSubscriptions: uris }
    return send(url, headers, rpcRequest('2026-07-28', 'subscriptions/listen', { notifications }))
  }
  const begun = await send(url, headers, opening('2025-11-25'))
  await begun.text()
  const session = { 'mcp-session-id': begun.headers.get('mcp-session-id') ?? '' }
  return fetch(url, { headers: { accept: 'text/event-stream', ...session, ...headers } })
}

/** All that comes until the last change has been told, which is one for everybody. */
const readUntilPrompts = async (answer: Response): Promise<string> => {
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  while (!text.includes('prompts/list_changed')) text += (await reader?.read())?.value ?? ''
  await reader?.cancel()
  return text
}

describe.each(kinds)('$name', ({ serve, isListen }) => {
  const hear = async (tenantId: string): Promise<string> => {
    const { url, use, close } = await open()
    const guard = guardOf({ allowedHosts: 'any' })
    onTestFinished(async () => {
      await guard.close()
      await close()
    })
    const { listener, change } = serve(guard)
    use(listener)
    const answer = await openStream(url, headersOf({ tenantId }), isListen)
    expect(answer.status).toBe(200)
    change()
    return readUntilPrompts(answer)
  }

  test('who does not see a thing does not hear that it has changed', async () => {
    const heard = await hear('acme')
    const told = heard.split('prompts/list_changed')[0]?.replace(/.*acknowledged.*/, '')
    expect(told).not.toContain('docs://vault')
    expect(told).not.toContain('tools/list_changed')
    expect(told).toContain('docs://terms')
  })

  test('who sees it does', async () => {
    const heard = await hear('globex')
    expect(heard).toContain('tools/list_changed')
    expect(heard).toContain('"uri":"docs://vault"')
  })
})

test('events come through as they were, wherever the pieces of a stream end', () => {
  const events = [
    ': hello\n\n',
    'data: {"a":1}\ndata: é\n\n',
    'id: 1\r\ndata: x\r\n\r\n',
    'data: end',
  ]
  const bytes = new TextEncoder().encode(events.join(''))
  for (const size of [1, 2, 3, 7, 1000]) {
    const filter = createEventFilter(() => true)
    let text = ''
    for (let at = 0; at < bytes.length; at += size) text += filter.push(bytes.slice(at, at + size))
    expect(text + filter.flush()).toBe(events.join(''))
  }
})

test('an event that is left out takes none of its neighbours with it', () => {
  const filter = createEventFilter((event) => !event.includes('secret'))
  const text = filter.push('data: one\n\ndata: se') + filter.push('cret\n\ndata: two\n\n')
  expect(text + filter.flush()).toBe('data: one\n\ndata: two\n\n')
})

test('an event that is too long to be a notification is not waited for', () => {
  const filter = createEventFilter(() => false)
  const long = `data: ${'x'.repeat(100_000)}`
  expect(filter.push(long).length).toBeGreaterThan(99_000)
  expect(filter.push('\n\ndata: short\n\n')).toHaveLength(3 + 2)
})
