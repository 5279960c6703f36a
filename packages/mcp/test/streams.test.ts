/** Streams that stay open, behind every face: they end with the token that they were asked for with. */
import type { RequestListener } from 'node:http'
import { McpServer as McpServerV2 } from '@modelcontextprotocol/server'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type Message, opening, rpcRequest } from '../src/conformance/rpc.js'
import { startTestIssuer, type TestIssuer } from '../src/conformance.js'
import { type Guard, protectMcp } from '../src/server.js'
import { faces } from './faces.js'
import { open, serveV2, serveV2OnExpress } from './servers.js'

/** One clock for the issuer and the servers. */
let ahead = 0
const now = () => Date.now() + ahead

const pollSeconds = 0.02
/** With room for clocks that differ. */
const lifetimeMs = 320_000

const listening = (guard: Guard): McpServerV2 => {
  const server = new McpServerV2({ name: 'docs', version: '1.0.0' })
  guard.tool(server, 'whoami', {}, undefined, () => ({ content: [] }))
  return server
}

interface Kind {
  name: string
  serve: (guard: Guard) => RequestListener | Promise<RequestListener>
  opens: 'session' | 'listen'
}

const kinds: readonly Kind[] = [
  ...faces
    .filter(({ generation, hasSessions }) => hasSessions || generation === 'v2')
    .map(({ name, serve, hasSessions }): Kind => {
      return { name, serve, opens: hasSessions ? 'session' : 'listen' }
    }),
  { name: 'fetch, v2', serve: (guard) => serveV2(guard, () => listening(guard)), opens: 'listen' },
  {
    name: 'Express, v2',
    serve: (guard) => serveV2OnExpress(guard, () => listening(guard)),
    opens: 'listen',
  },
]

let issuer: TestIssuer
beforeAll(async () => {
  issuer = await startTestIssuer({ now })
})
afterAll(() => issuer.close())

const start = async ({ serve }: Kind, more: { revocation?: 'off' } = {}) => {
  const { url, use, close } = await open()
  let polls = 0
  const guard = protectMcp({
    issuer: issuer.issuer,
    resource: url,
    now,
    pollSeconds,
    fetch: (input, init) => {
      if (String(input).endsWith('/revocations') || String(input).includes('/revocations?'))
        polls += 1
      return fetch(input, init)
    },
    ...more,
  })
  use(await serve(guard))
  onTestFinished(async () => {
    await guard.close()
    await close()
  })
  return { url, polls: () => polls }
}

const send = (url: string, token: string, { headers, body }: Message) =>
  fetch(url, {
    method: 'POST',
    headers: { ...headers, authorization: `Bearer ${token}` },
    body,
  })

const openSession = async (url: string, token: string): Promise<Response> => {
  const begun = await send(url, token, opening('2025-11-25'))
  await begun.text()
  return fetch(url, {
    headers: {
      accept: 'text/event-stream',
      authorization: `Bearer ${token}`,
      'mcp-session-id': begun.headers.get('mcp-session-id') ?? '',
      'mcp-protocol-version': '2025-11-25',
    },
  })
}

const listen = (url: string, token: string): Promise<Response> => {
  const notifications = { toolsListChanged: true }
  return send(url, token, rpcRequest('2026-07-28', 'subscriptions/listen', { notifications }))
}

const openStream = async ({ opens }: Kind, url: string) => {
  const token = await issuer.good({ resource: url, scope: [] })
  const answer = await (opens === 'session' ? openSession : listen)(url, token)
  expect(answer.status).toBe(200)
  expect(answer.headers.get('content-type')).toContain('text/event-stream')
  const reader = answer.body?.getReader()
  if (!reader) throw new Error('there is no stream')
  let isOpen = true
  /** However it ends: by itself, or cut off. */
  const over = (async () => {
    try {
      while (!(await reader.read()).done);
    } catch {
      // As when the server has gone.
    }
    isOpen = false
  })()
  return { token, over, isOpen: () => isOpen, cancel: () => reader.cancel() }
}

const until = async (isSo: () => boolean): Promise<void> => {
  await expect.poll(isSo, { timeout: 10_000, interval: 10 }).toBe(true)
}

describe.each(kinds)('$name', (kind) => {
  test('a stream ends when its token has expired', async () => {
    const { url } = await start(kind, { revocation: 'off' })
    const { over } = await openStream(kind, url)
    ahead += lifetimeMs
    await over
  })

  test('a stream ends when its token is revoked, and not before, and others go on', async () => {
    const { url, polls } = await start(kind)
    const [revoked, other] = [await openStream(kind, url), await openStream(kind, url)]
    const before = polls()
    await until(() => polls() > before + 2)
    expect([revoked.isOpen(), other.isOpen()]).toEqual([true, true])
    await issuer.revoke(revoked.token)
    await revoked.over
    expect(other.isOpen()).toBe(true)
    await other.cancel()
  })
})
