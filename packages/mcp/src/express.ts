/** The guard as middleware of Express, and of anything that hands on Node's `req` and `res`. */
import type { Authenticate, GuardedRequest } from './authenticate.js'

/** What is read of a request. Express and `node:http` both have it; neither is imported. */
export interface NodeRequest {
  method?: string | undefined
  url?: string | undefined
  /** Express: the URL before routers cut off where they are mounted. */
  originalUrl?: string | undefined
  headers: { readonly [name: string]: string | readonly string[] | undefined }
  /** Each header with all its values: Node itself drops a second Authorization in silence. */
  headersDistinct?: { readonly [name: string]: readonly string[] | undefined } | undefined
}

export interface NodeResponse {
  statusCode: number
  setHeader(name: string, value: string): unknown
  end(body?: string): unknown
}

export type NodeMiddleware = (
  request: NodeRequest,
  response: NodeResponse,
  next: (error?: unknown) => void,
) => Promise<void>

/** The path as sent. A `Host`, and the host of a whole URL on the request line, are not looked at. */
const pathOf = (target: string): string => {
  if (target.startsWith('/')) return target.split('?', 1)[0] ?? target
  return URL.canParse(target) ? new URL(target).pathname : target
}

const headerOf = ({ headers, headersDistinct }: NodeRequest, name: string): string | null => {
  const value = headersDistinct?.[name] ?? headers[name]
  return typeof value === 'string' ? value : (value?.join(', ') ?? null)
}

const toGuarded = (request: NodeRequest): GuardedRequest => ({
  method: request.method ?? 'GET',
  pathname: pathOf(request.originalUrl ?? request.url ?? '/'),
  headers: { get: (name) => headerOf(request, name) },
})

export const send = async (answer: Response, response: NodeResponse): Promise<void> => {
  response.statusCode = answer.status
  answer.headers.forEach((value, name) => {
    response.setHeader(name, value)
  })
  response.end(await answer.text())
}

/** Sets `req.auth`, which is where the SDKs of both generations look. */
export const createNodeMiddleware =
  (guard: {
    metadata: (request: GuardedRequest) => Response | undefined
    authenticate: Authenticate
  }): NodeMiddleware =>
  async (request, response, next) => {
    try {
      const guarded = toGuarded(request)
      const answer = guard.metadata(guarded) ?? (await guard.authenticate(guarded))
      if (answer instanceof Response) return await send(answer, response)
      Object.assign(request, { auth: answer })
    } catch (error) {
      return next(error)
    }
    // Outside, so that what throws further down is not handed on twice.
    next()
  }
