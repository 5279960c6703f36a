/** The few MCP messages that the checks need, in the protocol of 2025 and in that of 2026-07-28. */
import { type Answer, readObject } from './http.js'

export type Era = '2025-11-25' | '2026-07-28'

export interface Message {
  headers: Record<string, string>
  body: string
}

const clientInfo = { name: 'behalf-conformance', version: '1.0.0' }

const accept = {
  accept: 'application/json, text/event-stream',
  'content-type': 'application/json',
}

const envelope = (era: Era): object =>
  era === '2025-11-25'
    ? {}
    : {
        _meta: {
          'io.modelcontextprotocol/protocolVersion': era,
          'io.modelcontextprotocol/clientInfo': clientInfo,
          'io.modelcontextprotocol/clientCapabilities': {},
        },
      }

const modernHeaders = (method: string, name: string | undefined): Record<string, string> => ({
  'mcp-method': method,
  ...(name !== undefined && { 'mcp-name': name }),
})

/** A request, as a client of this protocol sends it. */
export const rpcRequest = (
  era: Era,
  method: string,
  params: Record<string, unknown> = {},
  id = 1,
): Message => ({
  headers: {
    ...accept,
    'mcp-protocol-version': era,
    ...(era !== '2025-11-25' &&
      modernHeaders(method, typeof params.name === 'string' ? params.name : undefined)),
  },
  body: JSON.stringify({ jsonrpc: '2.0', id, method, params: { ...params, ...envelope(era) } }),
})

export const rpcNotification = (era: Era, method: string): Message => ({
  headers: { ...accept, 'mcp-protocol-version': era },
  body: JSON.stringify({ jsonrpc: '2.0', method }),
})

/** What every caller may ask first, whatever else it may do. */
export const opening = (era: Era): Message => {
  if (era !== '2025-11-25') return rpcRequest(era, 'tools/list')
  const { headers, body } = rpcRequest(era, 'initialize', {
    protocolVersion: era,
    capabilities: {},
    clientInfo,
  })
  // Which version it will be is not known before the answer.
  const { 'mcp-protocol-version': _, ...rest } = headers
  return { headers: rest, body }
}

export interface Reply {
  result?: Record<string, unknown> | undefined
  error?: Record<string, unknown> | undefined
}

const objectIn = (value: unknown): Record<string, unknown> | undefined =>
  typeof value === 'object' && value !== null ? { ...value } : undefined

/** The JSON-RPC response in an answer, sent as JSON or as the event of a stream. */
export const readReply = (answer: Answer): Reply | undefined => {
  const streamed = answer.text
    .split('\n')
    .filter((line) => line.startsWith('data:'))
    .map((line) => readObject(line.slice(5)))
  for (const message of [readObject(answer.text), ...streamed]) {
    const [result, error] = [objectIn(message?.result), objectIn(message?.error)]
    if (result || error) return { result, error }
  }
  return undefined
}
