/** What a refusal of the authorization server becomes: an error that quotes no credential. */
import { OAuthError, oauthErrorFromBody } from '@behalf/protocol'
import { limitErrorFrom } from './limit-refusal.js'
import type { JsonResponse } from './request-json.js'

const hints: ReadonlyMap<unknown, string> = new Map([
  [
    'invalid_client',
    'Check clientId and clientSecret or clientKey, and that the agent is registered here.',
  ],
  ['unauthorized_client', 'Register the grant type for this client at the authorization server.'],
  ['invalid_target', 'Name a resource that is registered for this agent, spelt the same.'],
  [
    'not_found',
    'Check the id. Who holds a delegation, who lent it and administrators see it; others do not.',
  ],
])

/** Finer ones, by `error_detail`. */
const reasonHints: ReadonlyMap<unknown, string> = new Map([
  [
    'insufficient_budget',
    "Lend less, close an escrow that is done with, or let it draw on yours: budgetMode 'shared'.",
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

export interface RefusedRequest {
  /** What the request carried, so that no error says it again. */
  secrets: readonly (string | undefined)[]
  /** Milliseconds since 1970. */
  now: () => number
}

/** A limit is one whatever stands before the server, and whether or not it speaks OAuth. */
export const refusalOf = (
  { status, body, headers }: JsonResponse,
  { secrets, now }: RefusedRequest,
): OAuthError => {
  const quotes = body !== undefined && quotesCredential(body, secrets)
  const told = quotes ? { error: body.error } : body
  const limit = limitErrorFrom({ status, body: told ?? {}, headers, now: now() })
  if (limit) return limit
  if (typeof told?.error !== 'string') return failure(status)
  const hint = reasonHints.get(body?.error_detail) ?? hints.get(told.error)
  return oauthErrorFromBody(status, quotes ? told : { error_hint: hint, ...told })
}

/** RFC 6749 §5.2 asks for another status; an error body with 200 is an error all the same. */
export const isSuccess = ({ status, body }: JsonResponse): boolean =>
  status >= 200 && status < 300 && typeof body?.error !== 'string'
