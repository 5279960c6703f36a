/** All that a person's browser meets: the server, an agent that waits to be called back, paid tools. */
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { protectMcp } from '@behalf/mcp/server'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { pino } from 'pino'
import { z } from 'zod'
import { parseConfig } from '../../src/config.js'
import type { Letter } from '../../src/people/mailer.js'
import { startServer } from '../../src/server.js'
import { createPKCE, type PKCE } from '../browser.js'
import { basic, createDatabase, quickPasswords, secretOf, serverSecret } from '../harness.js'

const open = async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    origin: `http://127.0.0.1:${port}`,
    use: (listener: RequestListener) => server.on('request', listener),
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** The agent's own end of the redirect: a page of a program on the person's machine. */
const openAgent = async () => {
  const { origin, use, close } = await open()
  use((_, response) => {
    response.setHeader('Content-Type', 'text/html')
    response.end('<!doctype html><title>Assistant</title><h1>Back at the assistant</h1>')
  })
  return { redirectUri: `${origin}/callback`, close }
}

const deviceCode = 'urn:ietf:params:oauth:grant-type:device_code'

const configOf = (resource: string, redirectUri: string, more: object) => ({
  tenants: [{ tenant_id: 'acme', name: 'Acme', limits: { cost_budget_usd: 100 } }],
  resources: [
    {
      resource,
      tenant_id: 'acme',
      scopes_supported: ['docs:read'],
      scope_descriptions: { 'docs:read': 'Search and read your documents' },
      client_id: 'docs-server',
    },
  ],
  clients: [
    {
      client_id: 'assistant',
      client_name: 'Assistant',
      kind: 'agent',
      tenant_id: 'acme',
      client_secret: secretOf('assistant'),
      grant_types: ['authorization_code', 'refresh_token', deviceCode],
      redirect_uris: [redirectUri],
      scope: 'docs:read',
      resources: [resource],
      agent_limits: { cost_budget_usd: 50 },
    },
    {
      client_id: 'website',
      client_name: 'Notes',
      kind: 'app',
      token_endpoint_auth_method: 'none',
      redirect_uris: ['https://notes.example/callback'],
      scope: 'openid email docs:read',
    },
    {
      client_id: 'docs-server',
      kind: 'resource_server',
      tenant_id: 'acme',
      client_secret: secretOf('docs-server'),
    },
  ],
  people: {
    sign_up: 'open',
    default_tenant_id: 'acme',
    breached_passwords: { enabled: false },
  },
  ...more,
})

/** A search costs 0.80 USD. */
const openTools = (issuer: string, resource: string) => {
  const budget = { clientId: 'docs-server', clientSecret: secretOf('docs-server') }
  const guard = protectMcp({ issuer, resource, scopes: ['docs:read'], budget })
  const rule = { scope: 'docs:read', action: 'docs.search', cost: '0.80' }
  const search = guard.tool(rule, ({ q }: { q: string }) => ({
    content: [{ type: 'text' as const, text: `Found ${q}` }],
  }))
  const make = () => {
    const server = new McpServer({ name: 'docs', version: '1.0.0' })
    server.registerTool('search', { inputSchema: z.object({ q: z.string() }) }, search)
    return server
  }
  // The SDK's own types do not fit node's under exactOptionalPropertyTypes.
  const listener = toNodeHandler({
    fetch: guard.fetch(createMcpHandler(make).fetch),
  }) as RequestListener
  return { guard, listener }
}

/** @param host a name where passkeys are wanted: no browser makes one for an IP address */
export const openWorld = async (more: object = {}, host = '127.0.0.1') => {
  const [tools, agent, database] = await Promise.all([open(), openAgent(), createDatabase()])
  const resource = `${tools.origin}/mcp`
  const letters: Letter[] = []
  const server = await startServer({
    databaseUrl: database.url,
    host,
    port: 0,
    secret: serverSecret,
    config: parseConfig(JSON.stringify(configOf(resource, agent.redirectUri, more)), {}),
    log: pino({ level: 'silent' }),
    passwordCost: quickPasswords,
    mailer: async (letter) => {
      letters.push(letter)
    },
  })
  const { guard, listener } = openTools(server.issuer, resource)
  tools.use(listener)
  return {
    issuer: server.issuer,
    redirectUri: agent.redirectUri,
    resource,
    letters,
    close: async (): Promise<void> => {
      await guard.close()
      await Promise.all([tools.close(), agent.close(), server.close()])
      await database.drop()
    },
  }
}
export type World = Awaited<ReturnType<typeof openWorld>>

/** Where the agent sends the person. */
export const startAuthorization = (
  { issuer, redirectUri, resource }: World,
  client: 'assistant' | 'website' = 'assistant',
) => {
  const pkce = createPKCE()
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: client,
    ...(client === 'assistant' && { redirect_uri: redirectUri }),
    scope: client === 'assistant' ? 'docs:read' : 'openid email docs:read',
    state: 'xyz',
    code_challenge: pkce.challenge,
    code_challenge_method: 'S256',
    resource,
  })
  return { pkce, url: `${issuer}/authorize?${query}` }
}

/** What the agent does with the address that the browser has come back at. */
export const redeemAt = async (
  { issuer, redirectUri }: World,
  address: string,
  { verifier }: PKCE,
): Promise<string> => {
  const code = new URL(address).searchParams.get('code') ?? ''
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { Authorization: basic('assistant') },
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      code,
      redirect_uri: redirectUri,
      code_verifier: verifier,
    }),
  })
  const body = (await response.json()) as { access_token?: string }
  if (body.access_token === undefined) throw new Error(JSON.stringify(body))
  return body.access_token
}

/** The agent at the tools, with nothing but its token. */
export const connectTools = async ({ resource }: World, token: string) => {
  const client = new Client({ name: 'assistant', version: '1.0.0' })
  const requestInit = { headers: { Authorization: `Bearer ${token}` } }
  await client.connect(new StreamableHTTPClientTransport(new URL(resource), { requestInit }))
  return {
    search: (q: string) => client.callTool({ name: 'search', arguments: { q } }),
    close: () => client.close(),
  }
}
