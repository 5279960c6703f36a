/** A session id is no credential. MCP Security Best Practices, "Session Hijacking". */
import { type Check, failed, judge, passed, skipped } from '../check.js'
import { rpcRequest } from '../rpc.js'
import type { Target } from '../target.js'
import { needs } from './bad-tokens.js'
import { specs } from './specs.js'
import { openSession } from './tool-calls.js'

const noSessions = 'the server keeps no sessions'

const sessionOf = async (target: Target): Promise<Record<string, string> | undefined> => {
  const { headers } = await openSession(target, await target.good())
  return 'mcp-session-id' in headers ? headers : undefined
}

const listTools = rpcRequest('2025-11-25', 'tools/list', {}, 3)

const withoutToken: Check = {
  id: 'session-without-token-401',
  title: 'A session id alone opens nothing.',
  level: 'must',
  spec: specs.hijacking,
  fix: 'Verify the token of every request, those of an open session too.',
  run: async (target) => {
    const headers = await sessionOf(target)
    if (!headers) return skipped(noSessions)
    const [post, get, end] = [
      await target.call({ headers, message: listTools }),
      await target.call({ headers, method: 'GET', headersOnly: true }),
      await target.call({ headers, method: 'DELETE', headersOnly: true }),
    ]
    return judge(
      [
        post.status === 401 ? undefined : `POST: ${post.status}`,
        get.status >= 400 ? undefined : `GET: ${get.status}`,
        end.status >= 400 ? undefined : `DELETE: ${end.status}`,
      ],
      '401',
    )
  },
}

const ofAnother: Check = {
  id: 'session-of-another-caller',
  title: 'A session answers nobody but the caller who opened it.',
  level: 'must',
  spec: specs.hijacking,
  fix: 'Keep with each session who opened it (issuer, subject and client), and answer 404 or 403 to others.',
  run: async (target) => {
    const headers = await sessionOf(target)
    if (!headers) return skipped(noSessions)
    const another = { sub: 'another-caller', client_id: 'another-caller' }
    const token =
      (await target.supplied('otherCaller')) ?? (await target.mint?.({ claims: another }))
    if (token === undefined) return needs('otherCaller')
    const { status } = await target.call({ token, headers, message: listTools })
    return status >= 400 && status < 500 ? passed(String(status)) : failed(`answered ${status}`)
  },
}

export const sessionChecks: readonly Check[] = [withoutToken, ofAnother]
