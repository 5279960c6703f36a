/** The guard as route handlers of Next: `app/mcp/route.ts`, and one for the metadata. */
import type { AuthInfo } from './auth-info.js'
import { withHeaders } from './cors.js'
import type { Gate } from './gate.js'
import { fromFetch } from './guarded-request.js'
import { limitAnswer } from './open-stream.js'

/** A handler such as the `fetch` of `createMcpHandler`; `context` is Next's, with its `params`. */
export type NextHandler<Context> = (
  request: Request,
  options: { authInfo: AuthInfo },
  context: Context,
) => Response | Promise<Response>

export type NextRoute<Context> = (request: Request, context: Context) => Promise<Response>

/** What a `route.ts` exports. */
export interface NextRoutes<Context> {
  GET: NextRoute<Context>
  POST: NextRoute<Context>
  DELETE: NextRoute<Context>
  OPTIONS: NextRoute<Context>
}

export const createNextRoutes = <Context>(
  { enter, challenge, cors, follow }: Gate,
  handler: NextHandler<Context>,
): NextRoutes<Context> => {
  const route: NextRoute<Context> = async (request, context) => {
    const guarded = fromFetch(request)
    const answer = await enter(guarded)
    if (answer instanceof Response) return answer
    const answered =
      (await challenge(request, answer)) ?? (await handler(request, { authInfo: answer }, context))
    const limited = limitAnswer(answered, follow(guarded, answer))
    return withHeaders(limited, cors.headers(guarded))
  }
  return Object.freeze({ GET: route, POST: route, DELETE: route, OPTIONS: route })
}

export interface NextMetadataRoutes {
  GET: (request: Request) => Response
  HEAD: (request: Request) => Response
  OPTIONS: (request: Request) => Response
}

/** For `app/.well-known/oauth-protected-resource/[[...path]]/route.ts`: both locations. */
export const createNextMetadataRoutes = ({ metadata }: Gate): NextMetadataRoutes => {
  const route = (request: Request): Response =>
    metadata(fromFetch(request)) ?? new Response(null, { status: 404 })
  return Object.freeze({ GET: route, HEAD: route, OPTIONS: route })
}
