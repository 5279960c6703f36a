/** What every face of the guard stands on: in with a caller, or out with an answer. */
import type { AuthInfo } from './auth-info.js'
import type { Cors } from './cors.js'
import type { GuardedRequest } from './guarded-request.js'
import type { Streams } from './streams.js'

export interface Gate {
  /** The metadata, the caller, or the answer that turns it away. It never throws. */
  enter: (request: GuardedRequest) => Promise<AuthInfo | Response>
  /** For faces that have the request itself: the 403 of a tool that the caller lacks the scope of. */
  challenge: (
    request: Request,
    authInfo: AuthInfo,
    parsedBody?: unknown,
  ) => Promise<Response | undefined>
  metadata: (request: Pick<GuardedRequest, 'method' | 'pathname'>) => Response | undefined
  cors: Cors
  /** For every answer that stays open: it ends when its token does. */
  follow: Streams['follow']
}
