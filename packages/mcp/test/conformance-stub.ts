/** A small MCP server that does all of it right, and can be told to do one thing wrong. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { decodeToken, type Members } from '../src/conformance/signing.js'
import { startTestIssuer, type TestIssuer } from '../src/conformance.js'
import { type Guard, protectMcp } from '../src/server.js'
import { open } from './servers.js'

/** One request, as the stub and its faults see it. */
export interface Asked {
  method: string
  path: string
  url: URL
  header: (name: string) => string | undefined
  authorizations: readonly string[]
  body: string
  message: Members
  token: { text: string; header: Members; claims: Members; signature: string } | undefined
  issuer: string
}

export interface Said {
  status: number
  headers: Record<string, string>
  body: string
}

/** What is wrong. Each of them is left out in a server that is right. */
export interface Fault {
  /** Lets in whoever it says so for, unchecked. */
  admits?: (asked: Asked) => boolean
  /** Answers before anybody else has looked. */
  answers?: (asked: Asked) => Promise<Partial<Said> | undefined> | Partial<Said> | undefined
  /** Changes what is said. */
  changes?: (said: Said, asked: Asked) => Partial<Said>
  /** Checks that are left out. */
  lacks?: readonly ('host' | 'two headers' | 'session owner' | 'tool scope' | 'whole words')[]
  revocation?: 'off'
  forwardsToken?: boolean
}

const scopes = ['docs:read', 'docs:write']

const readBody = async (request: IncomingMessage): Promise<string> => {
  let body = ''
  for await (const chunk of request) body += String(chunk)
  return body
}

const parse = (body: string): Members => {
  try {
    return { ...JSON.parse(body) }
  } catch {
    return {}
  }
}

const askedOf = async (request: IncomingMessage, url: string, issuer: string): Promise<Asked> => {
  const authorizations = request.headersDistinct.authorization ?? []
  const text = /^bearer +(\S+)$/i.exec(authorizations[0] ?? '')?.[1]
  const decoded = text === undefined ? undefined : decodeToken(text)
  const body = await readBody(request)
  const full = new URL(request.url ?? '/', url)
  return {
    method: request.method ?? 'GET',
    path: full.pathname,
    url: full,
    header: (name) => request.headersDistinct[name]?.join(', '),
    authorizations,
    body,
    message: parse(body),
    token: text !== undefined && decoded ? { text, ...decoded } : undefined,
    issuer,
  }
}

const toRequest = (asked: Asked): Request => {
  const headers = new Headers()
  for (const name of ['authorization', 'origin']) {
    const value = asked.header(name)
    if (value !== undefined) headers.set(name, value)
  }
  return new Request(asked.url, { method: asked.method, headers })
}

const saidBy = async (response: Response): Promise<Said> => ({
  status: response.status,
  headers: Object.fromEntries(response.headers),
  body: await response.text(),
})

const json = (value: object, headers: Record<string, string> = {}): Said => ({
  status: 200,
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(value),
})

const refused = (status: number, headers: Record<string, string> = {}): Said => ({
  status,
  headers,
  body: '',
})

/** What is known of a caller once it is in. */
interface Entered {
  subject: string
  scope: string
  token: string
}

const createTools = (guard: Guard, fault: Fault, upstreamPort: number) => {
  const mayPublish = ({ scope }: Entered): boolean => {
    if (fault.lacks?.includes('tool scope')) return true
    return fault.lacks?.includes('whole words')
      ? scope.toLowerCase().includes('docs:write')
      : scope.split(' ').includes('docs:write')
  }
  const forward = async ({ token }: Entered): Promise<void> => {
    const authorization = fault.forwardsToken ? `Bearer ${token}` : 'Bearer of-the-server-itself'
    await fetch(`http://127.0.0.1:${upstreamPort}/`, { headers: { authorization } })
  }
  return async (name: unknown, entered: Entered): Promise<Said | undefined> => {
    if (name === 'publish' && !mayPublish(entered)) {
      const metadata = `resource_metadata="${guard.resourceMetadataUrl}"`
      const challenge = `Bearer error="insufficient_scope", scope="docs:write", ${metadata}`
      return refused(403, { 'www-authenticate': challenge })
    }
    if (name === 'forward') await forward(entered)
    return undefined
  }
}

const createMcp = (guard: Guard, fault: Fault, upstreamPort: number) => {
  const owners = new Map<string, string>()
  const callTool = createTools(guard, fault, upstreamPort)
  const begin = ({ subject }: Entered): Record<string, string> => {
    const id = `session-${owners.size}`
    owners.set(id, subject)
    return { 'mcp-session-id': id }
  }
  return async ({ message, method, header }: Asked, entered: Entered): Promise<Said> => {
    if (method !== 'POST') return refused(405)
    if (message.method === 'initialize') {
      const result = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 's' } }
      return json({ jsonrpc: '2.0', id: message.id, result }, begin(entered))
    }
    const owner = owners.get(header('mcp-session-id') ?? '')
    const isOwn = owner === entered.subject || fault.lacks?.includes('session owner')
    if (owner === undefined || !isOwn) return refused(404)
    const { name } = { name: undefined, ...Object(message.params) }
    const no = message.method === 'tools/call' ? await callTool(name, entered) : undefined
    const result = { content: [{ type: 'text', text: 'done' }] }
    return no ?? json({ jsonrpc: '2.0', id: message.id, result })
  }
}

const createDoor = (guard: Guard, fault: Fault, url: string) => {
  return async (asked: Asked): Promise<Entered | Said> => {
    const none: Members = {}
    const { claims, text } = asked.token ?? { claims: none, text: '' }
    const entered = { subject: String(claims.sub), scope: String(claims.scope), token: text }
    if (fault.admits?.(asked)) return entered
    if (asked.header('host') !== new URL(url).host && !fault.lacks?.includes('host')) {
      return refused(403)
    }
    if (asked.authorizations.length > 1 && !fault.lacks?.includes('two headers'))
      return refused(400)
    const one = { ...asked, header: (name: string) => asked.header(name)?.split(', ')[0] }
    const answer = await guard.authenticate(
      toRequest(fault.lacks?.includes('two headers') ? one : asked),
    )
    if (answer instanceof Response) return saidBy(answer)
    return { subject: answer.extra.subject, scope: answer.scopes.join(' '), token: text }
  }
}

const withCors = (said: Said, asked: Asked): Said => {
  const origin = asked.header('origin')
  if (origin !== asked.url.origin) return said
  const cors = {
    'access-control-allow-origin': origin,
    'access-control-expose-headers': 'WWW-Authenticate, Mcp-Session-Id',
  }
  return { ...said, headers: { ...said.headers, ...cors } }
}

const send = (response: ServerResponse, { status, headers, body }: Said): void => {
  // A stream without an end, as a server's stream to its client is.
  const streams = headers['content-type'] === 'text/event-stream'
  response.writeHead(status, headers)
  if (streams) response.flushHeaders()
  else response.end(body)
}

export interface Stub {
  url: string
  issuer: TestIssuer
  upstreamPort: number
  close: () => Promise<void>
}

/** A port that is free now. */
const freePort = async (): Promise<number> => {
  const { url, close } = await open()
  await close()
  return Number(new URL(url).port)
}

export const openStub = async (fault: Fault = {}): Promise<Stub> => {
  const issuer = await startTestIssuer()
  const { url, use, close } = await open()
  const upstreamPort = await freePort()
  const logger = { warn: () => {}, error: () => {} }
  const { revocation } = fault
  const guard = protectMcp({ issuer: issuer.issuer, resource: url, scopes, revocation, logger })
  const [door, mcp] = [createDoor(guard, fault, url), createMcp(guard, fault, upstreamPort)]
  const answer = async (asked: Asked): Promise<Said> => {
    const early = await fault.answers?.(asked)
    if (early) return { status: 200, headers: {}, body: '', ...early }
    const document = guard.metadata(new Request(asked.url, { method: asked.method }))
    if (document) return saidBy(document)
    const entered = await door(asked)
    return 'status' in entered ? entered : mcp(asked, entered)
  }
  use(async (request, response) => {
    const asked = await askedOf(request, url, issuer.issuer)
    const said = withCors(await answer(asked), asked)
    send(response, { ...said, ...fault.changes?.(said, asked) })
  })
  return {
    url,
    issuer,
    upstreamPort,
    close: async () => {
      await guard.close()
      await Promise.all([close(), issuer.close()])
    },
  }
}
