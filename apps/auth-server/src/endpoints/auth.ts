/** What better-auth answers itself: the way back from other sites, and passkeys. */
import { OAuthError } from '@behalf/protocol'
import type { Context, Handler } from 'hono'
import type { Deps } from '../deps.js'
import type { Env } from '../middleware/env.js'
import { readText } from '../middleware/read-body.js'
import { addressOf } from './person-page.js'

/** Escaped, in JSON or in a form: no database takes it. */
const nul = /\\u0000|%00/i

const withoutNul = (body: string): string => {
  if (!nul.test(body)) return body
  throw new OAuthError('invalid_request', {
    description: 'The body holds a control character.',
    reason: 'control_character',
  })
}

/** better-auth would read a body to its end, however far that is. */
const boundedRequest = async (c: Context<Env>): Promise<Request> => {
  const { url, method, headers } = c.req.raw
  if (method !== 'POST') return c.req.raw
  return new Request(url, { method, headers, body: withoutNul(await readText(c)) })
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

const answerTo = async (c: Context<Env>, request: Request, deps: Deps): Promise<Response> => {
  if (isCounted(c)) {
    const address = addressOf(c, deps)
    await deps.signIn.limits.count({ kind: 'sign-in', account: undefined, address })
  }
  const handled = await deps.people.handle(request)
  const status = await statusOf(handled)
  const { headers, body } = handled
  const answer = new Response(body, { status, headers })
  answer.headers.set('Cache-Control', 'no-store')
  answer.headers.set('X-Content-Type-Options', 'nosniff')
  return answer
}

export const authEndpoint = (deps: Deps): Handler<Env> =>
  async function authEndpoint(c) {
    return answerTo(c, await boundedRequest(c), deps)
  }

/** WebAuthn §5.1: whatever else is in it, it names a credential. */
const namesCredential = ({ response }: Record<string, unknown>): boolean =>
  typeof response === 'object' &&
  response !== null &&
  'id' in response &&
  typeof response.id === 'string'

/** Better-auth looks a credential up by whatever it is sent, so that is looked at before. */
export const passkeyEndpoint = (deps: Deps): Handler<Env> =>
  async function passkeyEndpoint(c) {
    const { members } = c.var
    if (!namesCredential(members)) {
      const description = 'This is no answer of an authenticator.'
      throw new OAuthError('invalid_request', { description, reason: 'malformed_passkey' })
    }
    const { url, headers } = c.req.raw
    const body = withoutNul(JSON.stringify(members))
    return answerTo(c, new Request(url, { method: 'POST', headers, body }), deps)
  }
