/** An agent calls the tools of a server, with a client of either version of the SDK. */
import { createAgent } from '@behalf/client'
import {
  Client as ClientV2,
  StreamableHTTPClientTransport as HttpV2,
} from '@modelcontextprotocol/client'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'

export interface Tools {
  call: (name: string, args?: Record<string, unknown>) => Promise<Answer>
  close: () => Promise<void>
}

/** What a tool said, as far as it matters here. */
export interface Answer {
  text: string
  isError: boolean
  _meta: Record<string, unknown>
}

const info = { name: 'researcher', version: '1.0.0' }

interface Result {
  [member: string]: unknown
  isError?: boolean | undefined
  _meta?: Record<string, unknown> | undefined
}

const readAnswer = ({ content, isError, _meta }: Result): Answer => {
  const [first] = Array.isArray(content) ? content : []
  return { text: String(first?.text), isError: isError === true, _meta: _meta ?? {} }
}

/** @param issuer the authorization server, exactly as it spells itself */
export const createResearcher = (issuer: string, clientSecret: string) => {
  const agent = createAgent({ issuer, clientId: 'researcher', clientSecret })
  // The agent's own `fetch` brings a token for whatever server it calls, and renews it.
  const { fetch } = agent

  return {
    /** For the test kit, which forges others from it. */
    token: async (resource: string): Promise<string> =>
      (await agent.token({ resource })).accessToken,
    connectV1: async (url: string): Promise<Tools> => {
      const client = new ClientV1(info)
      await client.connect(new HttpV1(new URL(url), { fetch }))
      return {
        call: async (name, args) => readAnswer(await client.callTool({ name, arguments: args })),
        close: () => client.close(),
      }
    },
    connectV2: async (url: string): Promise<Tools> => {
      const client = new ClientV2(info)
      await client.connect(new HttpV2(new URL(url), { fetch }))
      return {
        call: async (name, args) => readAnswer(await client.callTool({ name, arguments: args })),
        close: () => client.close(),
      }
    },
  }
}
