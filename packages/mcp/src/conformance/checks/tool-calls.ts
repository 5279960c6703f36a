/** A call of a tool, with all that goes before it in either protocol. */
import type { Answer } from '../http.js'
import { opening, type Reply, readReply, rpcNotification, rpcRequest } from '../rpc.js'
import type { Target } from '../target.js'

export interface Session {
  answer: Answer
  /** To go with what follows. Empty where the server keeps no sessions. */
  headers: Record<string, string>
}

/** RFC 9110 §5.5 apart: what the server says comes back in a header, so it must fit into one. */
const sessionIn = (answer: Answer): Record<string, string> => {
  const id = answer.header('mcp-session-id')
  return id !== undefined && /^[\x21-\x7e]{1,1024}$/.test(id) ? { 'mcp-session-id': id } : {}
}

export const openSession = async (target: Target, token: string): Promise<Session> => {
  const era = await target.era()
  const answer = await target.call({ token, message: opening(era) })
  const headers = sessionIn(answer)
  if ('mcp-session-id' in headers) {
    await target.call({
      token,
      headers,
      message: rpcNotification(era, 'notifications/initialized'),
    })
  }
  return { answer, headers }
}

export interface ToolAnswer {
  answer: Answer
  reply: Reply | undefined
}

export const callTool = async (
  target: Target,
  token: string,
  { name, arguments: args = {} }: { name: string; arguments?: Record<string, unknown> | undefined },
): Promise<ToolAnswer> => {
  const session = await openSession(target, token)
  // Who may not even open a session has had the answer already.
  if (session.answer.status >= 400) {
    return { answer: session.answer, reply: readReply(session.answer) }
  }
  const message = rpcRequest(await target.era(), 'tools/call', { name, arguments: args }, 2)
  const answer = await target.call({ token, headers: session.headers, message })
  return { answer, reply: readReply(answer) }
}

/** The tool ran, and did not say no. */
export const hasRun = ({ answer, reply }: ToolAnswer): boolean =>
  answer.status === 200 && reply?.result !== undefined && reply.result.isError !== true

/** MCP structured authorization denials (SEP-2643). */
export const denialIn = ({ reply }: ToolAnswer): Record<string, unknown> | undefined => {
  const meta = { ...Object(reply?.result?._meta) }
  const denial: unknown = meta['io.modelcontextprotocol/authorization']
  return typeof denial === 'object' && denial !== null ? { ...denial } : undefined
}

const textOf = ({ reply }: ToolAnswer): string => {
  const content = reply?.result?.content
  const [first] = Array.isArray(content) ? content : []
  return String(first?.text ?? reply?.error?.message ?? '').slice(0, 120)
}

export const shownTool = (call: ToolAnswer): string => {
  const { answer, reply } = call
  if (answer.status !== 200) return `status ${answer.status}`
  const kind = reply?.error ? 'a JSON-RPC error' : reply?.result?.isError ? 'isError' : 'a result'
  return `${kind}: ${textOf(call)}`
}
