/** What better-auth answers itself: the way back from other sites, and passkeys. */

import type { Handler } from 'hono'
import type { Deps } from '../deps.js'
import type { Env } from '../middleware/env.js'
import { remoteAddress } from '../middleware/remote-address.js'

/** A new passkey that does not verify: better-auth calls that a failure of its own. */
const statusOf = async (answer: Response): Promise<number> => {
  if (answer.status !== 500) return answer.status
  const text = await answer.clone().text()
  return text.includes('"FAILED_TO_VERIFY_REGISTRATION"') ? 400 : 500
}

export const authEndpoint = (deps: Deps): Handler<Env> =>
  async function authEndpoint(c) {
    const address = remoteAddress(c, deps)
    if (c.req.method === 'POST' && address !== undefined) {
      await deps.signIn.limits.count({ kind: 'sign-in', account: 'passkey', address })
    }
    const handled = await deps.people.handle(c.req.raw)
    const status = await statusOf(handled)
    const { headers, body } = handled
    const answer = new Response(body, { status, headers })
    answer.headers.set('Cache-Control', 'no-store')
    answer.headers.set('X-Content-Type-Options', 'nosniff')
    return answer
  }
