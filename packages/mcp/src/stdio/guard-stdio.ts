/** A server on stdio behind the guard: one caller, verified for every request all the same. */
import { isOAuthError, OAuthError, oauthErrorFromBody } from '@behalf/protocol'
import type { AuthInfo } from '../auth-info.js'

/** What is used of a guard. */
export interface StdioGuard {
  readonly resourceUrl: string
  authenticate(request: Request): Promise<AuthInfo | Response>
}

export interface GuardStdioOptions {
  guard: StdioGuard
  /** The token of the caller, as `tokenFromEnvironment` gives it. Asked for each request. */
  token: () => Promise<string>
}

interface Refusal {
  jsonrpc: '2.0'
  id: string | number
  error: { code: number; message: string; data: Record<string, unknown> }
}

/** What is used of a transport, in both generations. */
interface Transport {
  send(message: Refusal): Promise<void>
}

/** JSON-RPC 2.0 §5.1 leaves these numbers to servers. */
const refusedCode = -32_003

type Deliver = (message: unknown, extra?: unknown) => void

type Authenticate = () => Promise<AuthInfo>

/** The caller now, or an error that says why there is none. */
const createAuthenticate =
  ({ guard, token }: GuardStdioOptions): Authenticate =>
  async () => {
    const headers = { authorization: `Bearer ${await token()}` }
    const answer = await guard.authenticate(new Request(guard.resourceUrl, { headers }))
    if (!(answer instanceof Response)) return answer
    throw oauthErrorFromBody(answer.status, await answer.json().catch(() => undefined))
  }

/** An error of ours in words for the client; of anything else nothing is told. */
const toRefusal = (id: string | number, error: unknown): Refusal => {
  const ours = isOAuthError(error) ? error : new OAuthError('temporarily_unavailable')
  const { code, description, reason } = ours
  const data = { error: code, ...(reason !== undefined && { error_detail: reason }) }
  return { jsonrpc: '2.0', id, error: { code: refusedCode, message: description ?? code, data } }
}

const isRequest = (message: unknown): message is { id: string | number } =>
  typeof message === 'object' &&
  message !== null &&
  'method' in message &&
  'id' in message &&
  (typeof message.id === 'string' || typeof message.id === 'number')

const withAuthInfo = (extra: unknown, authInfo: AuthInfo): object => ({
  ...(typeof extra === 'object' ? extra : {}),
  authInfo,
})

/** One after the other, so that nothing overtakes. Answers and notifications ask for nothing. */
const createReceive = (transport: Transport, authenticate: Authenticate, deliver: Deliver) => {
  let last: Promise<void> = Promise.resolve()
  const receive: Deliver = async (message, extra) => {
    if (!isRequest(message)) return deliver(message, extra)
    let authInfo: AuthInfo
    try {
      authInfo = await authenticate()
    } catch (error) {
      return transport.send(toRefusal(message.id, error))
    }
    deliver(message, withAuthInfo(extra, authInfo))
  }
  return (message: unknown, extra?: unknown): void => {
    // A transport that is gone cannot be told.
    last = last.then(() => receive(message, extra)).catch(() => undefined)
  }
}

/** The same transport, whose messages come with their caller. */
const guarded = (transport: Transport, authenticate: Authenticate): Transport => {
  let handler: unknown
  const deliver: Deliver = (message, extra) => {
    if (typeof handler === 'function') handler(message, extra)
  }
  const receive = createReceive(transport, authenticate, deliver)
  return new Proxy(transport, {
    get: (target, name) => {
      if (name === 'onmessage') return handler
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
    set: (target, name, value) => {
      if (name !== 'onmessage') return Reflect.set(target, name, value, target)
      handler = value
      return Reflect.set(target, name, receive, target)
    },
  })
}

/** What is used of Node's `process`, where there is one. */
interface Program {
  stdin: unknown
  stderr: { write(text: string): unknown }
  exit(code: number): never
}

const isProgram = (value: unknown): value is Program =>
  typeof value === 'object' &&
  value !== null &&
  'stdin' in value &&
  'stderr' in value &&
  'exit' in value

/** The program whose own standard input this transport reads: it is nothing but this server. */
const programOf = (transport: Transport): Program | undefined => {
  const program: unknown = Reflect.get(globalThis, 'process')
  if (!isProgram(program)) return undefined
  return Reflect.get(transport, '_stdin') === program.stdin ? program : undefined
}

/** For whoever has written the credentials, not for who has written the server. */
const sentenceOf = (error: unknown): string => {
  if (!isOAuthError(error)) return 'This server did not start: its token cannot be had right now.'
  const { code, description } = error
  return `This server did not start, since its credentials are not good: ${description ?? code} (${code})`
}

/**
 * Gives every request on stdio its caller, so that guarded tools work there as they do over HTTP. The
 * caller is verified before the server connects, and again for every request: a token that has been
 * revoked is refused from then on. Of a request that is refused, the client gets a JSON-RPC error. A
 * program that reads its own standard input and has no good token says so in one sentence, and exits 1.
 *
 * @returns the same server
 */
export const guardStdio = <Server extends { connect(transport: never): Promise<void> }>(
  server: Server,
  options: GuardStdioOptions,
): Server => {
  const authenticate = createAuthenticate(options)
  const { connect } = server
  Object.defineProperty(server, 'connect', {
    value: async (transport: Transport): Promise<void> => {
      await authenticate().catch((error: unknown) => {
        const program = programOf(transport)
        if (!program) throw error
        program.stderr.write(`${sentenceOf(error)}\n`)
        program.exit(1)
      })
      await Reflect.apply(connect, server, [guarded(transport, authenticate)])
    },
  })
  return server
}
