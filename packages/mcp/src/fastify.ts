/** The guard as a hook of Fastify. */
import type { AuthInfo } from './auth-info.js'
import type { Gate } from './gate.js'
import { fromNode, type NodeRequest } from './guarded-request.js'
import { limitNode, type NodeStream } from './open-stream.js'

/** What is used of Fastify's request. */
export interface FastifyRequest {
  raw: NodeRequest
  originalUrl: string
}

/** What is used of Fastify's reply. */
export interface FastifyReply {
  raw: NodeStream & { setHeader(name: string, value: string): unknown }
  code(status: number): unknown
  header(name: string, value: string): unknown
  send(body?: string): unknown
}

export type FastifyHook = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>

/** Fastify goes on to the handler unless the hook has sent something, and returns what it sent by. */
export const sendOnFastify = async (answer: Response, reply: FastifyReply): Promise<unknown> => {
  reply.code(answer.status)
  answer.headers.forEach((value, name) => {
    reply.header(name, value)
  })
  reply.send(await answer.text())
  return reply
}

const assign = (request: FastifyRequest, auth: AuthInfo): void => {
  Object.assign(request, { auth })
  // `toNodeHandler` and the transports of v1 are given Node's request, and look there.
  Object.assign(request.raw, { auth })
}

/** `onRequest` comes before the body is read: nothing of a stranger is parsed. */
export const createFastifyHook =
  ({ enter, cors, follow }: Gate): FastifyHook =>
  async (request, reply) => {
    const guarded = fromNode({ ...nodeParts(request.raw), originalUrl: request.originalUrl })
    const answer = await enter(guarded)
    if (answer instanceof Response) return sendOnFastify(answer, reply)
    assign(request, answer)
    // On Node's response, so that they are there too when the SDK writes to it by itself.
    for (const [name, value] of Object.entries(cors.headers(guarded))) {
      reply.raw.setHeader(name, value)
    }
    limitNode(reply.raw, follow(guarded, answer))
    return undefined
  }

/** One by one: they are getters of Node's class, which spreading does not see. */
const nodeParts = ({ method, url, headers, headersDistinct }: NodeRequest): NodeRequest => ({
  method,
  url,
  headers,
  headersDistinct,
})
