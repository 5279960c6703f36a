/** What browsers have to be told so that the pages of allowed origins can call. Fetch, "CORS protocol". */
import type { GuardedRequest } from './guarded-request.js'

export interface Cors {
  /** The answer to a browser that asks first. It has no token yet, and needs none for that. */
  preflight(request: GuardedRequest): Response | undefined
  /** For every other answer, the refusals too: without them a page cannot read the challenge. */
  headers(request: Pick<GuardedRequest, 'headers'>): Readonly<Record<string, string>>
}

/** All that clients of either protocol version send; `Last-Event-ID` resumes a stream. */
const sentHeaders = [
  'Accept',
  'Authorization',
  'Content-Type',
  'Last-Event-ID',
  'MCP-Protocol-Version',
  'Mcp-Method',
  'Mcp-Name',
  'Mcp-Session-Id',
].join(', ')

const readHeaders = 'WWW-Authenticate, Retry-After, Mcp-Session-Id, MCP-Protocol-Version'
const maxAgeSeconds = 600
const none: Readonly<Record<string, string>> = Object.freeze({})

/** For one origin and never `*`: who else may read the answer is not for every page to know. */
const forOrigin = (origin: string): Record<string, string> => ({
  'Access-Control-Allow-Origin': origin,
  Vary: 'Origin',
})

const answerPreflight = (origin: string): Response =>
  new Response(null, {
    status: 204,
    headers: {
      ...forOrigin(origin),
      'Access-Control-Allow-Methods': 'GET, POST, DELETE, OPTIONS',
      'Access-Control-Allow-Headers': sentHeaders,
      'Access-Control-Max-Age': String(maxAgeSeconds),
    },
  })

/** @param allowsOrigin the check of the guard: whoever may not call is told nothing here either */
export const createCors = (
  allowsOrigin: (origin: string | null) => boolean,
  enabled: boolean,
): Cors => {
  const allowedOrigin = ({ headers }: Pick<GuardedRequest, 'headers'>): string | undefined => {
    const origin = enabled ? headers.get('origin') : null
    return origin !== null && allowsOrigin(origin) ? origin : undefined
  }
  return {
    preflight: (request) => {
      const origin = allowedOrigin(request)
      const asks = request.headers.get('access-control-request-method') !== null
      return request.method === 'OPTIONS' && asks && origin !== undefined
        ? answerPreflight(origin)
        : undefined
    },
    headers: (request) => {
      const origin = allowedOrigin(request)
      if (origin === undefined) return none
      return { ...forOrigin(origin), 'Access-Control-Expose-Headers': readHeaders }
    },
  }
}

/** The same answer, for the page that asked. What the handler has set itself stays. */
export const withHeaders = (answer: Response, more: Readonly<Record<string, string>>): Response => {
  const missing = Object.entries(more).filter(([name]) => !answer.headers.has(name))
  // `Response.error()` and a switch of protocols are not for copying (Fetch, "initialize a response").
  if (missing.length === 0 || answer.status < 200) return answer
  // A copy: the headers of an answer that was fetched cannot be changed.
  const copy = new Response(answer.body, answer)
  for (const [name, value] of missing) copy.headers.set(name, value)
  return copy
}
