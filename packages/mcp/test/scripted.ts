/** An authorization server and an MCP server that say what a test wants them to say, and keep a log. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { type Agent, createAgent } from '@behalf/client'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { open } from './servers.js'

export const secret = 'sekrit-of-the-agent-under-test'

export interface Seen {
  url: string
  method: string
  headers: IncomingMessage['headers']
  body: string
}

interface Answer {
  status?: number
  headers?: Record<string, string>
  /** Text is sent as it is. */
  body?: unknown
}

const readBody = async (request: IncomingMessage): Promise<string> => {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts).toString('utf8')
}

const send = (response: ServerResponse, { status = 200, headers = {}, body }: Answer): void => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(typeof body === 'string' ? body : JSON.stringify(body))
}

const openLogged = async () => {
  const seen: Seen[] = []
  const answers = new Map<string, (request: Seen) => Answer>()
  const place = await open()
  const origin = new URL(place.url).origin
  const serve = (otherwise: RequestListener): void => {
    place.use(async (request, response) => {
      const path = (request.url ?? '').replace(/\?.*/, '')
      const { method = '', headers } = request
      const entry = { url: `${origin}${request.url}`, method, headers, body: '' }
      seen.push(entry)
      const answer = answers.get(path)
      if (!answer) return otherwise(request, response)
      entry.body = await readBody(request)
      send(response, answer(entry))
    })
  }
  return { ...place, origin, seen, answers, serve }
}

const createTools = (): McpServer => {
  const server = new McpServer({ name: 'docs', version: '1.0.0' })
  server.registerTool('read', {}, () => ({ content: [{ type: 'text', text: 'read' }] }))
  return server
}

/** Answers a request that the MCP server shall not see; `undefined` lets it through. */
type Gate = (authorization: string | undefined) => Answer | undefined

export const unauthorized = (challenge: string): Answer => ({
  status: 401,
  headers: { 'www-authenticate': challenge },
  body: {},
})

export const forbidden = (scope: string): Answer => ({
  status: 403,
  headers: { 'www-authenticate': `Bearer error="insufficient_scope", scope="${scope}"` },
  body: {},
})

const startResourceServer = async (issuer: string) => {
  const place = await openLogged()
  const resource = place.url
  const script: { gate: Gate; prm: object } = {
    gate: (authorization) =>
      authorization === undefined ? unauthorized('Bearer scope="docs:read"') : undefined,
    prm: { resource, authorization_servers: [issuer] },
  }
  const mcp = toNodeHandler(createMcpHandler(createTools)) as RequestListener
  place.answers.set('/.well-known/oauth-protected-resource/mcp', () => ({ body: script.prm }))
  place.serve((request, response) => {
    if (!request.url?.startsWith('/mcp')) return send(response, { status: 404, body: {} })
    const answer = script.gate(request.headers.authorization)
    return answer ? send(response, answer) : mcp(request, response)
  })
  const authorizations = (): (string | undefined)[] =>
    place.seen.map(({ headers }) => headers.authorization)
  return { resource, script, seen: place.seen, authorizations, close: place.close }
}

const startAuthorizationServer = async () => {
  const place = await openLogged()
  const issuer = place.origin
  const script: {
    metadata: unknown
    /** Not where RFC 8414 has it, but where OpenID Connect does. */
    isOpenId: boolean
    token: (form: URLSearchParams) => Answer
  } = {
    isOpenId: false,
    metadata: {
      issuer,
      token_endpoint: `${issuer}/token`,
      authorization_endpoint: `${issuer}/authorize`,
      response_types_supported: ['code'],
    },
    token: (form) => ({
      body: {
        access_token: `token-${tokenRequests().length}`,
        token_type: 'Bearer',
        expires_in: 300,
        scope: form.get('scope') ?? 'docs:read docs:write admin',
      },
    }),
  }
  const tokenRequests = () =>
    place.seen
      .filter(({ url }) => url === `${issuer}/token`)
      .map(({ body, headers }) => ({ form: new URLSearchParams(body), headers }))
  const metadataAt = (isOpenId: boolean) => (): Answer =>
    script.isOpenId === isOpenId ? { body: script.metadata } : { status: 404, body: {} }
  place.answers.set('/.well-known/oauth-authorization-server', metadataAt(false))
  place.answers.set('/.well-known/openid-configuration', metadataAt(true))
  place.answers.set('/token', ({ body }) => script.token(new URLSearchParams(body)))
  place.serve((_, response) => send(response, { status: 404, body: {} }))
  return { issuer, script, seen: place.seen, tokenRequests, close: place.close }
}

export interface Scripted {
  as: Awaited<ReturnType<typeof startAuthorizationServer>>
  rs: Awaited<ReturnType<typeof startResourceServer>>
  /** Where nothing may ever arrive. */
  evil: { origin: string; seen: readonly Seen[] }
  agent: Agent
  stop: () => Promise<void>
}

export const startScripted = async (): Promise<Scripted> => {
  const evil = await openLogged()
  evil.serve((_, response) => send(response, { body: {} }))
  const as = await startAuthorizationServer()
  const rs = await startResourceServer(as.issuer)
  return {
    as,
    rs,
    evil,
    agent: createAgent({ issuer: as.issuer, clientId: 'agent', clientSecret: secret }),
    stop: async () => {
      await Promise.all([as.close(), rs.close(), evil.close()])
    },
  }
}
