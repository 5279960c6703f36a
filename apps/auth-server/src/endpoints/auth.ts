/** What better-auth answers itself: the way back from other sites, and passkeys. */
import { OAuthError } from '@behalf/protocol'
import type { Context, Handler } from 'hono'
import type { Deps } from '../deps.js'
import type { Env } from '../middleware/env.js'
import { readText } from '../middleware/read-body.js'
import { addressOf } from './person-page.js'

/** Escaped, in JSON or in a form: no database takes it. */
const nul = /\\u0000|%00/i

/** better-auth would read a body to its end, however far that is. */
const boundedRequest = async (c: Context<Env>): Promise<Request> => {
  const { url, method, headers } = c.req.raw
  if (method !== 'POST') return c.req.raw
  const body = await readText(c)
  if (!nul.test(body)) return new Request(url, { method, headers, body })
  throw new OAuthError('invalid_request', {
    description: 'The body holds a control character.',
    reason: 'control_character',
  })
}

/** Each of these makes a row or looks for one. The way back from elsewhere was counted on the way there. */
const isCounted = ({ req }: Context): boolean =>
  req.method === 'POST' || req.path.includes('/passkey/')

/** A new passkey that does not verify: better-auth calls that a failure of its own. */
const statusOf = async (answer: Response): Promise<number> => {
  if (answer.status !== 500) return answer.status
  const text = await answer.clone().text()
  return text.includes('"FAILED_TO_VERIFY_REGISTRATION"') ? 400 : 500
}

export const authEndpoint = (deps: Deps): Handler<Env> =>
  async function authEndpoint(c) {
    if (isCounted(c)) {
      const address = addressOf(c, deps)
      await deps.signIn.limits.count({ kind: 'sign-in', account: undefined, address })
    }
    const handled = await deps.people.handle(await boundedRequest(c))
    const status = await statusOf(handled)
    const { headers, body } = handled
    const answer = new Response(body, { status, headers })
    answer.headers.set('Cache-Control', 'no-store')
    answer.headers.set('X-Content-Type-Options', 'nosniff')
    return answer
  }
