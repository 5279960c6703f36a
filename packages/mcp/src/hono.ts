/** The guard as middleware of Hono. */
import type { AuthInfo } from './auth-info.js'
import { withHeaders } from './cors.js'
import type { Gate } from './gate.js'
import { fromFetch } from './guarded-request.js'
import { limitAnswer } from './open-stream.js'

/** What is used of Hono's context. */
export interface HonoContext {
  req: { raw: Request }
  set(key: 'auth', value: AuthInfo): void
  get(key: 'auth'): unknown
  header(name: string, value: string): void
  res: Response
}

export type HonoMiddleware = (
  context: HonoContext,
  next: () => Promise<void>,
) => Promise<Response | undefined>

/**
 * Sets `auth`, where `@hono/mcp` looks and what `createMcpHandler` takes:
 * `handler.fetch(c.req.raw, { authInfo: c.get('auth') })`.
 */
export const createHonoMiddleware = ({ enter, challenge, cors, follow }: Gate): HonoMiddleware =>
  async function guard(context, next) {
    const request = fromFetch(context.req.raw)
    const answer = await enter(request)
    if (answer instanceof Response) return answer
    const challenged = await challenge(context.req.raw, answer)
    if (challenged) return withHeaders(challenged, cors.headers(request))
    context.set('auth', answer)
    await next()
    const { res } = context
    const limited = limitAnswer(res, follow(request, answer))
    // Hono writes the headers of the one before into the one that takes its place.
    if (limited !== res) context.res = limited
    // Afterwards: what a handler answers of its own takes the place of what was set before.
    for (const [name, value] of Object.entries(cors.headers(request))) {
      if (context.res.status >= 200 && !context.res.headers.has(name)) context.header(name, value)
    }
    return undefined
  }
