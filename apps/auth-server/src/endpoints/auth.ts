/** What better-auth answers itself: the way back from other sites, and passkeys. */

import type { Handler } from 'hono'
import type { Deps } from '../deps.js'
import type { Env } from '../middleware/env.js'
import { remoteAddress } from '../middleware/remote-address.js'

export const authEndpoint = (deps: Deps): Handler<Env> =>
  async function authEndpoint(c) {
    const address = remoteAddress(c, deps)
    if (c.req.method === 'POST' && address !== undefined) {
      await deps.signIn.limits.count({ kind: 'sign-in', account: 'passkey', address })
    }
    const { status, headers, body } = await deps.people.handle(c.req.raw)
    const answer = new Response(body, { status, headers })
    answer.headers.set('Cache-Control', 'no-store')
    answer.headers.set('X-Content-Type-Options', 'nosniff')
    return answer
  }
