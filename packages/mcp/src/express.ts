/** The guard as middleware of Express, and of anything that hands on Node's `req` and `res`. */

import type { Gate } from './gate.js'
import { fromNode, type NodeRequest, type NodeResponse, sendOnNode } from './guarded-request.js'
import { limitNode, type NodeStream } from './open-stream.js'

export type NodeMiddleware = (
  request: NodeRequest,
  response: NodeResponse & NodeStream,
  next: (error?: unknown) => void,
) => Promise<void>

/** Sets `req.auth`, which is where the SDKs of both generations look. */
export const createNodeMiddleware =
  ({ enter, cors, follow }: Gate): NodeMiddleware =>
  async (request, response, next) => {
    try {
      const guarded = fromNode(request)
      const answer = await enter(guarded)
      if (answer instanceof Response) return await sendOnNode(answer, response)
      Object.assign(request, { auth: answer })
      for (const [name, value] of Object.entries(cors.headers(guarded))) {
        response.setHeader(name, value)
      }
      limitNode(response, follow(guarded, answer))
    } catch (error) {
      return next(error)
    }
    // Outside, so that what throws further down is not handed on twice.
    next()
  }
