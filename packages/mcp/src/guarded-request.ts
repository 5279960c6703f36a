/** What is looked at in a request, whatever brought it: the Fetch standard, or Node. */

export interface GuardedRequest {
  method: string
  pathname: string
  /** What the client calls this server; `null` where it did not say. */
  host: string | null
  headers: { get: (name: string) => string | null }
}

/** What is read of Node's request. Frameworks on Node have it; none is imported. */
export interface NodeRequest {
  method?: string | undefined
  url?: string | undefined
  /** Express and Fastify: the URL before routers cut off where they are mounted. */
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

/** Servers of the Fetch standard have the host in the URL where they leave the header out. */
export const fromFetch = ({ method, url, headers }: Request): GuardedRequest => {
  const { pathname, host } = new URL(url)
  return { method, pathname, host: headers.get('host') ?? host, headers }
}

/** The path as sent. The host of a whole URL on the request line is not looked at. */
const pathOf = (target: string): string => {
  if (target.startsWith('/')) return target.split('?', 1)[0] ?? target
  return URL.canParse(target) ? new URL(target).pathname : target
}

const headerOf = ({ headers, headersDistinct }: NodeRequest, name: string): string | null => {
  const value = headersDistinct?.[name] ?? headers[name]
  return typeof value === 'string' ? value : (value?.join(', ') ?? null)
}

export const fromNode = (request: NodeRequest): GuardedRequest => ({
  method: request.method ?? 'GET',
  pathname: pathOf(request.originalUrl ?? request.url ?? '/'),
  // HTTP/2 has it under another name.
  host: headerOf(request, 'host') ?? headerOf(request, ':authority'),
  headers: { get: (name) => headerOf(request, name) },
})

export const sendOnNode = async (answer: Response, response: NodeResponse): Promise<void> => {
  response.statusCode = answer.status
  answer.headers.forEach((value, name) => {
    response.setHeader(name, value)
  })
  response.end(await answer.text())
}
