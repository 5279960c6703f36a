/** An MCP server over this repository's documents: one tool is free, the other costs money. */
import { protectMcp } from '@behalf/mcp/server'
import type { Caller } from '@behalf/verifier'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import express from 'express'
import { z } from 'zod'
import { openLibrary, type Passage } from './library.js'
import { agentSettings, readSettings } from './settings.js'

const settings = readSettings(agentSettings.extend({ repository: z.string() }))
const library = openLibrary(settings.repository)

const guard = protectMcp({
  issuer: settings.issuer,
  resource: settings.docs,
  scopes: ['docs:read', 'docs:comment', 'docs:publish'],
  budget: { clientId: settings.clientId, clientSecret: settings.clientSecret },
})

/** Such as `scraper via researcher for orchestrator (acme)`. */
const nameOf = ({ actor, subject, chain, tenantId }: Caller): string => {
  const [, ...lenders] = chain.map(({ sub }) => sub)
  const via = lenders.length > 0 ? ` via ${lenders.join(' via ')}` : ''
  const on = actor === subject ? '' : ` for ${subject}`
  return `${actor}${via}${on} (${tenantId})`
}

const answer = (passages: readonly Passage[], who: Caller) => {
  const caller = nameOf(who)
  const lines = passages.map(({ document, heading, text }) => `${document} › ${heading}: ${text}`)
  const documents = [...new Set(passages.map(({ document }) => document))]
  const text = [`${passages.length} passages for ${caller}`, ...lines].join('\n')
  return { content: [{ type: 'text' as const, text }], structuredContent: { caller, documents } }
}

const noSuchDocument = {
  content: [{ type: 'text' as const, text: 'There is no such document.' }],
  isError: true,
}

const createServer = (): McpServer => {
  const server = new McpServer({ name: 'docs', version: '1.0.0' })
  server.registerTool(
    'search_docs',
    { description: 'Finds passages in the documents.', inputSchema: { query: z.string() } },
    guard.tool({ scope: 'docs:read', action: 'docs.search' }, ({ query }, caller) =>
      answer(library.search(query), caller),
    ),
  )
  server.registerTool(
    'summarize_doc',
    { description: 'Headings and first sentences.', inputSchema: { document: z.string() } },
    guard.tool(
      { scope: 'docs:read', action: 'docs.summarize', cost: '0.04' },
      ({ document }, caller) => {
        const summary = library.summarize(document)
        // An error is not charged.
        return summary ? answer(summary, caller) : noSuchDocument
      },
    ),
  )
  return server
}

const app = express()
app.use(guard.express())
app.post('/mcp', express.json(), async (request, response) => {
  const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true })
  response.on('close', () => transport.close())
  await createServer().connect(transport)
  await transport.handleRequest(request, response, request.body)
})
app.all('/mcp', (_request, response) => {
  response.status(405).end()
})
const { hostname, port, origin } = new URL(settings.docs)
app.listen(Number(port), hostname, () => console.log(`listening on ${origin}`))
