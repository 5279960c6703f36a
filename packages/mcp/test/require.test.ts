/** Scopes that one route or one tool needs, before the real frameworks. */
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { expect, test } from 'vitest'
import { guardOf, headersOf, letIn, options } from './known-callers.js'
import { open } from './servers.js'

const guard = guardOf({ scopes: 'docs:read', allowedHosts: 'any' })
const needs = guard.require('docs:write', 'docs:read')

const both = headersOf({ scope: ['docs:read', 'docs:write'] })
const one = headersOf({ scope: ['docs:write'] })
const metadata = 'https://api.example/.well-known/oauth-protected-resource/mcp'

const expectRefusal = ({ status, headers }: Response) => {
  expect(status).toBe(403)
  const challenge = headers.get('www-authenticate')
  expect(challenge).toMatch(/^Bearer error="insufficient_scope"/)
  // All of the operation, had or not.
  expect(challenge).toContain('scope="docs:write docs:read"')
  expect(challenge).toContain(`resource_metadata="${metadata}"`)
}

const onHono = () => {
  const app = new Hono()
  app.use(guard.hono())
  app.get('/chained', guard.require('docs:write', 'docs:read').hono(), (c) => c.text('in'))
  const routed = new Hono().get('/routed', guard.hono({ scope: 'docs:write docs:read' }), (c) =>
    c.text('in'),
  )
  return async (path: string, headers: HeadersInit) =>
    (path === '/routed' ? routed : app).request(`https://api.example${path}`, { headers })
}

const onExpress = async () => {
  const app = express()
  const inside = (_: unknown, response: { end: (text: string) => void }) => response.end('in')
  app.get('/routed', guard.express({ scope: ['docs:write', 'docs:read'] }), inside)
  app.get('/chained', guard.express(), needs.express(), inside)
  const { url, use, close } = await open()
  use(app)
  const ask = (path: string, headers: HeadersInit) => fetch(new URL(path, url), { headers })
  return { ask, close }
}

const onFastify = async () => {
  const app = fastify()
  const routed = { onRequest: guard.fastify({ scope: 'docs:write docs:read' }) }
  app.get('/routed', routed, async () => 'in')
  app.get('/chained', { onRequest: [guard.fastify(), needs.fastify()] }, async () => 'in')
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  const ask = (path: string, headers: HeadersInit) => fetch(address + path, { headers })
  return { ask, close: () => app.close() }
}

const frameworks = [
  ['Hono', async () => ({ ask: onHono(), close: async () => {} })],
  ['Express', onExpress],
  ['Fastify', onFastify],
] as const

test.each(frameworks)('a route of %s lets in who has all of it', async (_, start) => {
  const { ask, close } = await start()
  for (const path of ['/routed', '/chained']) {
    expect(await (await ask(path, both)).text()).toBe('in')
    expectRefusal(await ask(path, one))
  }
  await close()
})

test('a fetch handler and a route of Next may need more too', async () => {
  const handler = () => new Response('in')
  const scope = 'docs:write docs:read'
  const faces = [guard.fetch(handler, { scope }), guard.next(handler, { scope }).POST]
  for (const face of faces) {
    const ask = (headers: HeadersInit) => face(new Request(options.resource, { headers }), {})
    expect(await (await ask(both)).text()).toBe('in')
    expectRefusal(await ask(one))
  }
})

test('who did not come through the guard has no scope, whatever is said of them', async () => {
  const authInfo = await letIn(guardOf(), { scope: ['docs:read', 'docs:write'] })
  const claimed = { scopes: ['docs:read', 'docs:write'], extra: {} }
  const copied = { ...authInfo, extra: { caller: { ...authInfo.extra.caller } } }
  for (const stranger of [authInfo, claimed, copied, undefined]) {
    const answer = needs.refuse(stranger)
    if (!answer) throw new Error('let in')
    expectRefusal(answer)
    expect(needs({ authInfo: stranger })?.scopes).toEqual(['docs:write', 'docs:read'])
  }
})

test('what a handler does to the list of scopes changes nothing', async () => {
  const authInfo = await letIn(guard, { scope: ['docs:read'] })
  authInfo.scopes.push('docs:write')
  expect(needs.refuse(authInfo)?.status).toBe(403)
})

test.each(['docs:writer', 'xdocs:write', 'DOCS:WRITE', 'docs:*', 'docs'])(
  'words are whole: %s is not docs:write',
  async (word) => {
    const authInfo = await letIn(guard, { scope: [word, 'docs:read'] })
    expect(needs.refuse(authInfo)?.status).toBe(403)
  },
)
