/** What a refusal of the authorization server becomes: an error that quotes no credential. */
import { OAuthError, oauthErrorFromBody } from '@behalf/protocol'
import type { JsonResponse } from './request-json.js'

const hints: ReadonlyMap<unknown, string> = new Map([
  ['invalid_client', 'Check clientId and clientSecret, and that the agent is registered here.'],
  ['unauthorized_client', 'Register the grant type for this client at the authorization server.'],
  ['invalid_target', 'Name a resource that is registered for this agent, spelt the same.'],
  [
    'not_found',
    'Check the id. Who holds a delegation, who lent it and administrators see it; others do not.',
  ],
])

/** A server may quote what it refuses. What it quotes would end in a log. */
const quotesCredential = (body: object, secrets: readonly (string | undefined)[]): boolean => {
  const text = JSON.stringify(body)
  return secrets.some((secret) => secret && text.includes(JSON.stringify(secret).slice(1, -1)))
}

const failure = (status: number): OAuthError =>
  new OAuthError(status >= 500 ? 'temporarily_unavailable' : 'server_error', {
    status,
    description: `The authorization server answered ${status}, and not in the way of OAuth.`,
    reason: status >= 500 ? 'server_failure' : 'unexpected_response',
  })

/** @param secrets what the request carried, so that no error says it again */
export const refusalOf = (
  response: JsonResponse,
  secrets: readonly (string | undefined)[],
): OAuthError => {
  const { status, body } = response
  if (typeof body?.error !== 'string') return failure(status)
  if (quotesCredential(body, secrets)) return oauthErrorFromBody(status, { error: body.error })
  return oauthErrorFromBody(status, { error_hint: hints.get(body.error), ...body })
}

/** RFC 6749 §5.2 asks for another status; an error body with 200 is an error all the same. */
export const isSuccess = ({ status, body }: JsonResponse): boolean =>
  status >= 200 && status < 300 && typeof body?.error !== 'string'
