/** Express middleware, for anything with node's request and response: only headers are read. */
import { isOAuthError } from '@behalf/protocol'
import type { HasHeaders } from './bearer.js'
import type { Caller } from './caller.js'
import { type RouteOptions, toVerifyOptions } from './route.js'
import type { Verifier } from './verifier.js'

export type { RouteOptions } from './route.js'

/** What we need of a request of Express, or of `node:http`. */
export interface ExpressRequest {
  headers: { authorization?: string | undefined }
  /** Each header with all its values: node itself would drop a second Authorization in silence. */
  headersDistinct?: { [name: string]: string[] | undefined }
  caller?: Caller
}

/** What we need of a response. */
export interface ExpressResponse {
  headersSent: boolean
  statusCode: number
  setHeader: (name: string, value: string) => unknown
  end: (body?: string) => unknown
}

type Next = (error?: unknown) => void

export type ExpressMiddleware = (
  request: ExpressRequest,
  response: ExpressResponse,
  next: Next,
) => Promise<void>

export type ExpressErrorMiddleware = (
  error: unknown,
  request: ExpressRequest,
  response: ExpressResponse,
  next: Next,
) => Promise<void>

const headersOf = ({ headers, headersDistinct }: ExpressRequest): HasHeaders => {
  const value = headersDistinct?.authorization?.join(', ') ?? headers.authorization ?? null
  return { headers: { get: () => value } }
}

const send = async (response: ExpressResponse, answer: Response): Promise<void> => {
  const body = await answer.text()
  response.statusCode = answer.status
  answer.headers.forEach((value, name) => {
    response.setHeader(name, value)
  })
  response.end(body)
}

/** Lets in who has a token for this resource: {@link callerOf} then says who it is. */
export const behalf = (verifier: Verifier, options: RouteOptions = {}): ExpressMiddleware => {
  const verifyOptions = toVerifyOptions(options)
  return async function behalf(request, response, next) {
    try {
      request.caller = await verifier.verify(headersOf(request), verifyOptions)
    } catch (error) {
      await send(response, verifier.toResponse(error))
      return
    }
    next()
  }
}

/** Answers what handlers refuse by throwing: a guard, a charge. Goes after the routes. */
export const behalfErrors = (verifier: Verifier): ExpressErrorMiddleware =>
  async function behalfErrors(error, _request, response, next) {
    if (!isOAuthError(error) || response.headersSent) next(error)
    else await send(response, verifier.toResponse(error))
  }

/** The caller that {@link behalf} has verified. @throws TypeError on a route without it */
export const callerOf = (request: object): Caller => {
  const { caller } = request as ExpressRequest
  if (caller) return caller
  throw new TypeError('callerOf: this route has no behalf() before it.')
}
