/** 200 callers of two tenants at once: no answer ever shows anything of another's. */

import type { McpServer as McpServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js'
import type { AuthInfo as AuthInfoV2, McpServer as McpServerV2 } from '@modelcontextprotocol/server'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AuthInfo, Guard } from '../src/server.js'
import { createLibraryV1, createLibraryV2, type Library, openLibrary } from './library.js'

const crowd = Array.from({ length: 200 }, (_, index) => `canary-${String(index).padStart(3, '0')}`)
const tenantOf = (name: string) => (Number(name.slice(-3)) % 2 === 0 ? 'acme' : 'globex')

let library: Library
beforeAll(async () => {
  library = await openLibrary(crowd, ['v1', 'v2'])
}, 120_000)
afterAll(() => library.stop())

/** What each of them shall read, and nothing of which anybody else shall. */
const expectOwn = (name: string, said: { whoami: string; tools: string; mine: string }) => {
  const tenant = tenantOf(name)
  const other = tenant === 'acme' ? 'globex' : 'acme'
  expect(said.whoami).toContain(`${name} of ${tenant}`)
  expect(said.mine).toContain(name)
  expect(said.tools).toContain(`"name":"${tenant}"`)
  expect(said.tools).not.toContain(`"name":"${other}"`)
  const all = said.whoami + said.tools + said.mine
  const canaries = new Set(all.match(/canary-\d{3}/g))
  expect([...canaries]).toEqual([name])
}

const message = (method: string, params: object, id: number = 1) => ({
  jsonrpc: '2.0' as const,
  id,
  method,
  params,
})

const requests = {
  whoami: message('tools/call', { name: 'whoami', arguments: {} }),
  tools: message('tools/list', {}),
  mine: message('resources/read', { uri: 'docs://mine' }),
}

const tokensFor = async (url: string) => {
  const tokens = new Map<string, string>()
  for (let start = 0; start < crowd.length; start += 20) {
    const some = crowd.slice(start, start + 20)
    await Promise.all(
      some.map(async (name) => tokens.set(name, await library.auth.token(name, url, 'docs:read'))),
    )
  }
  return tokens
}

describe.each(['v1', 'v2'] as const)('over HTTP, %s', (shelf) => {
  test('every caller reads their own, with the same ids for all', async () => {
    const url = library.url(shelf)
    const tokens = await tokensFor(url)
    const ask = async (name: string, body: object) => {
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          Accept: 'application/json, text/event-stream',
          'Content-Type': 'application/json',
          'MCP-Protocol-Version': '2025-11-25',
          Authorization: `Bearer ${tokens.get(name)}`,
        },
        body: JSON.stringify(body),
      })
      return response.text()
    }
    await Promise.all(
      crowd.map(async (name) => {
        const [whoami, tools, mine] = await Promise.all([
          ask(name, requests.whoami),
          ask(name, requests.tools),
          ask(name, requests.mine),
        ])
        expectOwn(name, { whoami, tools, mine })
      }),
    )
  }, 120_000)
})

/** The part of a transport that a server object sees: messages, each with who sent it. */
const createWire = () => {
  const waiting = new Map<number, (text: string) => void>()
  const transport: {
    onmessage?: (message: never, extra?: never) => void
    onclose?: () => void
    start: () => Promise<void>
    close: () => Promise<void>
    send: (sent: object) => Promise<void>
  } = {
    start: async () => undefined,
    close: async () => transport.onclose?.(),
    send: async (sent) => {
      const id = Number(Reflect.get(sent, 'id'))
      waiting.get(id)?.(JSON.stringify(sent))
    },
  }
  let last = 0
  const ask = (body: object, authInfo: AuthInfo): Promise<string> => {
    last += 1
    const id = last
    return new Promise((resolve) => {
      waiting.set(id, resolve)
      transport.onmessage?.({ ...body, id } as never, { authInfo } as never)
    })
  }
  return { transport, ask }
}

type Wire = ReturnType<typeof createWire>

const servers = [
  {
    generation: 'v1',
    shelf: 'v1',
    connect: async (guard: Guard, { transport }: Wire) => {
      const server: McpServerV1 = createLibraryV1(guard)
      await server.connect(transport as Parameters<McpServerV1['connect']>[0])
    },
  },
  {
    generation: 'v2',
    shelf: 'v2',
    connect: async (guard: Guard, { transport }: Wire) => {
      const server: McpServerV2 = createLibraryV2(guard)
      await server.connect(transport as Parameters<McpServerV2['connect']>[0])
    },
  },
] as const

describe.each(servers)('one server object of $generation', ({ shelf, connect }) => {
  test('that all of them share knows none of them', async () => {
    const guard = library.guard(shelf)
    const wire = createWire()
    await connect(guard, wire)
    const tokens = await tokensFor(library.url(shelf))
    const enter = async (name: string) => {
      const headers = { Authorization: `Bearer ${tokens.get(name)}` }
      const authInfo = await guard.authenticate(new Request(library.url(shelf), { headers }))
      if (authInfo instanceof Response) throw new Error(`kept out: ${authInfo.status}`)
      expect(authInfo satisfies AuthInfoV2).toBeDefined()
      return authInfo
    }
    await Promise.all(
      crowd.map(async (name) => {
        const authInfo = await enter(name)
        const [whoami, tools, mine] = await Promise.all([
          wire.ask(requests.whoami, authInfo),
          wire.ask(requests.tools, authInfo),
          wire.ask(requests.mine, authInfo),
        ])
        expectOwn(name, { whoami, tools, mine })
      }),
    )
  }, 120_000)
})
