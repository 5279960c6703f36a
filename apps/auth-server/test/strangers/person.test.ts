/** Our own provider for people, in the SDKs of both generations, with the pages and rotation of the server. */

import { type PersonAuthProvider, personAuthProvider } from '@behalf/mcp/client'
import {
  Client as ClientV2,
  StreamableHTTPClientTransport as HttpV2,
} from '@modelcontextprotocol/client'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openPlace, type Place, redirectUri } from './place.js'

let place: Place
beforeAll(async () => {
  place = await openPlace()
})
afterAll(() => place.close())

const info = { name: 'desktop', version: '1.0.0' }

/** One desktop, in as many processes as share what it keeps. */
const createDesktop = (client_id: string) => {
  const kept = new Map<string, string>()
  const pages: URL[] = []
  let late = 0
  let last: Promise<unknown> = Promise.resolve()
  const start = () =>
    personAuthProvider({
      resource: place.resource,
      redirectUrl: redirectUri,
      client: { client_id },
      expectedIssuer: place.issuer,
      maxScope: 'docs:read',
      storage: {
        get: (name) => kept.get(name),
        set: (name, text) => void (text === undefined ? kept.delete(name) : kept.set(name, text)),
      },
      open: (url) => void pages.push(url),
      lock: (_, run) => {
        const turn = last.then(run)
        last = turn.catch(() => undefined)
        return turn
      },
      now: () => Date.now() + late,
    })
  return {
    start,
    pages,
    /** Only its own clock: it thinks that its token is about to expire. */
    wait: (seconds: number) => {
      late += seconds * 1000
    },
  }
}

interface ToolAnswer {
  content: { text?: string }[]
}

const textOf = (answer: unknown): string => (answer as ToolAnswer).content[0]?.text ?? ''

const ways = {
  v1: {
    finish: async (authProvider: PersonAuthProvider, callback: URL) => {
      const { code } = await authProvider.answer(callback)
      await new HttpV1(new URL(place.resource), { authProvider }).finishAuth(code)
    },
    whoami: async (authProvider: PersonAuthProvider) => {
      const client = new ClientV1(info)
      const transport = new HttpV1(new URL(place.resource), { authProvider })
      // The SDK's own class does not fit its interface under exactOptionalPropertyTypes.
      await client.connect(transport as Parameters<ClientV1['connect']>[0])
      const answer = await client.callTool({ name: 'whoami' })
      await client.close()
      return textOf(answer)
    },
  },
  v2: {
    finish: async (authProvider: PersonAuthProvider, callback: URL) => {
      const { params } = await authProvider.answer(callback)
      await new HttpV2(new URL(place.resource), { authProvider }).finishAuth(params)
    },
    whoami: async (authProvider: PersonAuthProvider) => {
      const client = new ClientV2(info)
      await client.connect(new HttpV2(new URL(place.resource), { authProvider }))
      const answer = await client.callTool({ name: 'whoami' })
      await client.close()
      return textOf(answer)
    },
  },
}

test.each([
  ['v1', 'one'],
  ['v2', 'two'],
] as const)(
  '%s: signs in, and renews in many processes without losing anything',
  async (generation, clientId) => {
    const { finish, whoami } = ways[generation]
    const desktop = createDesktop(clientId)
    const first = desktop.start()
    await expect(whoami(first)).rejects.toThrow()
    const [page] = desktop.pages
    if (!page) throw new Error('no page')
    expect(page.searchParams.get('scope')).toBe('docs:read')
    await finish(first, await place.createVisitor().visit(page))
    expect(await whoami(first)).toMatch(new RegExp(`^usr_.+ by ${clientId}$`))

    const before = (await first.tokens())?.access_token
    for (let round = 0; round < 3; round += 1) {
      desktop.wait(895)
      const processes = Array.from({ length: 4 }, () => desktop.start())
      const tokens = await Promise.all(processes.map((one) => one.tokens()))
      expect(new Set(tokens.map((one) => one?.access_token)).size).toBe(1)
      expect(tokens[0]?.access_token).not.toBe(before)
    }
    expect(await whoami(desktop.start())).toMatch(/^usr_/)
    expect(desktop.pages).toHaveLength(1)
  },
  60_000,
)
