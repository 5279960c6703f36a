/** The MCP side of an agent: the SDK's own client, with a `fetch` that brings the lent token along. */
import { type DelegatedToken, isOAuthError } from '@behalf/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { type CallToolResult, CallToolResultSchema } from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'
import type { Outcome } from './task-message.js'

export interface DocsTools {
  searchDocs(query: string): Promise<Outcome>
  summarizeDoc(document: string): Promise<Outcome>
}

const structuredSchema = z.object({
  caller: z.string().optional(),
  documents: z.array(z.string()).optional(),
})

const textOf = ({ content }: CallToolResult): string =>
  content.map((part) => (part.type === 'text' ? part.text : '')).join('\n')

/** A refusal of the authorization server or of the resource is an outcome; anything else is a bug. */
const refusal = (error: unknown) => {
  if (!isOAuthError(error)) throw error
  return { ok: false, text: error.message, reason: error.reason }
}

/** @param fetch `fetch` of a token: the agent's own, or one that it was lent */
export const createDocsTools = (url: string, fetch: DelegatedToken['fetch']): DocsTools => {
  const connect = async (): Promise<Client> => {
    const client = new Client({ name: 'research-team', version: '1.0.0' })
    await client.connect(new StreamableHTTPClientTransport(new URL(url), { fetch }))
    return client
  }
  let connection: Promise<Client> | undefined
  const call = async (tool: string, about: string, args: Record<string, string>) => {
    try {
      connection ??= connect()
      const client = await connection
      const answer = await client.callTool({ name: tool, arguments: args })
      const result = CallToolResultSchema.parse(answer)
      const structured = structuredSchema.parse(result.structuredContent ?? {})
      return { tool, about, ok: result.isError !== true, text: textOf(result), ...structured }
    } catch (error) {
      connection = undefined
      return { tool, about, ...refusal(error) }
    }
  }
  return {
    searchDocs: (query) => call('search_docs', query, { query }),
    summarizeDoc: (document) => call('summarize_doc', document, { document }),
  }
}
